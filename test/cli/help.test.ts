// Golden files of every help text, at 80 columns. TOOLCRIB_UPDATE_GOLDEN=1 writes them anew.

import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { buildProgram } from "../../src/cli/program.ts";
import { createTerminal } from "../../src/cli/terminal.ts";
import { SETTING_NAMES } from "../../src/settings.ts";

const GOLDEN = resolve(import.meta.dir, "../golden/help");

/** The width of a terminal must not change what is compared. */
const terminal = { ...createTerminal({}), columns: undefined };
const host = { env: {}, uid: 0, cwd: "/", terminal };

function pathsBelow(command: Command, path: readonly string[] = []): readonly (readonly string[])[] {
  const children = command.createHelp().visibleCommands(command);
  return [path, ...children.flatMap((child) => pathsBelow(child, [...path, child.name()]))];
}

const ALL = pathsBelow(buildProgram(host, []).command);

test.each(ALL.map((words) => [["toolcrib", ...words].join(" "), words] as const))(
  "%s --help",
  async (name, words) => {
    const { command, output } = buildProgram(host, words);
    await expect(command.parseAsync([...words, "--help"], { from: "user" })).rejects.toMatchObject({
      exitCode: 0,
    });
    const file = join(GOLDEN, `${name.replaceAll(" ", "-")}.txt`);
    if (process.env["TOOLCRIB_UPDATE_GOLDEN"] === "1") writeFileSync(file, output());
    expect(existsSync(file)).toBe(true);
    expect(output()).toBe(readFileSync(file, "utf8"));
    for (const line of output().split("\n")) expect(line.length).toBeLessThanOrEqual(88);
  },
);

test("there is no golden file without its verb", () => {
  const names = ALL.map((words) => `${["toolcrib", ...words].join("-")}.txt`);
  expect(readdirSync(GOLDEN).toSorted()).toEqual(names.toSorted());
});

test("help of a verb is its --help, and the hidden verb is not listed", async () => {
  const words = ["help", "token", "create"];
  const { command, output } = buildProgram(host, words);
  await command.parseAsync(words, { from: "user" });
  expect(output()).toBe(readFileSync(join(GOLDEN, "toolcrib-token-create.txt"), "utf8"));
  expect(readFileSync(join(GOLDEN, "toolcrib.txt"), "utf8")).not.toMatch(/^ +complete /m);
});

test("no option of a verb has the name of a setting", () => {
  const settings = new Set(SETTING_NAMES.map(({ flag }) => flag));
  const { command } = buildProgram(host, []);
  const own = command.commands.flatMap(({ options }) =>
    options.slice(
      0,
      options.findIndex(({ long }) => long === "--json"),
    ),
  );
  expect(own.length).toBeGreaterThan(5);
  expect(own.filter(({ long }) => settings.has(long ?? ""))).toEqual([]);
});

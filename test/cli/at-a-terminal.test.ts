// What differs where a person sits: questions, lines that rewrite themselves, colour, and the armour against text
// that steers a terminal. The command line runs at a real pseudo-terminal.

import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { fakeServer } from "../http/api/fake-admin.ts";
import { FakeAppliance, until } from "./fake-appliance.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");

const fake = new FakeAppliance();
beforeAll(() => fake.start());
afterAll(() => fake.stop());
beforeEach(() => {
  fake.admin.all.clear();
  fake.admin.all.set("files", fakeServer("files", { runs: `npx ${"x".repeat(200)}` }));
});

function sit(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const screen = { text: "" };
  const decoder = new TextDecoder();
  const child = Bun.spawn([process.execPath, MAIN, ...words], {
    cwd: fake.home,
    env: { PATH: process.env["PATH"] ?? "", TERM: "xterm", TOOLCRIB_HOME: fake.home, ...env },
    terminal: {
      cols: 60,
      rows: 24,
      data(_terminal, bytes) {
        screen.text += decoder.decode(bytes, { stream: true });
      },
    },
  });
  const type = (text: string): void => void child.terminal?.write(text);
  const end = async (): Promise<number> => {
    const code = await child.exited;
    child.terminal?.close();
    return code;
  };
  return { screen, type, end };
}

test("add asks, and y goes on: one line a stage, the result at the end", async () => {
  const { screen, type, end } = sit(["add", "new"]);
  await until(() => screen.text.includes("Add it? [y/N] "));
  expect(fake.admin.all.has("new")).toBe(false);
  type("y\r");
  expect(await end()).toBe(0);
  await until(() => screen.text.includes("new: ready, 2 tools"));
  expect(screen.text).toMatch(/\r\x1b\[K {2}resolving {4}new\r?\n {2}downloading {2}12 packages/);
});

test.each(["n\r", "\r", "yesss\r"])("add asks, and %j adds nothing", async (answer) => {
  const { screen, type, end } = sit(["add", "other"]);
  await until(() => screen.text.includes("[y/N] "));
  type(answer);
  expect(await end()).toBe(1);
  expect(screen.text).toContain("Nothing was added.");
  expect(fake.admin.all.has("other")).toBe(false);
});

test("^C at the question", async () => {
  const { screen, type, end } = sit(["add", "other"]);
  await until(() => screen.text.includes("[y/N] "));
  type("\x03");
  expect(await end()).toBe(130);
  expect(fake.admin.all.has("other")).toBe(false);
});

test("^C while a document is typed", async () => {
  const { screen, type, end } = sit(["add", "--yes", "-"]);
  type("one\r");
  await until(() => screen.text.includes("one"));
  const before = fake.admin.plans.length;
  type("\x03");
  expect(await end()).toBe(130);
  expect(fake.admin.plans).toHaveLength(before);
});

test("^C while it is added", async () => {
  const { type, end } = sit(["add", "--yes", "hang"]);
  await until(() => fake.admin.adds.at(-1)?.name === "hang");
  type("\x03");
  expect(await end()).toBe(130);
});

test("tables fit and have colour", async () => {
  const { screen, end } = sit(["ls"]);
  expect(await end()).toBe(0);
  expect(screen.text).toContain("\x1b[32mready\x1b[0m");
  const lines = Bun.stripANSI(screen.text).split(/\r?\n/);
  expect(lines[1]).toHaveLength(60);
  expect(lines[1]).toEndWith("…");
});

test.each([{ NO_COLOR: "1" }, { TERM: "dumb" }])("no colour with %j", async (env) => {
  const { screen, end } = sit(["ls"], env);
  expect(await end()).toBe(0);
  expect(screen.text).not.toContain("\x1b");
});

test("what servers write cannot steer the terminal", async () => {
  const evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202eevil";
  fake.admin.logText = `${evil}\r\nnext\tline\n`;
  fake.admin.toolList = [{ name: "a__b", server: "a", description: evil }];
  fake.admin.all.set("bad", fakeServer("bad", { reason: evil, runs: evil, lastCrash: evil }));
  const result = JSON.stringify({ content: [{ type: "text", text: evil }, { type: evil }] });
  for (const words of [
    ["logs", "bad"],
    ["tools"],
    ["show", "bad"],
    ["call", "raw", result],
    ["show", evil],
  ]) {
    const { screen, end } = sit(words, { NO_COLOR: "1" });
    await end();
    await until(() => screen.text.includes("evil"));
    expect(screen.text).not.toMatch(/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]/);
  }
});

test("a result that is printed whole ends its line", async () => {
  const { screen, end } = sit(["call", "--json", "raw", '{"content":[]}']);
  expect(await end()).toBe(0);
  expect(screen.text).toBe('{"content":[]}\r\n');
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fakeServer } from "../http/api/fake-admin.ts";
import { FakeAppliance } from "./fake-appliance.ts";

const fake = new FakeAppliance();
beforeAll(() => {
  fake.start();
  for (const name of ["files", "fetch", "memory"]) fake.admin.all.set(name, fakeServer(name));
  fake.admin.createToken({ name: "ci/web" });
  fake.admin.toolList = [
    { name: "files__read", server: "files" },
    { name: "x; $(reboot)", server: "files" },
    { name: "*", server: "files" },
  ];
});
afterAll(() => fake.stop());

// The words so far, the last one being written; what may stand there.
const TABLE: readonly [readonly string[], readonly string[]][] = [
  [["se"], ["serve", "setup-url", "settings"]],
  [
    ["show", "f"],
    ["files", "fetch"],
  ],
  [
    ["rm", ""],
    ["files", "fetch", "memory"],
  ],
  [["rm", "files", ""], []],
  [["logs", "-f", "m"], ["memory"]],
  [["call", ""], ["files__read"]],
  [["tools", "--as", ""], ["ci/web"]],
  [
    ["token", ""],
    ["create", "ls", "revoke"],
  ],
  [["token", "revoke", ""], ["ci/web"]],
  [["token", "create", "x", "--server", "fe"], ["fetch"]],
  [["token", "create", "x", "--expires", ""], []],
  [["logs", "--f"], ["--follow"]],
  [["--home", fake.home, "show", "mem"], ["memory"]],
  [["add", "--na"], ["--name"]],
  [["add", "npx", "--na"], []],
  [["add", "npx", "show", ""], []],
  [
    ["completion", ""],
    ["bash", "zsh", "fish"],
  ],
  [["complete"], []],
  [["nonsense", ""], []],
];

test.each(TABLE)("%j → %j", async (words, expected) => {
  const ended = await fake.run(["complete", "--", ...words]);
  expect(ended).toEqual({ code: 0, err: "", out: expected.map((word) => `${word}\n`).join("") });
});

test("without an appliance there are no names, and no words about it", async () => {
  const nowhere = { env: { TOOLCRIB_HOME: "/nowhere" } };
  expect(await fake.run(["complete", "--", "show", ""], nowhere)).toEqual({ code: 0, out: "", err: "" });
});

describe("the script for bash", () => {
  const bash = Bun.which("bash");
  const binaries = join(fake.home, "bin");
  const press = async (words: readonly string[]): Promise<string> => {
    mkdirSync(binaries, { recursive: true });
    const program = join(binaries, "toolcrib");
    writeFileSync(
      program,
      `#!/bin/sh\nexec ${process.execPath} ${resolve(import.meta.dir, "../../src/main.ts")} "$@"\n`,
    );
    chmodSync(program, 0o755);
    const script = `
      source <(toolcrib completion bash); source <(toolcrib completion bash)
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _toolcrib toolcrib; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const child = Bun.spawn([bash ?? "bash", "--norc", "-c", script, "bash", "toolcrib", ...words], {
      env: { PATH: `${binaries}:${process.env["PATH"]}`, TOOLCRIB_HOME: fake.home },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect(err).toBe("");
    return out;
  };

  // Skipped where there is no bash to ask.
  test.skipIf(bash === null)("completes, and runs nothing that stands in the line", async () => {
    expect(await press(["show", "f"])).toBe("files\nfetch\n");
    const trap = join(fake.home, "trapped");
    await press(["call", `$(touch ${trap})`, ""]);
    expect(await Bun.file(trap).exists()).toBe(false);
  });
});

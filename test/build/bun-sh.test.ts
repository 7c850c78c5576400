// scripts/bun.sh with packages made up for it: which Bun it takes, and when it installs.

import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const BINDING = "node_modules/@oxlint/binding/oxlint.node";
const LOCK = "node_modules/.package-lock.json";
/** What npm leaves in the place of Bun where it does not run install scripts. */
const PLACEHOLDER = 'echo "Error: Bun\'s postinstall script was not run." >&2; exit 1';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "toolcrib-bun-"));
  cpSync(join(import.meta.dir, "../../scripts/bun.sh"), join(directory, "scripts/bun.sh"));
  file("package.json", '{\n  "devDependencies": {\n    "bun": "9.8.7",\n    "x": "1.0.0"\n  }\n}\n');
  file("package-lock.json", "{}");
  program("bin/npm", 'echo "npm $*" >> calls; mkdir -p node_modules && : > node_modules/.package-lock.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, text = ""): void {
  mkdirSync(dirname(join(directory, name)), { recursive: true });
  writeFileSync(join(directory, name), text);
}

function program(name: string, script: string): void {
  file(name, `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, name), 0o755);
}

function bun(name: string, version = "9.8.7"): void {
  program(name, `[ "$1" = --version ] && { echo ${version}; exit; }; echo "$0 $*"`);
}

function run(): { code: number; stdout: string; stderr: string; npm: boolean } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", join(directory, "scripts/bun.sh"), "a", "b c"], {
    cwd: "/",
    env: { PATH: `${join(directory, "bin")}:${process.env["PATH"]}`, BUN_BE_BUN: "1" },
  });
  return {
    code: exitCode,
    stdout: stdout.toString().replaceAll(`${directory}/`, ""),
    stderr: stderr.toString(),
    npm: existsSync(join(directory, "calls")),
  };
}

test("the program of package bun, where install scripts were run", () => {
  for (const name of [LOCK, BINDING]) file(name);
  bun("node_modules/bun/bin/bun.exe");
  expect(run()).toEqual({ code: 0, stdout: "node_modules/bun/bin/bun.exe a b c\n", stderr: "", npm: false });
});

test("the program of its platform, where they were not, and the other C library does not run", () => {
  for (const name of [LOCK, BINDING]) file(name);
  program("node_modules/bun/bin/bun.exe", PLACEHOLDER);
  program("node_modules/@oven/bun-linux-x64-musl/bin/bun", "exit 127");
  bun("node_modules/@oven/bun-linux-x64/bin/bun");
  expect(run().stdout).toBe("node_modules/@oven/bun-linux-x64/bin/bun a b c\n");
});

test("another version is not believed", () => {
  for (const name of [LOCK, BINDING]) file(name);
  bun("node_modules/bun/bin/bun.exe", "9.8.6");
  expect(run()).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("Bun 9.8.7 does not run here"),
  });
});

test("installs where nothing is installed", () => {
  file(BINDING);
  bun("node_modules/bun/bin/bun.exe");
  expect(run()).toMatchObject({ code: 0, npm: true });
});

test("installs where package-lock.json is newer than what is installed", () => {
  for (const name of [LOCK, BINDING]) file(name);
  bun("node_modules/bun/bin/bun.exe");
  utimesSync(join(directory, LOCK), 1000, 1000);
  expect(run()).toMatchObject({ code: 0, npm: true });
});

test("asks Bun for what npm left out", () => {
  file(LOCK);
  bun("node_modules/bun/bin/bun.exe");
  const { code, stderr } = run();
  expect(code).toBe(0);
  expect(stderr).toContain("install --no-save --ignore-scripts");
});

test("a failing npm ends it with a sentence", () => {
  program("bin/npm", "echo 'npm ERR! network' >&2; exit 1");
  expect(run()).toMatchObject({
    code: 1,
    stderr: "npm ERR! network\ntoolcrib: npm ci failed: its message stands above.\n",
  });
});

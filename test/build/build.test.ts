// scripts/build.ts on a program of three lines: constants, bytes, and what it leaves behind.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };

const script = join(import.meta.dir, "../../scripts/build.ts");

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "toolcrib-build-"));
  mkdirSync(join(directory, "out"));
  write(
    "await Promise.resolve();",
    "console.log(JSON.stringify([TOOLCRIB_VERSION, TOOLCRIB_COMMIT, TOOLCRIB_FLAGS, process.env.NODE_ENV]));",
  );
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(...lines: readonly string[]): void {
  writeFileSync(join(directory, "main.ts"), `${lines.join("\n")}\n`);
}

function build(): number {
  return Bun.spawnSync(
    [process.execPath, script, join(directory, "main.ts"), join(directory, "out/program")],
    {
      cwd: directory,
      stdout: "ignore",
      stderr: "ignore",
    },
  ).exitCode;
}

const made = (): readonly string[] => readdirSync(join(directory, "out"));
const hash = (): string => Bun.SHA256.hash(readFileSync(join(directory, "out/program")), "hex");

test("one executable that knows what it was made from, and the same bytes each time", () => {
  expect(build()).toBe(0);
  expect(made()).toEqual(["program"]);
  const { stdout } = Bun.spawnSync([join(directory, "out/program")], { env: {} });
  const [version, commit, flags, mode] = JSON.parse(stdout.toString());
  expect([version, mode]).toEqual([manifest.version, "production"]);
  expect(commit).toMatch(/^([0-9a-f]{12}(-dirty)?|unknown)$/);
  expect(flags).toContain("--no-compile-autoload-bunfig --no-compile-autoload-dotenv");

  const first = hash();
  expect(build()).toBe(0);
  expect(hash()).toBe(first);
  expect(readdirSync(directory).toSorted()).toEqual(["main.ts", "out"]);
});

test("a build that fails leaves what was there", () => {
  writeFileSync(join(directory, "out/program"), "the one before");
  write("import './nowhere.ts';");
  expect(build()).not.toBe(0);
  expect(made()).toEqual(["program"]);
  expect(readFileSync(join(directory, "out/program"), "utf8")).toBe("the one before");
});

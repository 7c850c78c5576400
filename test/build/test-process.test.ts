// The test run's own machinery: what hangs is ended, what stays is found, and nothing of the caller's settings passes.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestProcesses } from "../../scripts/test-process.ts";

let directory: string;
let processes: TestProcesses;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "toolcrib-runner-"));
  processes = new TestProcesses(directory, 100);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const run = (script: string, timeoutMs = 20_000) =>
  processes.run(["sh", "-c", script], join(directory, "log"), timeoutMs);
const pidIn = (file: string): number => Number(readFileSync(join(directory, file), "utf8"));

/** A zombie counts as ended. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

test("exit code and output of a command that ends", async () => {
  const ended = await run("echo out; echo err >&2; exit 3");
  expect(ended).toMatchObject({ exitCode: 3, output: "out\nerr\n", left: [] });
});

test("a command that hangs is ended with all that it started", async () => {
  const ended = await run("echo before; sleep 300 & echo $! > child; wait", 200);
  expect(ended).toMatchObject({ exitCode: undefined, output: "before\n", left: [] });
  expect(isAlive(pidIn("child"))).toBe(false);
});

test("what got away from its group is named and ended", async () => {
  const ended = await run("setsid sleep 300 >/dev/null 2>&1 & echo $! > child; sleep 0.1");
  expect(ended.exitCode).toBe(0);
  expect(ended.left).toHaveLength(1);
  expect(ended.left[0]).toEndWith(" sleep 300 ");
  expect(isAlive(pidIn("child"))).toBe(false);
});

test("a descendant that holds the output open does not hold the run", async () => {
  const startedAt = performance.now();
  const ended = await run("setsid sleep 300 & sleep 0.1; echo done");
  expect(ended.output).toBe("done\n");
  expect(performance.now() - startedAt).toBeLessThan(60_000);
});

test("settings, locale and colours of the caller do not pass; the registry does", async () => {
  const names = [
    "TOOLCRIB_HOME",
    "BUN_OPTIONS",
    "npm_config_cache",
    "npm_config_registry",
    "FORCE_COLOR",
    "LC_TIME",
  ];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) process.env[name] = "x";
  try {
    const { output } = await run("env");
    const seen = new Set(output.split("\n").map((line) => line.replace(/=.*/, "")));
    expect(names.filter((name) => seen.has(name))).toEqual(["npm_config_registry"]);
    expect(output.split("\n")).toEqual(expect.arrayContaining(["LC_ALL=C.UTF-8", "NO_COLOR=1"]));
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

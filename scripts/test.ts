// The test run: `npm test` is everything, `npm run check` leaves out the executable (test/e2e). Both look at types,
// format and lint first. Words after that choose files by a part of their name: `npm test -- cli/add`.
//
// Each test file is a process of its own with a deadline, and leaves nothing running. The last line is
// `N passed, M failed`; a step or a file that does not come to a good end is a failure too.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Ended, TestProcesses } from "./test-process.ts";

const root = resolve(import.meta.dir, "..");
const bun = process.execPath;

const STEP_TIMEOUT_MS = 300_000;
const FAST = { workers: 2, fileTimeoutMs: 90_000, testTimeoutMs: 20_000 };
// One at a time: the executable under load wants both cores.
const E2E = { workers: 1, fileTimeoutMs: 900_000, testTimeoutMs: 120_000 };

const CHECKS = {
  types: [bun, "check", "--no-script"],
  format: [bun, "fmt", "--no-script", "--check"],
  lint: [bun, "node_modules/oxlint/bin/oxlint", "--deny-warnings", "--format=unix"],
};
const BUILD = [bun, "scripts/build.ts"];

interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const scratch = mkdtempSync(join(tmpdir(), "toolcrib-test-"));
const processes = new TestProcesses(root);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupted);

try {
  const [mode, ...words] = Bun.argv.slice(2);
  const total = await runAll(mode === "fast", words);
  console.log(`${total.passed} passed, ${total.failed} failed${skippedOf(total)}`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function runAll(isFast: boolean, words: readonly string[]): Promise<Tally> {
  const files = testFiles().filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  const e2e = files.filter((file) => file.startsWith("test/e2e/"));
  const others = files.filter((file) => !e2e.includes(file));

  const tallies: Tally[] = [];
  if (words.length === 0)
    for (const [name, command] of Object.entries(CHECKS)) tallies.push(await step(name, command));
  tallies.push(...(await runFiles(others, FAST)));
  if (isFast || e2e.length === 0) return sum(tallies);

  const built = await step("build", BUILD);
  // Without it, they would try an old executable or none.
  const tried = built.failed === 0 ? await runFiles(e2e, E2E) : [];
  return sum([...tallies, built, ...tried]);
}

function testFiles(): readonly string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("bench/"))
    .map((file) => `test/${file}`)
    .toSorted();
}

/** Not a test: it counts only when it fails. */
async function step(name: string, command: readonly string[]): Promise<Tally> {
  const ended = await processes.run(command, join(scratch, `${name}.log`), STEP_TIMEOUT_MS);
  const trouble = troubleOf(ended, STEP_TIMEOUT_MS);
  report(name, trouble, ended);
  return { passed: 0, failed: trouble.length, skipped: 0 };
}

async function runFiles(files: readonly string[], limits: typeof FAST): Promise<readonly Tally[]> {
  const queue = [...files];
  const tallies: Tally[] = [];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      tallies.push(await runFile(file, limits));
    }
  };
  await Promise.all(Array.from({ length: limits.workers }, worker));
  return tallies;
}

async function runFile(file: string, limits: typeof FAST): Promise<Tally> {
  const name = join(scratch, file.replaceAll("/", "-"));
  const reporter = ["--reporter=junit", `--reporter-outfile=${name}.xml`];
  const command = [bun, "test", `--timeout=${limits.testTimeoutMs}`, ...reporter, `./${file}`];
  const ended = await processes.run(command, `${name}.log`, limits.fileTimeoutMs);
  const counted = existsSync(`${name}.xml`) ? tallyOf(readFileSync(`${name}.xml`, "utf8")) : sum([]);
  // Failed tests are the usual reason for a bad exit: no need to count it once more.
  const trouble = troubleOf(ended, limits.fileTimeoutMs, counted.failed > 0);
  const tally = { ...counted, failed: counted.failed + trouble.length };
  const failed = counted.failed === 0 ? [] : [`${counted.failed} failed`];
  report(`${file}  ${counted.passed} passed${skippedOf(counted)}`, [...failed, ...trouble], ended);
  return tally;
}

function troubleOf({ exitCode, left }: Ended, timeoutMs: number, isExitExplained = false): readonly string[] {
  const trouble = left.map((command) => `left running: ${command}`);
  if (exitCode === undefined) return [`no end within ${timeoutMs / 1000} s`, ...trouble];
  return exitCode === 0 || isExitExplained ? trouble : [`exit code ${exitCode}`, ...trouble];
}

/** A line for each; the whole story only where something is wrong. */
function report(what: string, trouble: readonly string[], { output, tookMs }: Ended): void {
  const seconds = (tookMs / 1000).toFixed(1);
  if (trouble.length === 0) {
    console.log(`ok    ${what}  ${seconds} s`);
    return;
  }
  console.log(`${output.trimEnd()}\nWRONG ${what}, ${trouble.join(", ")}  ${seconds} s\n`);
}

/** From the first line of the JUnit report. */
function tallyOf(junit: string): Tally {
  const [head] = /<testsuites [^>]*>/.exec(junit) ?? [""];
  const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const [failed, skipped] = [count("failures"), count("skipped")];
  return { passed: count("tests") - failed - skipped, failed, skipped };
}

function sum(tallies: readonly Tally[]): Tally {
  const add = (key: keyof Tally): number => tallies.reduce((total, tally) => total + tally[key], 0);
  return { passed: add("passed"), failed: add("failed"), skipped: add("skipped") };
}

function skippedOf({ skipped }: Tally): string {
  return skipped === 0 ? "" : `, ${skipped} skipped`;
}

function interrupted(): void {
  processes.killAll();
  rmSync(scratch, { recursive: true, force: true });
  process.exit(130);
}

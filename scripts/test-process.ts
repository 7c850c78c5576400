// One command of the test run (scripts/test.ts), in a process group of its own: it ends by itself or by its deadline,
// and what it started is gone afterwards.

import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";

/** Output beyond this is cut at its beginning. */
const MAX_OUTPUT_CHARACTERS = 100_000;
/** Time for what a command started to go away after it. */
const LEAVE_MS = 5_000;
/** Marks what a command started, down to the last descendant that inherits its environment. */
const MARK = "TOOLCRIB_TEST_RUN";

export interface Ended {
  /** undefined when its time ran out. */
  readonly exitCode: number | undefined;
  readonly output: string;
  /** What it left running: `pid command line`. These have been killed. */
  readonly left: readonly string[];
  readonly tookMs: number;
}

/** Owns the process groups that are running now; `killAll` ends them when the run is interrupted. */
export class TestProcesses {
  readonly #root: string;
  readonly #leaveMs: number;
  readonly #groups = new Set<number>();
  #count = 0;

  constructor(root: string, leaveMs = LEAVE_MS) {
    this.#root = root;
    this.#leaveMs = leaveMs;
  }

  /** @param outputFile takes stdout and stderr: a file, because a pipe stays open as long as any descendant has it. */
  async run(command: readonly string[], outputFile: string, timeoutMs: number): Promise<Ended> {
    const startedAt = performance.now();
    this.#count += 1;
    const mark = `${process.pid}.${this.#count}`;
    const output = openSync(outputFile, "a");
    const child = Bun.spawn([...command], {
      cwd: this.#root,
      env: environment(mark),
      stdio: ["ignore", output, output],
      detached: true,
    });
    closeSync(output);
    this.#groups.add(child.pid);
    const { promise: deadline, resolve: expire } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => expire(undefined), timeoutMs);
    const exitCode = await Promise.race([child.exited, deadline]);
    clearTimeout(timer);
    if (exitCode === undefined) killGroup(child.pid);
    await child.exited;
    this.#groups.delete(child.pid);
    return {
      exitCode,
      left: await leftovers(`${MARK}=${mark}`, this.#leaveMs),
      output: readFileSync(outputFile, "utf8").slice(-MAX_OUTPUT_CHARACTERS),
      tookMs: performance.now() - startedAt,
    };
  }

  killAll(): void {
    for (const pid of this.#groups) killGroup(pid);
  }
}

/** The same for everybody: nothing of the caller's settings, locale and colours reaches a test. */
function environment(mark: string): Readonly<Record<string, string | undefined>> {
  const own =
    /^(TOOLCRIB_|BUN_(OPTIONS|BE_BUN)$|NODE_(OPTIONS|ENV)$|npm_(?!config_registry$)|LC_|LANG|FORCE_COLOR$|CLICOLOR|NO_COLOR$)/;
  const kept = Object.entries(process.env).filter(([name]) => !own.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: "C.UTF-8", NO_COLOR: "1", [MARK]: mark };
}

/** Waits for the processes with this line in their environment to go away, ends those that do not, and names them. */
async function leftovers(line: string, leaveMs: number): Promise<readonly string[]> {
  const found = await settled(line, leaveMs);
  const left = found.map(
    (pid) => `${pid} ${(readProc(pid, "cmdline") ?? "").replaceAll("\0", " ").slice(0, 200)}`,
  );
  for (const pid of found) kill(pid);
  await settled(line, LEAVE_MS);
  return left;
}

/** Those that are still there after this time. */
async function settled(line: string, withinMs: number): Promise<readonly number[]> {
  const until = performance.now() + withinMs;
  for (;;) {
    const found = marked(line);
    if (found.length === 0 || performance.now() > until) return found;
    await Bun.sleep(50);
  }
}

function marked(line: string): readonly number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => readProc(pid, "environ")?.split("\0").includes(line));
}

/** undefined for a process that is gone or not ours to read. */
function readProc(pid: number, file: "environ" | "cmdline"): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

function killGroup(pid: number): void {
  kill(-pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It went away by itself.
  }
}

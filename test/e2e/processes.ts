// What runs on this host because of one test: found in /proc by the test's own directory, which every process of
// it names in its arguments, environment, working directory or program.

import { readdir, readFile, readlink } from "node:fs/promises";
import { until } from "./wait.ts";

export interface Process {
  readonly pid: number;
  readonly command: string;
}

/** Processes that name `directory`, without this one. Those that have ended but are not yet buried do not count. */
export async function processesOf(directory: string): Promise<readonly Process[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const seen = await Promise.all(pids.map(async (pid) => ({ pid, traces: await traces(pid) })));
  return seen
    .filter(({ traces: found }) => found.some((trace) => trace.includes(directory)))
    .map(({ pid, traces: [command] }) => ({ pid, command: (command ?? "").replaceAll("\0", " ").trim() }));
}

/** Waits until no process names `directory`; the error lists those that stayed. */
export async function nothingLeft(directory: string, timeoutMs = 15_000): Promise<void> {
  let left: readonly Process[] = [];
  try {
    await until(
      "every process has ended",
      async () => (left = await processesOf(directory)).length === 0,
      timeoutMs,
    );
  } catch (error) {
    const list = left.map(({ pid, command }) => `  ${pid} ${command}`).join("\n");
    throw new Error(`left running after ${timeoutMs} ms:\n${list}`, { cause: error });
  }
}

/** Ends what a failed test left, so that the next one starts clean. Only processes that name `directory`. */
export async function endAll(directory: string): Promise<void> {
  for (const { pid } of await processesOf(directory)) signal(pid, "SIGKILL");
}

/** Whether `pid` runs; a zombie does not. */
export async function runs(pid: number): Promise<boolean> {
  const stat = await text(`/proc/${pid}/stat`);
  return stat !== "" && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

/** Sends a signal; a process that is already gone is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Resident memory in kibibytes; 0 for a process that is gone. */
export async function residentKib(pid: number): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(await text(`/proc/${pid}/status`))?.[1] ?? 0);
}

async function traces(pid: number): Promise<readonly string[]> {
  const link = (name: string) => readlink(`/proc/${pid}/${name}`).catch(() => "");
  return Promise.all([text(`/proc/${pid}/cmdline`), text(`/proc/${pid}/environ`), link("cwd"), link("exe")]);
}

async function text(path: string): Promise<string> {
  return readFile(path, "latin1").catch(() => "");
}

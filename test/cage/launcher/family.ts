// Starts servers under the launcher and finds all processes that came of them, wherever they fled: a variable of
// their environment tells whose they are. Used by the launcher's tests.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The variable whose value is the mark of a family. */
export const MARK = "LAUNCHER_TEST_MARK";

/** Far over what the slowest machine needs; a test that waits this long has failed. */
const DEADLINE_MS = 15_000;

export interface Launched {
  readonly mark: string;
  readonly outer: Bun.Subprocess<"pipe", "pipe", "pipe">;
}

export function server(name: string): string {
  return join(import.meta.dir, "servers", name);
}

export function launch(launcher: string, command: readonly string[], cwd = "/"): Launched {
  const mark = crypto.randomUUID();
  const outer = Bun.spawn([launcher, String(process.pid), "--", ...command], {
    cwd,
    env: { PATH: "/usr/bin:/bin", [MARK]: mark },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  return { mark, outer };
}

/** Ids of the living processes of a family, launchers included. The dead ones that nobody buried have no environment. */
export function family(mark: string): readonly number[] {
  const wanted = `${MARK}=${mark}`;
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return pids.filter((pid) => procFile(pid, "environ").split("\0").includes(wanted));
}

/** Empty when the process is gone. */
export function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}

/** The value of one line of /proc/PID/status. */
export function status(pid: number, name: string): string | undefined {
  const line = procFile(pid, "status")
    .split("\n")
    .find((text) => text.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

export function childOf(pid: number): number {
  const found = readdirSync("/proc").find((name) => status(Number(name), "PPid") === String(pid));
  if (found === undefined) throw new Error(`process ${pid} has no child`);
  return Number(found);
}

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not come to pass: ${what}`);
    await Bun.sleep(10);
  }
}

/** Reads a stream until it has brought `count` lines with `text`; returns what it read. */
export async function linesWith(
  stream: ReadableStream<Uint8Array>,
  text: string,
  count: number,
): Promise<string> {
  const decoder = new TextDecoder();
  let read = "";
  const reader = stream.getReader();
  try {
    while (read.split("\n").filter((line) => line.includes(text)).length < count) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the stream ended after: ${read}`);
      read += decoder.decode(value, { stream: true });
    }
    return read;
  } finally {
    reader.releaseLock();
  }
}

/** What a stream brings until its end, also where linesWith has read from it before. */
export async function restOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** For clean-up after a test that failed: nothing of a family stays. */
export function exterminate(mark: string): void {
  for (const pid of family(mark)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It was faster.
    }
  }
}

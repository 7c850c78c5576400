// A Bun program of the bench that listens: started, and ended by closing its stdin.

import { join } from "node:path";
import type { Subject, SubjectName } from "./subject.ts";

const START_DEADLINE_MS = 20_000;

/** Starts a file (relative to test/) that prints `listening <url>` and ends when its stdin does. */
export async function startProgram(
  name: SubjectName,
  file: string,
  args: readonly string[] = [],
): Promise<Subject> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../..", file), ...args], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const stop = async (): Promise<void> => {
    await child.stdin.end();
    await child.exited;
  };
  const timer = setTimeout(() => child.kill(), START_DEADLINE_MS);
  const url = await firstLine(child.stdout);
  clearTimeout(timer);
  if (url === undefined) throw new Error(`${file} ended, or did not listen within ${START_DEADLINE_MS} ms`);
  return { name, target: { url }, pid: child.pid, [Symbol.asyncDispose]: stop };
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  // A program writes its URL first and nothing after it: what is left unread cannot fill the pipe.
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const url = /^listening (\S+)\n/m.exec(text)?.[1];
    if (url !== undefined) return url;
  }
  return undefined;
}

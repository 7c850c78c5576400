// Text that a person hands over: on stdin, or in a file that they name. Bounded.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { AppError, systemErrorCode } from "../errors.ts";

const MAX_LINE_CHARACTERS = 4096;

/** All of it. @throws AppError `too-large`, `interrupted`, `usage` for what is not UTF-8 */
export async function readStdin(maxBytes: number, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stdin(signal)) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new AppError("too-large", `stdin has more than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return textOf(Buffer.concat(chunks), "stdin");
}

/** What is typed up to the end of the line, at most MAX_LINE_CHARACTERS. @throws AppError `interrupted` */
export async function readLine(signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let line = "";
  for await (const chunk of stdin(signal)) {
    line += decoder.decode(chunk, { stream: true });
    if (line.includes("\n") || line.length > MAX_LINE_CHARACTERS) break;
  }
  return line.split("\n", 1)[0] ?? "";
}

/** NB: a read of stdin cannot be taken back, so an interruption leaves it behind; the process ends then. */
async function* stdin(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = Bun.stdin.stream().getReader();
  const { promise: interruption, reject } = Promise.withResolvers<never>();
  interruption.catch(() => undefined);
  const stop = (): void => reject(new AppError("interrupted", "Interrupted."));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  for (;;) {
    const { done, value } = await Promise.race([reader.read(), interruption]);
    if (done) return;
    yield value;
  }
}

/** Size of a regular file; undefined for what is not there or is something else. */
export function fileSize(path: string): number | undefined {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts?.isFile() ? facts.size : undefined;
}

/** The whole file. @throws AppError `usage` when it cannot be read or is not UTF-8, `too-large` */
export function readFile(path: string, maxBytes: number): string {
  const start = readStart(path, maxBytes + 1);
  if (start.length > maxBytes) throw new AppError("too-large", `${path} has more than ${maxBytes} bytes.`);
  return textOf(start, path);
}

/** Its first bytes. */
export function readStart(path: string, maxBytes: number): Uint8Array {
  const buffer = Buffer.alloc(Math.min(maxBytes, (fileSize(path) ?? 0) + 1));
  try {
    const file = openSync(path, "r");
    try {
      let length = 0;
      for (let got = -1; got !== 0 && length < buffer.length; length += got) {
        got = readSync(file, buffer, length, buffer.length - length, null);
      }
      return buffer.subarray(0, length);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new AppError("usage", `${path} cannot be read (${systemErrorCode(error) ?? "unknown error"}).`, {
      cause: error,
    });
  }
}

function textOf(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError("usage", `${name} is not UTF-8 text.`, { cause: error });
  }
}

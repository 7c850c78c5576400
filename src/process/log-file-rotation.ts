// The files of one log on disk: `x.log`, and `x.log.1` (younger) to `x.log.4` before it. Each step is one rename, so
// that an end at any moment loses none of them. Used by log-file.ts.

import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { systemErrorCode } from "../errors.ts";

const NEWLINE = 0x0a;

/** For appending and for a look at its end; made where it is not there. Only its owner reads it; no link is followed. */
export async function openLog(path: string): Promise<FileHandle> {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  try {
    return await open(path, flags, 0o600);
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return open(path, flags, 0o600);
  }
}

/** Makes room for a new `path`; of `files` files in all, the oldest goes. */
export async function rotate(path: string, files: number): Promise<void> {
  const numbered = (number: number): string => (number === 0 ? path : `${path}.${number}`);
  // A place that is free, because a rotation was interrupted, is filled before anything is thrown away.
  let free = 1;
  while (free < files - 1 && (await exists(numbered(free)))) free++;
  for (let number = free; number > 0; number--) await rename(numbered(number - 1), numbered(number));
}

/** At most `maxBytes` of the end, whole lines only, from as many of the files as it takes. */
export async function tailOfLog(path: string, files: number, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let room = maxBytes;
  let isWhole = true;
  for (let number = 0; number < files && room > 0; number++) {
    const part = await endOf(number === 0 ? path : `${path}.${number}`, room);
    if (part === undefined) continue;
    parts.unshift(part.bytes);
    room -= part.bytes.length;
    isWhole = part.isWhole;
  }
  const bytes = Buffer.concat(parts);
  return (isWhole ? bytes : bytes.subarray(bytes.indexOf(NEWLINE) + 1)).toString();
}

export async function removeLog(path: string, files: number): Promise<void> {
  for (let number = 0; number < files; number++) {
    await unlink(number === 0 ? path : `${path}.${number}`).catch(() => undefined);
  }
}

/** 0 for one that is not there. */
export async function sizeOfLog(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** True for a file whose last line was not finished when its writer was killed. */
export async function endsWithin(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== NEWLINE;
}

async function endOf(
  path: string,
  maxBytes: number,
): Promise<{ bytes: Buffer; isWhole: boolean } | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = await file.stat();
    const wanted = Math.min(size, maxBytes);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(wanted), 0, wanted, size - wanted);
    return { bytes: buffer.subarray(0, bytesRead), isWhole: wanted === size };
  } catch {
    // Not there, or nothing that can be read: what is there elsewhere is still worth showing.
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

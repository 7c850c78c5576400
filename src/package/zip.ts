// Unpacks a zip archive from anywhere into an empty directory: everything is looked at before the first byte is
// written, and only regular files with plain paths come out. Called by mcpb.ts.

import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32 } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import { isPlainPath } from "./tree.ts";

export interface ZipLimits {
  readonly maxEntries: number;
  /** Of all files together, unpacked. */
  readonly maxBytes: number;
  /** Unpacked bytes for each packed one, over the whole archive. Deflate ends at 1032. */
  readonly maxRatio: number;
}

/** A small archive may have any ratio. */
const SMALL_BYTES = 16 * 1_048_576;

// The file type in a Unix mode (inode(7)).
const TYPE_BITS = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;

/** @throws AppError `bad-answer` for an archive that is damaged or hostile, `too-large`, `interrupted` */
export async function unzip(
  file: string,
  directory: string,
  limits: ZipLimits,
  signal: AbortSignal,
): Promise<void> {
  const zip = await open(file);
  try {
    for (const entry of await readEntries(zip, limits)) {
      if (signal.aborted) throw new AppError("interrupted", "The unpacking was interrupted.");
      await extract(zip, entry, directory, signal);
    }
  } catch (thrown) {
    throw thrown instanceof AppError ? thrown : damaged(thrown);
  } finally {
    zip.close();
  }
}

async function open(file: string): Promise<ZipFile> {
  try {
    return await openPromise(file, { autoClose: false, strictFileNames: true, validateEntrySizes: true });
  } catch (thrown) {
    throw damaged(thrown);
  }
}

/** In the archive's order, all of them checked. */
async function readEntries(zip: ZipFile, limits: ZipLimits): Promise<readonly Entry[]> {
  if (zip.entryCount > limits.maxEntries) throw tooLarge(`${limits.maxEntries} files`);
  const entries: Entry[] = [];
  const names = new Set<string>();
  let bytes = 0;
  let packedBytes = 0;
  for await (const entry of zip.eachEntry()) {
    checkEntry(entry);
    // Names that differ in their case only are one file on some disks, and two on others.
    const name = nameOf(entry).normalize("NFC").toLowerCase();
    if (names.has(name)) throw refused(entry, "stands in it twice");
    names.add(name);
    entries.push(entry);
    bytes += entry.uncompressedSize;
    packedBytes += entry.compressedSize;
    if (bytes > limits.maxBytes) throw tooLarge(`${limits.maxBytes} bytes`);
    // Files that overlap unfold the same bytes again and again.
    if (packedBytes > zip.fileSize) throw refused(entry, "overlaps another file");
  }
  if (bytes > SMALL_BYTES && bytes > packedBytes * limits.maxRatio) {
    throw new AppError(
      "too-large",
      "The archive unfolds to more than it can hold in good faith: it is not unpacked.",
    );
  }
  return entries;
}

function checkEntry(entry: Entry): void {
  const mode = entry.externalFileAttributes >>> 16;
  const type = mode & TYPE_BITS;
  if (!isPlainPath(nameOf(entry))) throw refused(entry, "is no plain path");
  if (entry.isEncrypted()) throw refused(entry, "is encrypted");
  if (!entry.canDecodeFileData()) throw refused(entry, "is packed in a way that is not read");
  if (type !== 0 && type !== (isDirectory(entry) ? DIRECTORY : REGULAR)) {
    throw refused(entry, "is a link or a device");
  }
  if ((mode & 0o6000) !== 0) throw refused(entry, "would run as another user");
  if (isDirectory(entry) && entry.uncompressedSize > 0) throw refused(entry, "is a directory with content");
}

async function extract(zip: ZipFile, entry: Entry, directory: string, signal: AbortSignal): Promise<void> {
  const path = join(directory, nameOf(entry));
  if (isDirectory(entry)) return void (await mkdir(path, { recursive: true }));
  await mkdir(dirname(path), { recursive: true });
  const mode = ((entry.externalFileAttributes >>> 16) & 0o111) === 0 ? 0o644 : 0o755;
  let sum = 0;
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      sum = crc32(chunk, sum);
      done(null, chunk);
    },
  });
  // NB: the library breaks off a file that is longer than the archive says.
  const content = await zip.openReadStreamPromise(entry);
  await pipeline(content, count, createWriteStream(path, { flags: "wx", mode }), { signal });
  if (sum !== entry.crc32) throw refused(entry, "is damaged");
}

function isDirectory(entry: Entry): boolean {
  return entry.fileName.endsWith("/");
}

function nameOf(entry: Entry): string {
  return isDirectory(entry) ? entry.fileName.slice(0, -1) : entry.fileName;
}

function refused(entry: Entry, what: string): AppError {
  return new AppError("bad-answer", `The archive is not unpacked: ${quoted(entry.fileName)} ${what}.`);
}

function tooLarge(bound: string): AppError {
  return new AppError("too-large", `The archive has more than ${bound}: it is not unpacked.`);
}

function damaged(thrown: unknown): AppError {
  const why = thrown instanceof Error ? ` (${quoted(thrown.message)})` : "";
  return new AppError("bad-answer", `The archive is damaged, or no zip archive${why}: it is not unpacked.`, {
    cause: thrown,
  });
}

// The tar format (POSIX.1-2017, pax), as far as a bundle needs it: regular files, one after the other. What is written
// any tar reads; what is read is only what is written here, and everything else is refused.
//
// Not tar-stream, whose current version depends on a native module of another runtime; and a reader that knows links,
// devices and owners would have to be told to refuse them.

import { AppError } from "../errors.ts";
import type { ByteReader } from "./byte-reader.ts";

export interface TarEntry {
  readonly path: string;
  readonly bytes: number;
}

const BLOCK = 512;
/** What a header's own field holds; longer ones stand in an entry before it. */
const MAX_NAME_BYTES = 100;
const MAX_PATH_BYTES = 8192;
/** Eleven octal digits. */
const MAX_FILE_BYTES = 8 ** 11 - 1;

const FILE = "0";
const PAX = "x";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const PAX_NAME = encoder.encode("././@PaxHeader");

/** What stands before a file's content. @throws AppError `too-large` for a file of 8 GiB */
export function tarHeader({ path, bytes }: TarEntry): Uint8Array {
  const name = encoder.encode(path);
  if (name.length <= MAX_NAME_BYTES) return header(name, bytes, FILE);
  const record = paxRecord("path", path);
  // For programs that do not know pax: a name that is cut, and cut through no character.
  const short = encoder.encode(path.replaceAll(/[^\x20-\x7e]/g, "_").slice(0, MAX_NAME_BYTES));
  return concat(header(PAX_NAME, record.length, PAX), padded(record), header(short, bytes, FILE));
}

/** What stands behind a file's content, so that the next header begins in a block of its own. */
export function tarPadding(bytes: number): Uint8Array {
  return new Uint8Array((BLOCK - (bytes % BLOCK)) % BLOCK);
}

/** What stands behind the last file. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * BLOCK);
}

/** The next file, whose content and padding come next; undefined at the end. @throws AppError `bad-answer` */
export async function readTarHeader(reader: ByteReader): Promise<TarEntry | undefined> {
  const first = await reader.take(BLOCK);
  if (first.every((byte) => byte === 0)) {
    await readEnd(reader);
    return undefined;
  }
  const entry = parseHeader(first);
  if (entry.type === FILE) return { path: entry.name, bytes: entry.bytes };
  if (entry.type !== PAX || entry.bytes > MAX_PATH_BYTES) throw refused();
  const record = await reader.take(entry.bytes);
  await skipPadding(reader, entry.bytes);
  const file = parseHeader(await reader.take(BLOCK));
  if (file.type !== FILE) throw refused();
  return { path: readPax(record), bytes: file.bytes };
}

/** NB: it has to be zeros: two archives of one content are the same bytes. */
export async function skipPadding(reader: ByteReader, bytes: number): Promise<void> {
  const padding = await reader.take(tarPadding(bytes).length);
  if (padding.some((byte) => byte !== 0)) throw refused();
}

async function readEnd(reader: ByteReader): Promise<void> {
  const second = await reader.take(BLOCK);
  if (second.some((byte) => byte !== 0) || !(await reader.atEnd())) throw refused();
}

function header(name: Uint8Array, bytes: number, type: string): Uint8Array {
  if (bytes > MAX_FILE_BYTES) throw new AppError("too-large", "A file of 8 GiB or more cannot be carried.");
  const block = new Uint8Array(BLOCK);
  const put = (text: string, at: number): void => void block.set(encoder.encode(text), at);
  block.set(name, 0);
  put("0000644\0", 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  put(`${bytes.toString(8).padStart(11, "0")}\0`, 124);
  put(`${"0".repeat(11)}\0`, 136);
  put(" ".repeat(8), 148);
  put(type, 156);
  put("ustar\x0000", 257);
  put(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

interface Header {
  readonly name: string;
  readonly bytes: number;
  readonly type: string;
}

function parseHeader(block: Uint8Array): Header {
  const text = (at: number, length: number): string =>
    Buffer.from(block.subarray(at, at + length)).toString("latin1");
  const sum = /^([0-7]{6})\0 $/.exec(text(148, 8))?.[1];
  const size = /^([0-7]{11})\0$/.exec(text(124, 12))?.[1];
  const isRight = text(257, 8) === "ustar\x0000" && text(345, 155) === "\0".repeat(155);
  if (sum === undefined || size === undefined || !isRight || parseInt(sum, 8) !== checksum(block))
    throw refused();
  const end = block.indexOf(0);
  const name = decode(block.subarray(0, end === -1 ? MAX_NAME_BYTES : Math.min(end, MAX_NAME_BYTES)));
  return { name, bytes: parseInt(size, 8), type: text(156, 1) };
}

/** Its own field counts as spaces. */
function checksum(block: Uint8Array): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
}

/** `<length> key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length + rest !== length) length = rest + String(length).length;
  return encoder.encode(`${length} ${key}=${value}\n`);
}

function readPax(record: Uint8Array): string {
  const path = /^\d+ path=([^]+)\n$/.exec(decode(record))?.[1];
  if (path === undefined || !Buffer.from(paxRecord("path", path)).equals(record)) throw refused();
  return path;
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw refused();
  }
}

function padded(content: Uint8Array): Uint8Array {
  return concat(content, tarPadding(content.length));
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function refused(): AppError {
  return new AppError("bad-answer", "The archive is not one that `toolcrib bundle` wrote, or it is damaged.");
}

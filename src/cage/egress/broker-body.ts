// The bodies of HTTP/1.1 messages, out of their framing and into it again (RFC 9112, sections 6 and 7). A chunk of one
// side is not a chunk of the other: extensions and trailers are dropped, since nobody has checked them.

import type { Body } from "./broker-head.ts";
import { BrokerRefusal } from "./broker-refusal.ts";
import type { ByteSocket } from "./broker-socket.ts";

const MAX_CHUNK_LINE = 1024;
const MAX_TRAILER_LINES = 64;
const CHUNK_LINE = /^([0-9a-fA-F]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n$/;

/** The end of a body that was written in chunks. */
export const LAST_CHUNK: Uint8Array = Buffer.from("0\r\n\r\n");

/** Piece by piece, as it comes. @throws BrokerRefusal where it is malformed or breaks off; see ByteSocket.read */
export async function* readBody(source: ByteSocket, body: Body): AsyncGenerator<Uint8Array, void> {
  if (body.kind === "length") yield* readLength(source, body.bytes);
  if (body.kind === "chunked") yield* readChunks(source);
  if (body.kind === "until-close") yield* readRest(source);
}

/** One chunk. NB: an empty one would be the end. */
export function chunk(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

async function* readLength(source: ByteSocket, bytes: number): AsyncGenerator<Uint8Array, void> {
  for (let left = bytes; left > 0;) {
    const piece = await source.read();
    if (piece === undefined) throw brokenOff();
    const wanted = piece.subarray(0, left);
    source.unread(piece.subarray(wanted.length));
    left -= wanted.length;
    yield wanted;
  }
}

async function* readChunks(source: ByteSocket): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    const size = await readChunkSize(source);
    if (size === 0) break;
    yield* readLength(source, size);
    if ((await readLine(source)) !== "\r\n") throw new BrokerRefusal(400, "A chunk is longer than it said.");
  }
  for (let lines = 0; (await readLine(source)) !== "\r\n"; lines++) {
    if (lines === MAX_TRAILER_LINES) throw new BrokerRefusal(400, "There are too many trailers.");
  }
}

async function* readRest(source: ByteSocket): AsyncGenerator<Uint8Array, void> {
  for (let piece = await source.read(); piece !== undefined; piece = await source.read()) yield piece;
}

async function readChunkSize(source: ByteSocket): Promise<number> {
  const [, digits] = CHUNK_LINE.exec(await readLine(source)) ?? [];
  if (digits === undefined) throw new BrokerRefusal(400, "The size of a chunk is malformed.");
  return parseInt(digits, 16);
}

/** With its CR and LF. */
async function readLine(source: ByteSocket): Promise<string> {
  const line = await source.readLine(MAX_CHUNK_LINE);
  if (line === undefined) throw brokenOff();
  return Buffer.from(line).toString("latin1");
}

function brokenOff(): BrokerRefusal {
  return new BrokerRefusal(400, "The body broke off before its end.");
}

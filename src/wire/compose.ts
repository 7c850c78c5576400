// Puts messages together from slices: one allocation and one copy each.

import type { Found } from "./json-scan.ts";

/** A piece of a message: raw bytes, or text that is ASCII (checked by nobody: pass constants and numbers only). */
export type Piece = Uint8Array | string;

/** All pieces in one buffer. */
export function compose(...pieces: readonly Piece[]): Buffer<ArrayBuffer> {
  const out = Buffer.allocUnsafe(lengthOf(pieces));
  writePieces(pieces, out);
  return out;
}

/** Bytes of all pieces together. */
export function lengthOf(pieces: readonly Piece[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

/** Writes all pieces, one after the other, to the start of `out`, which has room for them. */
export function writePieces(pieces: readonly Piece[], out: Buffer): void {
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === "string") out.write(piece, at, "latin1");
    else out.set(piece, at);
    at += piece.length;
  }
}

/** `bytes` with the range `at` replaced. */
export function splice(bytes: Uint8Array, at: Found, replacement: Piece): Buffer<ArrayBuffer> {
  return compose(bytes.subarray(0, at.start), replacement, bytes.subarray(at.end));
}

/**
 * The same JSON on one line. In JSON a line break can only stand between tokens, where a space means the same; in
 * broken JSON this keeps a sender from smuggling a second message into a line-framed stream.
 */
export function onOneLine(bytes: Uint8Array): Uint8Array {
  if (bytes.indexOf(0x0a) < 0 && bytes.indexOf(0x0d) < 0) return bytes;
  const line = Uint8Array.from(bytes);
  for (let index = 0; index < line.length; index++) {
    if (line[index] === 0x0a || line[index] === 0x0d) line[index] = 0x20;
  }
  return line;
}

/** A string as JSON in ASCII only: safe as a Piece. */
export function asciiJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const encoder = new TextEncoder();

/** A JSON value of our own making, as bytes. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

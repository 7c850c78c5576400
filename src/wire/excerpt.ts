// A look at text that came from outside, fit for a sentence, a log line and a terminal.

import { textOf } from "./json-scan.ts";

const DEFAULT_BYTES = 200;
/** Control characters, line separators, and what turns the direction of text around. */
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g;

/** The first `maxBytes` on one line; `…` says that there was more. */
export function excerpt(bytes: Uint8Array, maxBytes: number = DEFAULT_BYTES): string {
  const shown = textOf(bytes, 0, Math.min(bytes.length, maxBytes)).replaceAll(UNFIT, " ").trim();
  return bytes.length > maxBytes ? `${shown}…` : shown;
}

// Finds where JSON values begin and end, without building them. Everything that Toolcrib forwards is a slice found
// here. The scanner trusts nothing: on text that is not balanced it answers NOT_FOUND and never reads past the end.
//
// It checks extents (strings, brackets), not the whole grammar: a slice it returns is lexically closed, so it
// cannot reach into what is written around it. Bad grammar inside a slice stays its sender's own problem.

import {
  QUOTE,
  BACKSLASH,
  OPEN_BRACE,
  CLOSE_BRACE,
  OPEN_BRACKET,
  CLOSE_BRACKET,
  COMMA,
  COLON,
} from "./json-bytes.ts";

export const NOT_FOUND = -1;

/** Below this many bytes a plain loop is faster than the native search. */
const NATIVE_SEARCH_FROM = 64;

export function skipSpace(bytes: Uint8Array, at: number): number {
  let index = at;
  for (;;) {
    const byte = bytes[index];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return index;
    index++;
  }
}

/** Index after the string whose opening quote is at `at`; NOT_FOUND when it does not end. */
function skipString(bytes: Uint8Array, at: number): number {
  let index = at + 1;
  const near = Math.min(bytes.length, index + NATIVE_SEARCH_FROM);
  while (index < near) {
    const byte = bytes[index];
    if (byte === QUOTE) return index + 1;
    index += byte === BACKSLASH ? 2 : 1;
  }
  for (;;) {
    const quote = bytes.indexOf(QUOTE, index);
    if (quote < 0) return NOT_FOUND;
    let slash = quote - 1;
    while (bytes[slash] === BACKSLASH && slash > at) slash--;
    const escaped = (quote - 1 - slash) % 2 === 1;
    if (!escaped) return quote + 1;
    index = quote + 1;
  }
}

/** Index after the value that begins at `at` (no space before it); NOT_FOUND when there is none or it does not end. */
export function skipValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return skipString(bytes, at);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(bytes, at);
  return skipLiteral(bytes, at);
}

function skipNested(bytes: Uint8Array, at: number): number {
  const length = bytes.length;
  let depth = 0;
  let index = at;
  while (index < length) {
    const byte = bytes[index];
    if (byte === QUOTE) {
      index = skipString(bytes, index);
      if (index < 0) return NOT_FOUND;
      continue;
    }
    index++;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
      if (depth === 0) return index;
    }
  }
  return NOT_FOUND;
}

/** Numbers, true, false, null: letters, digits and -+. up to the first other byte. */
function skipLiteral(bytes: Uint8Array, at: number): number {
  let index = at;
  for (;;) {
    const byte = bytes[index];
    if (byte === undefined) break;
    const digit = byte >= 0x30 && byte <= 0x39;
    const letter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
    if (!digit && !letter && byte !== 0x2d && byte !== 0x2b && byte !== 0x2e) break;
    index++;
  }
  return index === at ? NOT_FOUND : index;
}

/**
 * Walks the members of one object. `next()` moves to the next member and says whether there was one; afterwards
 * `failed` tells a broken object from the end of a good one, and `end` is the index after its brace.
 */
export class ObjectScan {
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  failed = false;
  end = NOT_FOUND;
  readonly #bytes: Uint8Array;
  #at: number;
  #first = true;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at + 1;
    if (bytes[at] !== OPEN_BRACE) this.#fail();
  }

  next(): boolean {
    if (this.failed || this.end !== NOT_FOUND) return false;
    const bytes = this.#bytes;
    let at = skipSpace(bytes, this.#at);
    if (bytes[at] === CLOSE_BRACE) {
      this.end = at + 1;
      return false;
    }
    if (!this.#first) {
      if (bytes[at] !== COMMA) return this.#fail();
      at = skipSpace(bytes, at + 1);
    }
    this.#first = false;
    if (bytes[at] !== QUOTE) return this.#fail();
    this.keyStart = at;
    this.keyEnd = skipString(bytes, at);
    if (this.keyEnd < 0) return this.#fail();
    at = skipSpace(bytes, this.keyEnd);
    if (bytes[at] !== COLON) return this.#fail();
    this.valueStart = skipSpace(bytes, at + 1);
    this.valueEnd = skipValue(bytes, this.valueStart);
    if (this.valueEnd < 0) return this.#fail();
    this.#at = this.valueEnd;
    return true;
  }

  /**
   * Whether the key of the current member is `word`, which is ASCII without quotes or backslashes. Costs no string:
   * every message is walked with this.
   */
  keyIs(word: string): boolean {
    const bytes = this.#bytes;
    const start = this.keyStart + 1;
    const length = this.keyEnd - 1 - start;
    if (length === word.length) {
      let index = 0;
      while (index < length && bytes[start + index] === word.charCodeAt(index)) index++;
      if (index === length) return true;
    }
    // Escapes only make a key longer than what it says: a shorter one cannot be `word`.
    return length > word.length && isEscaped(bytes, start, start + length) && this.key() === word;
  }

  /** The key of the current member, decoded: `"\u006eame"` is `name` to every parser, so it is here too. */
  key(): string {
    return decodeString(this.#bytes, this.keyStart, this.keyEnd) ?? "";
  }

  #fail(): false {
    this.failed = true;
    return false;
  }
}

/**
 * Ranges of the elements of the array that begins at `at`, as [start, end, start, end, …]; undefined when it is
 * broken or has more than `maxElements`.
 */
export function elementRanges(bytes: Uint8Array, at: number, maxElements = Infinity): number[] | undefined {
  if (bytes[at] !== OPEN_BRACKET) return undefined;
  const ranges: number[] = [];
  let index = skipSpace(bytes, at + 1);
  if (bytes[index] === CLOSE_BRACKET) return ranges;
  for (;;) {
    const end = skipValue(bytes, index);
    if (end < 0) return undefined;
    if (ranges.length >= 2 * maxElements) return undefined;
    ranges.push(index, end);
    index = skipSpace(bytes, end);
    if (bytes[index] === CLOSE_BRACKET) return ranges;
    if (bytes[index] !== COMMA) return undefined;
    index = skipSpace(bytes, index + 1);
  }
}

export interface Found {
  readonly start: number;
  readonly end: number;
}

/**
 * The value of member `name` of the object at `at`; undefined when it is not there or the object is broken.
 * Of a repeated member it is the last, as JSON.parse has it.
 */
export function findMember(bytes: Uint8Array, at: number, name: string): Found | undefined {
  const scan = new ObjectScan(bytes, at);
  let found: Found | undefined;
  while (scan.next()) {
    if (scan.keyIs(name)) found = { start: scan.valueStart, end: scan.valueEnd };
  }
  return scan.failed ? undefined : found;
}

const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** The string whose quotes are at `start` and `end - 1`; undefined when it is not a string of JSON. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (bytes[start] !== QUOTE) return undefined;
  if (!isEscaped(bytes, start + 1, end - 1)) return textOf(bytes, start + 1, end - 1);
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes.subarray(start, end)));
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** NB: looks in the range only. A native search would go on to the end of the message, once for each short string. */
function isEscaped(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    const byte = bytes[index] ?? 0;
    // A bare control character is an error that JSON.parse finds.
    if (byte === BACKSLASH || byte < 0x20) return true;
  }
  return false;
}

/** Up to here, looking for other than ASCII in a loop is cheaper than the decoder. */
const SHORT_TEXT = 64;

/** The text of a byte range; what is not UTF-8 in it is shown as U+FFFD. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT_TEXT) return decoder.decode(bytes.subarray(start, end));
  for (let index = start; index < end; index++) {
    if ((bytes[index] ?? 0) >= 0x80) return decoder.decode(bytes.subarray(start, end));
  }
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}

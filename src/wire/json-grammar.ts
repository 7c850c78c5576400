// Says whether bytes are JSON (RFC 8259), without building anything: at the edge, before a message is taken in. A
// server would throw a broken message away without a word, and its sender would wait. JSON.parse answers the same
// question with objects, and takes seconds of the only thread on a body made for that.

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
import { isUtf8 } from "node:buffer";
import { skipSpace } from "./json-scan.ts";

export interface JsonFault {
  /** Index of the byte at which it stops being JSON. */
  readonly at: number;
  readonly what: string;
}

/** Deeper than any schema or document that means something; a body of brackets alone is cut off here. */
export const MAX_DEPTH = 1_000;

const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;

const LITERALS = ["true", "false", "null"].map((word) => Buffer.from(word));
/** What may stand after a backslash, beside u: " \ / b f n r t */
const ESCAPES = new Set([QUOTE, BACKSLASH, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]);

/** Undefined when `bytes` are one JSON value in UTF-8 and nothing else. Time is linear; allocates nothing. */
export function jsonFault(bytes: Uint8Array): JsonFault | undefined {
  if (!isUtf8(bytes)) return { at: 0, what: "it is not UTF-8" };
  return new GrammarCheck(bytes).run();
}

class GrammarCheck {
  readonly #bytes: Uint8Array;
  /** The opening bytes of what is not closed yet. */
  readonly #open: number[] = [];
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  run(): JsonFault | undefined {
    this.#space();
    for (;;) {
      const isWhole = this.#value();
      if (isWhole === undefined) return this.#fault();
      if (!isWhole) continue;
      const goesOn = this.#afterValue();
      if (goesOn === undefined) return this.#fault();
      if (!goesOn) return undefined;
    }
  }

  /** True after a whole value, false when a container was opened and a value is due, undefined at a fault. */
  #value(): boolean | undefined {
    const first = this.#bytes[this.#at];
    if (first === QUOTE) return this.#string() ? true : undefined;
    if (first === OPEN_BRACE || first === OPEN_BRACKET) return this.#enter(first);
    if (first === MINUS || isDigit(first)) return this.#number() ? true : undefined;
    return this.#literal() ? true : undefined;
  }

  #enter(opening: number): boolean | undefined {
    if (this.#open.length >= MAX_DEPTH) return undefined;
    this.#at++;
    this.#space();
    const isObject = opening === OPEN_BRACE;
    if (this.#bytes[this.#at] === (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
      this.#at++;
      return true;
    }
    this.#open.push(opening);
    if (!isObject) return false;
    return this.#key() ? false : undefined;
  }

  /** Closes what ends here. True when another value is due, false at the end of all, undefined at a fault. */
  #afterValue(): boolean | undefined {
    for (;;) {
      this.#space();
      const opening = this.#open.at(-1);
      const next = this.#bytes[this.#at];
      if (opening === undefined) return next === undefined ? false : undefined;
      const isObject = opening === OPEN_BRACE;
      if (next === COMMA) {
        this.#at++;
        this.#space();
        return !isObject || this.#key() ? true : undefined;
      }
      if (next !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return undefined;
      this.#at++;
      this.#open.pop();
    }
  }

  #key(): boolean {
    if (this.#bytes[this.#at] !== QUOTE || !this.#string()) return false;
    this.#space();
    if (this.#bytes[this.#at] !== COLON) return false;
    this.#at++;
    this.#space();
    return true;
  }

  #string(): boolean {
    const bytes = this.#bytes;
    let at = this.#at + 1;
    for (;;) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.#at = at + 1;
        return true;
      }
      if (byte === undefined || byte < 0x20) break;
      if (byte !== BACKSLASH) {
        at++;
        continue;
      }
      const escaped = bytes[at + 1];
      if (escaped === 0x75 && isHex(bytes, at + 2)) at += 6;
      else if (escaped !== undefined && ESCAPES.has(escaped)) at += 2;
      else break;
    }
    this.#at = at;
    return false;
  }

  #number(): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#at] === MINUS) this.#at++;
    if (bytes[this.#at] === ZERO) this.#at++;
    else if (!this.#digits()) return false;
    if (bytes[this.#at] === DOT) {
      this.#at++;
      if (!this.#digits()) return false;
    }
    if (((bytes[this.#at] ?? 0) | 0x20) !== 0x65) return true;
    this.#at++;
    if (bytes[this.#at] === PLUS || bytes[this.#at] === MINUS) this.#at++;
    return this.#digits();
  }

  #digits(): boolean {
    const start = this.#at;
    while (isDigit(this.#bytes[this.#at])) this.#at++;
    return this.#at > start;
  }

  #literal(): boolean {
    for (const word of LITERALS) {
      let index = 0;
      while (index < word.length && this.#bytes[this.#at + index] === word[index]) index++;
      if (index < word.length) continue;
      this.#at += index;
      return true;
    }
    return false;
  }

  #space(): void {
    this.#at = skipSpace(this.#bytes, this.#at);
  }

  #fault(): JsonFault {
    const at = this.#at;
    if (this.#open.length >= MAX_DEPTH) return { at, what: `it is nested more than ${MAX_DEPTH} deep` };
    if (at >= this.#bytes.length) return { at, what: "it ends too early" };
    return { at, what: `it goes wrong at byte ${at}` };
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= 0x39;
}

function isHex(bytes: Uint8Array, start: number): boolean {
  for (let index = start; index < start + 4; index++) {
    const byte = bytes[index];
    if (byte === undefined) return false;
    const letter = byte | 0x20;
    if (!isDigit(byte) && (letter < 0x61 || letter > 0x66)) return false;
  }
  return true;
}

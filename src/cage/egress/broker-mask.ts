// Keeps real values out of what a host answers: each appearance is overwritten with asterisks. Lengths stay, so that
// what was said about them stays true. Pure byte work; broker-connection.ts sends every head and body through it.
//
// What it cannot see: a value that the host takes apart, encrypts, compresses or reverses. broker-rewrite.ts asks hosts
// not to compress and not to answer in parts.

import { formsOf } from "./broker-forms.ts";

const ASTERISK = 0x2a;
/** A stream without lines would wait for its own last byte now and then: of a beginning, fewer bytes are let through. */
const LEAST_HELD_BYTES = 4;

/**
 * What waits at the end of a piece, because a value may have begun in it. `text`: all that a value could be made of, back
 * to the last line break. Whoever watches how answers are cut learns nothing of the value. `beginnings`: only what a
 * value begins with, for streams that have no lines; a server that can have its own words echoed on such a stream can
 * guess a value byte by byte.
 */
export type Held = "text" | "beginnings";

interface Pattern {
  readonly bytes: Uint8Array;
  /** By index: how long the longest beginning of the pattern is that ends there, itself excepted (Knuth, Morris, Pratt). */
  readonly borders: Uint32Array;
}

export type Patterns = readonly Pattern[];

type Range = readonly [start: number, end: number];

/** All that is looked for: every form of every value. */
export function patternsOf(values: readonly string[]): Patterns {
  return [...new Set(values.flatMap(formsOf))].map((form) => {
    const bytes = Buffer.from(form, "latin1");
    return { bytes, borders: bordersOf(bytes) };
  });
}

/** A text that is there as a whole. `bytes` is not changed; the same is returned where nothing was found. */
export function masked(bytes: Uint8Array, patterns: Patterns): Uint8Array {
  return overwritten(bytes, findAll(bytes, patterns));
}

/** A text that comes in pieces, cut anywhere. */
export class Masker {
  readonly #patterns: Patterns;
  readonly #held: Held;
  readonly #longest: number;
  /** The last bytes, as they came: a value may have begun in them. Shorter than the longest pattern. */
  #tail: Uint8Array = new Uint8Array(0);
  /** How many of the tail have been returned. */
  #returned = 0;
  /** How many of the tail are the rest of a value that begins before it. */
  #covered = 0;

  constructor(patterns: Patterns, held: Held = "text") {
    this.#patterns = patterns;
    this.#held = held;
    this.#longest = Math.max(0, ...patterns.map(({ bytes }) => bytes.length));
  }

  /** What can go on: nothing for a piece that might be the middle of a value. */
  push(piece: Uint8Array): Uint8Array {
    const bytes = this.#tail.length === 0 ? piece : Buffer.concat([this.#tail, piece]);
    const found = findAll(bytes, this.#patterns);
    const clean = overwritten(bytes, [[0, this.#covered], ...found]);

    const isText = this.#held === "text";
    const tailLength = isText ? textAtEnd(bytes, this.#longest - 1) : longestBeginning(bytes, this.#patterns);
    const tailStart = bytes.length - tailLength;
    const passes = !isText && tailLength < LEAST_HELD_BYTES;
    const end = Math.max(this.#returned, passes ? bytes.length : tailStart);
    const ready = clean.subarray(this.#returned, end);

    this.#covered = found.reduce(
      (covered, [start, stop]) => (start < tailStart ? Math.max(covered, stop - tailStart) : covered),
      Math.max(0, this.#covered - tailStart),
    );
    this.#returned = Math.max(0, end - tailStart);
    // NB: a copy, and not by Buffer.slice: the tail must not keep a large piece in memory.
    this.#tail = new Uint8Array(bytes.subarray(tailStart));
    return ready;
  }

  /** What was held back: nothing follows. */
  end(): Uint8Array {
    const found = findAll(this.#tail, this.#patterns);
    const ready = overwritten(this.#tail, [[0, this.#covered], ...found]).subarray(this.#returned);
    this.#tail = new Uint8Array(0);
    this.#returned = 0;
    this.#covered = 0;
    return ready;
  }
}

/** Found in what came, not in what is left of it: one value may overlap another, or itself. */
function findAll(bytes: Uint8Array, patterns: Patterns): readonly Range[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Range[] = [];
  for (const { bytes: pattern, borders } of patterns) {
    // Behind one, the next may begin within its longest border: then only so many bytes of it are new.
    const step = pattern.length - (borders.at(-1) ?? 0);
    const rest = pattern.subarray(-step);
    for (let at = view.indexOf(pattern); at >= 0;) {
      let end = at + pattern.length;
      while (view.subarray(end, end + step).equals(rest)) end += step;
      found.push([at, end]);
      at = view.indexOf(pattern, end - pattern.length + step);
    }
  }
  return found;
}

function overwritten(bytes: Uint8Array, ranges: readonly Range[]): Uint8Array {
  if (ranges.every(([start, end]) => start === end)) return bytes;
  const clean = new Uint8Array(bytes);
  for (const [start, end] of ranges) clean.fill(ASTERISK, start, end);
  return clean;
}

/** How many bytes at the end, at most `most`, may stand in a value or a form of one: printable ASCII. */
function textAtEnd(bytes: Uint8Array, most: number): number {
  const least = Math.max(0, bytes.length - most);
  let at = bytes.length;
  while (at > least && isPrintable(bytes[at - 1])) at--;
  return bytes.length - at;
}

function isPrintable(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x20 && byte <= 0x7e;
}

/** How many bytes at the end are the beginning of a pattern: as many as there can be. Linear in the longest pattern. */
function longestBeginning(bytes: Uint8Array, patterns: Patterns): number {
  return patterns.reduce((longest, pattern) => Math.max(longest, beginningAtEnd(bytes, pattern)), 0);
}

function beginningAtEnd(bytes: Uint8Array, { bytes: pattern, borders }: Pattern): number {
  let length = 0;
  // The whole of it does not fit behind this; where it fitted, it was found.
  for (let at = Math.max(0, bytes.length - pattern.length + 1); at < bytes.length; at++) {
    length = longer(pattern, borders, length, bytes[at]);
  }
  return length;
}

function bordersOf(pattern: Uint8Array): Uint32Array {
  const borders = new Uint32Array(pattern.length);
  for (let at = 1; at < pattern.length; at++) {
    borders[at] = longer(pattern, borders, borders[at - 1] ?? 0, pattern[at]);
  }
  return borders;
}

/** How much of the pattern has come, when `length` bytes of it had come and then `byte`. */
function longer(pattern: Uint8Array, borders: Uint32Array, length: number, byte: number | undefined): number {
  let known = length;
  while (known > 0 && pattern[known] !== byte) known = borders[known - 1] ?? 0;
  return pattern[known] === byte ? known + 1 : known;
}

// The line splitter: every way to cut a stream into chunks gives the same lines, and nothing passes its limit.

import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { LineSplitter } from "../../src/process/lines.ts";

const LIMIT = 1000;

interface Seen {
  readonly lines: readonly string[];
  readonly unfinishedBytes: number;
  readonly ok: boolean;
}

function split(chunks: readonly Uint8Array[], maxLineBytes = LIMIT): Seen {
  const lines: string[] = [];
  const splitter = new LineSplitter(maxLineBytes, (line) => lines.push(Buffer.from(line).toString()));
  const ok = chunks.every((chunk) => splitter.push(chunk));
  return { lines, unfinishedBytes: splitter.unfinishedBytes, ok };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const TEXTS: readonly (readonly [about: string, text: string, lines: readonly string[], rest: number])[] = [
  ["nothing", "", [], 0],
  ["one line", "a\n", ["a"], 0],
  ["a line that has not ended", "ab", [], 2],
  ["several lines", "a\nbc\ndef\n", ["a", "bc", "def"], 0],
  ["empty lines are none", "\n\na\n\n\nb\n\n", ["a", "b"], 0],
  ["CRLF", "a\r\nb\r\n", ["a", "b"], 0],
  ["a line of CR alone is empty", "\r\n\r\na\n", ["a"], 0],
  ["CR within a line stays", "a\rb\n", ["a\rb"], 0],
  ["of two CR, one belongs to the line break", "a\r\r\n", ["a\r"], 0],
  ["characters of several bytes", "é\n😀\nとe\u0301\n", ["é", "😀", "とe\u0301"], 0],
  ["what follows the last break", "a\nbc", ["a"], 2],
];

describe("however the text is cut", () => {
  test.each(TEXTS)("%s", (_about, text, lines, rest) => {
    const whole = bytes(text);
    const wanted = { lines, unfinishedBytes: rest, ok: true };
    expect(split([whole])).toEqual(wanted);
    expect(split(Array.from(whole, (byte) => Uint8Array.of(byte)))).toEqual(wanted);
    for (let first = 0; first <= whole.length; first++) {
      for (let second = first; second <= whole.length; second++) {
        const chunks = [whole.subarray(0, first), whole.subarray(first, second), whole.subarray(second)];
        expect(split(chunks)).toEqual(wanted);
      }
    }
  });

  test("at random", () => {
    const input = fc.tuple(
      fc.array(fc.constantFrom("\n", "\r", "x", "é", "{}", "\r\n"), { maxLength: 60 }),
      fc.array(fc.nat({ max: 20 }), { maxLength: 30 }),
    );
    fc.assert(
      fc.property(input, ([parts, lengths]) => {
        const whole = bytes(parts.join(""));
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const length of lengths) {
          chunks.push(whole.subarray(at, at + length));
          at += length;
        }
        chunks.push(whole.subarray(at));
        expect(split(chunks)).toEqual(split([whole]));
      }),
    );
  });
});

describe("the limit", () => {
  const at = "x".repeat(LIMIT);
  test.each([
    ["a line of exactly the limit passes", [`${at}\n`], true, 1],
    ["one byte more does not", [`${at}x\n`], false, 0],
    ["nor when it comes in pieces", [at, "x\n"], false, 0],
    ["nor when it does not end", [at, "x"], false, 0],
    ["what came before it counts", [`a\n${at}x`], false, 1],
    ["the limit is of each line, not of all", [`${at}\n${at}\n`, `${at}\n`], true, 3],
  ] as const)("%s", (_about, texts, ok, lines) => {
    const seen = split(texts.map(bytes));
    expect(seen.ok).toBe(ok);
    expect(seen.lines).toHaveLength(lines);
    if (!ok) expect(seen.unfinishedBytes).toBe(0);
  });
});

test("a line that comes byte by byte does not cost an object a byte", () => {
  const splitter = new LineSplitter(1_000_000, () => undefined);
  for (let index = 0; index < 500_000; index++) splitter.push(Uint8Array.of(0x78));
  Bun.gc(true);
  const { objectTypeCounts } = heapStats();
  expect((objectTypeCounts["Uint8Array"] ?? 0) + (objectTypeCounts["Buffer"] ?? 0)).toBeLessThan(20_000);
  expect(splitter.unfinishedBytes).toBe(500_000);
});

test("a line that is handed on is not written to again", () => {
  const kept: Uint8Array[] = [];
  const splitter = new LineSplitter(LIMIT, (line) => kept.push(line));
  for (const text of ["on", "e\ntw", "o\nth", "ree\n"]) splitter.push(bytes(text));
  expect(kept.map((line) => Buffer.from(line).toString())).toEqual(["one", "two", "three"]);
});

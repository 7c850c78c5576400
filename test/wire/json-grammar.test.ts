// The grammar check has one judge: it agrees with JSON.parse, on whatever bytes.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { jsonFault, MAX_DEPTH } from "../../src/wire/json-grammar.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const GOOD = [
  "{}",
  "[]",
  ' [ 1 , -0 , 1.5e+10 , 0.1E-2 , true , false , null , "" ] ',
  '{"a":{"b":[[],{}]},"a":1}',
  '"\\u00e9\\n\\/\\"\\\\ 😀"',
  "12345678901234567890",
  "1e400",
  "\t\r\n0",
];

const BAD: readonly (readonly [text: string, what: RegExp])[] = [
  ["", /ends too early/],
  ["{", /ends too early/],
  ['{"a":1', /ends too early/],
  ['"abc', /ends too early/],
  ["{}{}", /at byte 2/],
  ["{a:1}", /at byte 1/],
  ['{"a" 1}', /at byte 5/],
  ['{"a":1,}', /at byte 7/],
  ["[1,]", /at byte 3/],
  ["[1 2]", /at byte 3/],
  ["[}", /at byte 1/],
  ["01", /at byte 1/],
  ["-", /ends too early/],
  ["1.", /ends too early/],
  ["1e", /ends too early/],
  ["+1", /at byte 0/],
  [".5", /at byte 0/],
  ["tru", /at byte 0/],
  ["NaN", /at byte 0/],
  ["'a'", /at byte 0/],
  ['"a\nb"', /at byte 2/],
  ['"\\x"', /at byte 1/],
  ['"\\u12g4"', /at byte 1/],
  ["\ufeff{}", /at byte 0/],
];

describe("jsonFault", () => {
  test.each(GOOD)("takes %s", (text) => {
    expect(parses(text)).toBe(true);
    expect(jsonFault(encode(text))).toBeUndefined();
  });

  test.each(BAD)("refuses %p", (text, what) => {
    expect(parses(text)).toBe(false);
    expect(jsonFault(encode(text))?.what).toMatch(what);
  });

  test("refuses what is not UTF-8", () => {
    expect(jsonFault(Uint8Array.of(0x22, 0xff, 0x22))?.what).toContain("UTF-8");
    // A surrogate half, which UTF-8 cannot carry.
    expect(jsonFault(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))?.what).toContain("UTF-8");
  });

  test("bounds the depth", () => {
    const nested = (depth: number) => encode("[".repeat(depth) + "]".repeat(depth));
    expect(jsonFault(nested(MAX_DEPTH))).toBeUndefined();
    expect(jsonFault(nested(MAX_DEPTH + 1))?.what).toContain("deep");
  });

  test("agrees with JSON.parse on JSON, also when one byte of it is changed", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.integer({ min: 0, max: 127 }), (text, position, byte) => {
        expect(jsonFault(encode(text))).toBeUndefined();
        const changed = encode(text);
        changed[position % changed.length] = byte;
        const decoded = new TextDecoder().decode(changed);
        // A cut through a character of several bytes is not text at all.
        if (decoded.includes("\ufffd")) return;
        expect(jsonFault(changed) === undefined).toBe(parses(decoded));
      }),
      { numRuns: 2_000 },
    );
  });

  test("agrees with JSON.parse on words of JSON in any order", () => {
    const words = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      "1",
      "-",
      ".",
      "e",
      "0",
      "null",
      " ",
      '"',
      "\\",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 12 }), (chosen) => {
        const text = chosen.join("");
        expect(jsonFault(encode(text)) === undefined).toBe(parses(text));
      }),
      { numRuns: 5_000 },
    );
  });
});

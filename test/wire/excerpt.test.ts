// Hostile text on its way into a sentence.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { excerpt } from "../../src/wire/excerpt.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each([
  ["plain", "plain"],
  ["  two\r\nlines \n", "two lines"],
  ["\u001b[31mred\u001b[0m\u0007", "[31mred [0m"],
  ["left\u202eright\u2066\u200f", "left right"],
  ["é😀", "é😀"],
  ["", ""],
])("%p reads %p", (text, wanted) => expect(excerpt(bytesOf(text))).toBe(wanted));

test("is cut to length and says so", () => {
  expect(excerpt(bytesOf("x".repeat(300)))).toBe(`${"x".repeat(200)}…`);
  expect(excerpt(bytesOf("abcdef"), 3)).toBe("abc…");
});

test("is fit for a terminal, whatever came", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(excerpt(bytes)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    }),
  );
});

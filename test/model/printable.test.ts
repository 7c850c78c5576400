// Nothing that acts on a terminal or hides from an eye gets through.

import { expect, test } from "bun:test";
import { printable, quoted } from "../../src/model/printable.ts";

test.each([
  ["plain text, ünïcödé 日本語 🙂", "plain text, ünïcödé 日本語 🙂"],
  ["a\nb\r\tc", "a\\nb\\r\\tc"],
  ["\x1b[31mred\x1b]0;title\x07", "\\e[31mred\\e]0;title\\u{7}"],
  ["left\u202eright", "left\\u{202e}right"],
  ["zero\u200bwidth\ufeff", "zero\\u{200b}width\\u{feff}"],
  ["no\u00a0break", "no\\u{a0}break"],
  ["line\u2028end", "line\\u{2028}end"],
  ["filler\u3164", "filler\\u{3164}"],
  ["half \ud83d", "half \\u{d83d}"],
  ["\x9b31m", "\\u{9b}31m"],
])("%j", (text, expected) => {
  expect(printable(text)).toBe(expected);
});

test("is cut where it is told", () => {
  expect(printable("abcdef", 3)).toBe("abc…");
  expect(quoted("x".repeat(1_000))).toBe(`"${"x".repeat(120)}…"`);
});

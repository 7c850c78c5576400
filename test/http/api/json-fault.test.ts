import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { atFault, findJsonFault } from "../../../src/http/api/json-fault.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// The text, then line and column of the first character that cannot be.
test.each([
  ["", 1, 1],
  ["  ", 1, 3],
  ["{", 1, 2],
  ["[1,]", 1, 4],
  ['{"a":1,}', 1, 8],
  ['{"a" 1}', 1, 6],
  ["{a:1}", 1, 2],
  ['{"a":1 "b":2}', 1, 8],
  ['{\n  "a": tru\n}', 2, 8],
  ["[1 2]", 1, 4],
  ["1 1", 1, 3],
  ["01", 1, 1],
  ["[1.e3]", 1, 2],
  ["[NaN]", 1, 2],
  ['["a\nb"]', 1, 2],
  ['["\\x"]', 1, 2],
  ["{}}", 1, 3],
  ["[}", 1, 2],
])("%j is wrong at line %d, column %d", (text, line, column) => {
  expect(parses(text)).toBe(false);
  expect(findJsonFault(text)).toMatchObject({ line, column });
});

test("it agrees with the parser on every text", () => {
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"\\n"',
    "1",
    "-0.5e3",
    "true",
    "null",
    " ",
    "\n",
    "x",
    '"',
  ];
  const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(soup, fc.json(), fc.string()), (text) => {
      expect(findJsonFault(text) === undefined).toBe(parses(text));
    }),
    { numRuns: 2000, seed: 1 },
  );
});

test("a text that is too long is not searched, a deep one is", () => {
  expect(findJsonFault(`${" ".repeat(1_048_576)}x`)).toBeUndefined();
  expect(findJsonFault("[".repeat(500_000))).toMatchObject({ offset: 500_000 });
  expect(findJsonFault(`"${"\\n".repeat(400_000)}`)).toMatchObject({ offset: 0 });
  expect(atFault(undefined)).toBe("");
});

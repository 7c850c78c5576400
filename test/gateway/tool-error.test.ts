// A failed result is one whose own `isError` is true, wherever else the word stands.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { isToolError } from "../../src/gateway/tool-error.ts";
import { bytes } from "./lab.ts";

test.each([
  ["{}", false],
  ['{"isError":true}', true],
  ['{ "isError" :\t true }', true],
  ['{"isError":false}', false],
  ['{"isError":"true"}', false],
  ['{"isError":null}', false],
  ['{"isError":false,"content":[{"isError":true}]}', false],
  ['{"content":[{"isError":true}],"isError":true}', true],
  ['{"isError":true,"isError":false}', false],
  ['{"text":"\\"isError\\":true"}', false],
  ['{"isErrors":true}', false],
  ['[{"isError":true}]', false],
  ['{"isError":true', false],
  ['"isError"', false],
  ['"isError":true', false],
  ["", false],
])("%s: %p", (result, wanted) => {
  expect(isToolError(bytes(result))).toBe(wanted);
});

test("agrees with JSON.parse on whatever there is", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.boolean(),
      fc.constantFrom("isError", "true", '"isError":true', "\\"),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("isError", "content", "x"), tie("any"), { maxKeys: 3 }),
    ),
  })).any;
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1), (result, indent) => {
      const isObject = typeof result === "object" && result !== null && !Array.isArray(result);
      const wanted = isObject && "isError" in result && result.isError === true;
      expect(isToolError(bytes(JSON.stringify(result, undefined, indent)))).toBe(wanted);
    }),
    { numRuns: 1_000 },
  );
});

// What an administrator may ask for, where the schema alone stands between a slip and damage.

import { expect, test } from "bun:test";
import * as v from "valibot";
import { TokenRequest } from "../../src/model/api.ts";

/** The last moment that a Date can hold, in milliseconds since the epoch. */
const LAST_DATE = 8.64e15;

test.each([
  [1, true],
  [90 * 86_400, true],
  [100 * 365 * 86_400, true],
  [0, false],
  [1.5, false],
  [14_300_000 * 7 * 86_400, false],
  [Number.MAX_SAFE_INTEGER, false],
  [1e300, false],
])("a token may expire in %p s: %p", (expiresInSeconds, isTaken) => {
  const parsed = v.safeParse(TokenRequest, { name: "ci", expiresInSeconds });
  expect(parsed.success).toBe(isTaken);
  if (parsed.success) expect(Date.now() + expiresInSeconds * 1000).toBeLessThan(LAST_DATE);
});

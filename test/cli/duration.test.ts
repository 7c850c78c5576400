import { expect, test } from "bun:test";
import { parseDuration } from "../../src/cli/duration.ts";

test.each([
  ["90d", undefined, 7_776_000_000],
  ["12h", undefined, 43_200_000],
  ["2w", undefined, 1_209_600_000],
  ["1500ms", "s", 1500],
  ["60", "s", 60_000],
  ["60s", "s", 60_000],
  [" 5 m ", "s", 300_000],
] as const)("%s is %d ms", (text, bareUnit, expected) => {
  expect(parseDuration(text, "--x", bareUnit)).toBe(expected);
});

test.each(["", "0s", "-1s", "1.5h", "60", "tomorrow", "9999999999999999d", "1y", "5mm"])(
  "%j is refused",
  (text) => {
    expect(() => parseDuration(text, "--expires")).toThrow("--expires wants a time such as 90d, 12h or 30m.");
  },
);

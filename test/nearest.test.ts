import { describe, expect, test } from "bun:test";
import { didYouMean, nearest } from "../src/nearest.ts";

const words = ["listen", "log_level", "max_body_bytes", "max_line_bytes"];

describe("nearest", () => {
  const rows: [string, string | undefined][] = [
    ["listen", "listen"],
    ["LISTEN", "listen"],
    ["listn", "listen"],
    ["lsiten", "listen"],
    ["listening", "listen"],
    ["loglevel", "log_level"],
    ["max_boyd_bites", "max_body_bytes"],
    ["max_lnie_bytes", "max_line_bytes"],
    ["", undefined],
    ["zebra", undefined],
    ["l", undefined],
    ["listen".repeat(100), undefined],
  ];
  test.each(rows)("%s", (word, expected) => expect(nearest(word, words)).toBe(expected));

  test("the first of equals", () => expect(nearest("ax", ["ab", "ac"])).toBe("ab"));
});

test("the end of a sentence, or nothing", () => {
  expect(didYouMean("listn", words)).toBe('; did you mean "listen"?');
  expect(didYouMean("zebra", words)).toBe("");
});

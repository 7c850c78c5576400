import { expect, test } from "bun:test";
import { paintState } from "../../src/cli/colour.ts";
import { cut, formatFacts, formatTable } from "../../src/cli/table.ts";

const COLUMNS = [{ head: "NAME" }, { head: "N", align: "number" }, { head: "WHAT" }] as const;

test("columns are as wide as their widest cell, numbers stand to the right", () => {
  expect(
    formatTable(
      COLUMNS,
      [
        ["a", "1", "short"],
        ["longer", "12", "something"],
      ],
      undefined,
    ),
  ).toBe(["NAME     N  WHAT", "a        1  short", "longer  12  something", ""].join("\n"));
});

test("the last column is cut to the terminal, and no line is longer", () => {
  const table = formatTable(COLUMNS, [["a", "1", "x".repeat(200)]], 40);
  expect(table.split("\n").map((line) => line.length)).toEqual([13, 40, 0]);
  expect(table).toContain("…");
});

test("in a very narrow terminal a little of the last column is left", () => {
  expect(formatTable(COLUMNS, [["a".repeat(30), "1", "x".repeat(50)]], 20)).toContain(`${"x".repeat(11)}…`);
});

test("wide characters count as what they take", () => {
  expect(
    formatTable(
      COLUMNS,
      [
        ["日本", "1", "b"],
        ["abcd", "1", "b"],
      ],
      undefined,
    ),
  ).toBe(["NAME  N  WHAT", "日本  1  b", "abcd  1  b", ""].join("\n"));
  expect(cut("日本語", 5)).toBe("日本…");
  expect(cut("日本語", 6)).toBe("日本語");
});

test("what is in a cell can neither steer the terminal nor begin a new line", () => {
  const table = formatTable(COLUMNS, [["a\nb", "1", "\x1b]0;title\x07 \u202ereversed \x9b31m"]], undefined);
  expect(table).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  expect(table.split("\n")).toHaveLength(3);
  expect(table).toContain("a b");
});

test("facts without a value are left out, values of several lines are indented", () => {
  expect(
    formatFacts([
      ["name", "a"],
      ["empty", ""],
      ["none", undefined],
      ["lines", "b\nc"],
    ]),
  ).toBe(["name   a", "lines  b", "       c", ""].join("\n"));
});

test("only the word of a state in the second column has colour", () => {
  const table = formatTable(
    [{ head: "NAME" }, { head: "STATE" }, { head: "RUNS" }],
    [
      ["ready", "crash-loop", "ready"],
      ["b", "stopped", "x"],
    ],
    undefined,
  );
  expect(paintState(table).split("\n").slice(1, 3)).toEqual([
    "ready  \x1b[31mcrash-loop\x1b[0m  ready",
    "b      \x1b[90mstopped\x1b[0m     x",
  ]);
});

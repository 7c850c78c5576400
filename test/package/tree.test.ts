// The list of a package's files: what it says, what may be wrong with one from elsewhere, and how two differ.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AppError } from "../../src/errors.ts";
import {
  isPlainPath,
  lineOf,
  parseTree,
  treeBytes,
  treeDifference,
  type TreeEntry,
  treeHash,
  TREE_HEADER,
} from "../../src/package/tree.ts";

const HASH = "a".repeat(64);
const file = (path: string, sha256 = HASH): TreeEntry => ({
  kind: "file",
  path,
  mode: 0o444,
  bytes: 5,
  sha256,
});
const directory = (path: string): TreeEntry => ({ kind: "directory", path, mode: 0o755 });
const link = (path: string, target: string): TreeEntry => ({ kind: "link", path, target });
const manifest = (...entries: readonly TreeEntry[]): string => TREE_HEADER + entries.map(lineOf).join("");

test("what is written is what is read", () => {
  const entries = [
    directory("bin"),
    file("bin-x"),
    link("bin/tool", "../lib/tool.js"),
    directory("lib"),
    file('lib/a\nb"c.js'),
    file("lib/tool.js"),
  ];
  const text = manifest(...entries);
  expect(text).toBe(
    "toolcrib tree 1\n" +
      `d 755 "bin"\nf 444 5 ${HASH} "bin-x"\n` +
      'l "../lib/tool.js" "bin/tool"\nd 755 "lib"\n' +
      `f 444 5 ${HASH} "lib/a\\nb\\"c.js"\nf 444 5 ${HASH} "lib/tool.js"\n`,
  );
  expect(parseTree(text)).toEqual(entries);
  expect(treeBytes(parseTree(text))).toBe(15);
  expect(treeHash(text)).toMatch(/^[0-9a-f]{64}$/);
  expect(parseTree(manifest())).toEqual([]);
});

describe("refused, with the line", () => {
  const d = directory("a");
  const rows: readonly (readonly [string, string, number])[] = [
    ["nothing", "", 1],
    ["another header", "toolcrib tree 2\n", 1],
    ["no end", manifest(file("a")).slice(0, -1), 1],
    ["an empty line", `${TREE_HEADER}\n`, 2],
    ["the same path twice", manifest(file("a"), file("a")), 3],
    ["out of order", manifest(file("b"), file("a")), 3],
    ["no parent", manifest(file("a/b")), 2],
    ["a file as parent", manifest(file("a"), file("a/b")), 3],
    ["a link as parent", manifest(link("a", "x"), file("a/b")), 3],
    ["an absolute path", manifest(file("/a")), 2],
    ["a path that climbs", manifest(file("../a")), 2],
    ["a path that climbs inside", manifest(d, file("a/../b")), 3],
    ["a dot", manifest(file(".")), 2],
    ["an empty part", manifest(d, file("a//b")), 3],
    ["an empty path", manifest(file("")), 2],
    ["a NUL", manifest(file("a\0b")), 2],
    ["a long path", manifest(file("x".repeat(5000))), 2],
    ["a link to an absolute path", manifest(link("a", "/etc/passwd")), 2],
    ["a link that climbs out", manifest(d, link("a/l", "../../etc/passwd")), 3],
    ["a link that climbs out and back", manifest(d, link("a/l", "../../a/x")), 3],
    ["a link to the root", manifest(d, link("a/l", "..")), 3],
    ["a link to nothing", manifest(link("a", "")), 2],
    ["a mode that is none", TREE_HEADER + 'd 999 "a"\n', 2],
    ["a size with a zero in front", `${TREE_HEADER}f 444 01 ${HASH} "a"\n`, 2],
    ["a size without end", `${TREE_HEADER}f 444 ${"9".repeat(30)} ${HASH} "a"\n`, 2],
    ["a short hash", TREE_HEADER + 'f 444 1 abc "a"\n', 2],
    ["another spelling of a path", `${TREE_HEADER}f 444 1 ${HASH} "\\u0061"\n`, 2],
    ["more behind the path", `${TREE_HEADER}f 444 1 ${HASH} "a" "b"\n`, 2],
    ["a path without quotes", `${TREE_HEADER}f 444 1 ${HASH} a\n`, 2],
  ];
  test.each(rows)("%s", (_, text, line) => {
    const thrown = caught(() => parseTree(text));
    expect(thrown.code).toBe("bad-answer");
    expect(thrown.message).toContain(`at line ${line}.`);
  });

  test("more entries than a package has", () => {
    const text = TREE_HEADER + 'd 755 "a"\n'.repeat(200_001);
    expect(caught(() => parseTree(text)).message).toContain("at line 200001.");
  });

  test("whatever else it may be, it ends with an AppError or a tree that stays inside", () => {
    const part = fc.constantFrom("..", ".", "a", "b", "", "/", "a/b", "\0");
    const path = fc.array(part, { maxLength: 4 }).map((parts) => parts.join("/"));
    const entry = fc.oneof(
      path.map(file),
      path.map(directory),
      fc.tuple(path, path).map(([at, to]) => link(at, to)),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 6 }), (entries) => {
        try {
          for (const { path: kept } of parseTree(manifest(...entries))) expect(isPlainPath(kept)).toBe(true);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError);
        }
      }),
    );
  });
});

test.each([
  [[file("a")], [file("a")], undefined],
  [[file("a")], [file("a", "b".repeat(64))], '"a" was changed'],
  [[file("a"), file("b")], [file("b")], '"a" is missing'],
  [[file("a")], [file("a"), file("\x1b[31m")], '"\\e[31m" was added'],
  [[file("a"), file("b")], [file("c")], '"a" is missing, and 2 more'],
  [[file("a")], [link("a", "/etc/passwd")], '"a" was changed'],
])("the difference of two", (before, after, expected) => {
  expect(treeDifference(manifest(...before), manifest(...after))).toBe(expected);
});

function caught(act: () => unknown): AppError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

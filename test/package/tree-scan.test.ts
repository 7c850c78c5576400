// What is seen of a directory: everything in it, the same each time, and whatever changes.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTree, treeBytes } from "../../src/package/tree.ts";
import { describeTree, fingerprintTree, walkTree } from "../../src/package/tree-scan.ts";

const BIG = 3 * 1_048_576 + 7;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "toolcrib-scan-"));
  await mkdir(join(root, "a/b"), { recursive: true, mode: 0o755 });
  await writeFile(join(root, "a/b/small"), "hello", { mode: 0o444 });
  await writeFile(join(root, "a-b"), "", { mode: 0o555 });
  await writeFile(join(root, "big"), new Uint8Array(BIG), { mode: 0o444 });
  await symlink("a/b/small", join(root, "link"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const sha256 = (content: string | Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(content).digest("hex");

test("everything, in order, with the hashes of small and large files", async () => {
  const manifest = await describeTree(root);
  const entries = parseTree(manifest);
  expect(entries).toEqual([
    { kind: "directory", path: "a", mode: 0o755 },
    { kind: "file", path: "a-b", mode: 0o555, bytes: 0, sha256: sha256("") },
    { kind: "directory", path: "a/b", mode: 0o755 },
    { kind: "file", path: "a/b/small", mode: 0o444, bytes: 5, sha256: sha256("hello") },
    { kind: "file", path: "big", mode: 0o444, bytes: BIG, sha256: sha256(new Uint8Array(BIG)) },
    { kind: "link", path: "link", target: "a/b/small" },
  ]);
  expect(treeBytes(entries)).toBe(5 + BIG);
  expect(await describeTree(root)).toBe(manifest);
});

test("a link is not followed", async () => {
  await symlink("/etc", join(root, "out"));
  expect((await walkTree(root)).map(({ path }) => path)).not.toContain("out/passwd");
});

test.each<readonly [string, () => Promise<unknown>]>([
  ["a byte", () => writeFile(join(root, "a-b"), "x")],
  ["the same bytes, written again", () => writeFile(join(root, "big"), new Uint8Array(BIG))],
  ["a time", () => utimes(join(root, "a-b"), 1, 1)],
  ["a mode", () => chmod(join(root, "a-b"), 0o600)],
  ["a file more", () => writeFile(join(root, "a/x"), "")],
  ["a file less", () => rm(join(root, "a/b/small"))],
  ["a name", () => rename(join(root, "a-b"), join(root, "a-c"))],
  ["a directory more", () => mkdir(join(root, "c"))],
])("a fingerprint tells %s", async (_, change) => {
  const before = await fingerprintTree(root);
  expect(await fingerprintTree(root)).toBe(before);
  await change();
  expect(await fingerprintTree(root)).not.toBe(before);
});

test("others get their turn while a tree is read", async () => {
  for (let at = 0; at < 3_000; at++) await writeFile(join(root, "a", String(at)), "x");
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await describeTree(root);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
});

// What may not enter the vault, and how the rest stands in it.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import { seal } from "../../src/package/seal.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "toolcrib-seal-"));
  await mkdir(join(root, "a/b/c"), { recursive: true });
  await writeFile(join(root, "a/entry.js"), "", { mode: 0o644 });
  await writeFile(join(root, "a/b/script.sh"), "", { mode: 0o755 });
  await writeFile(join(root, "a/b/c/data"), "", { mode: 0o600 });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const modeOf = async (path: string): Promise<number> => (await stat(join(root, path))).mode & 0o777;

test("files become read-only, programs stay programs, links inside are fine", async () => {
  await symlink("../b/script.sh", join(root, "a/b/inside"));
  await symlink("not-built.js", join(root, "a/dangling"));
  await seal(root, "a/entry.js");
  expect(await modeOf("a/entry.js")).toBe(0o555);
  expect(await modeOf("a/b/script.sh")).toBe(0o555);
  expect(await modeOf("a/b/c/data")).toBe(0o444);
});

test.each([
  ["/etc", "a/absolute"],
  ["../../..", "a/above"],
  ["/no/such/place", "a/nowhere"],
])("a link to %s is refused", async (target, path) => {
  await symlink(target, join(root, path));
  const thrown: unknown = await seal(root, "a/entry.js").catch((reason: unknown) => reason);
  expect(thrown).toBeInstanceOf(AppError);
  expect(String(thrown)).toContain(`"${path}" is a link that leads out of it`);
});

test("a link that leads out by way of another link is refused", async () => {
  await symlink("../..", join(root, "a/b/up"));
  await symlink("a/b/up/../..", join(root, "hop"));
  const thrown: unknown = await seal(root, "a/entry.js").catch((reason: unknown) => reason);
  expect(thrown).toBeInstanceOf(AppError);
});

test("what is neither file, directory nor link is refused", async () => {
  expect(Bun.spawnSync(["mkfifo", join(root, "a/pipe")]).success).toBe(true);
  const thrown: unknown = await seal(root, "a/entry.js").catch((reason: unknown) => reason);
  expect(String(thrown)).toContain('"a/pipe" is neither a file nor a directory');
});

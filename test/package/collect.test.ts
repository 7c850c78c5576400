// What leaves the vault and the cache, in which order, and what must not.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PinnedPackage } from "../../src/model/server-spec.ts";
import { type Collected, type CollectOptions, collectVault } from "../../src/package/collect.ts";
import { readVault } from "../../src/package/contents.ts";
import { keepManifest } from "../../src/package/manifest-file.ts";
import { makeStaging } from "../../src/package/staging.ts";
import { vaultUsage } from "../../src/package/usage.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MIB = 1_048_576;

let home: string;
let vault: string;
let cache: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "toolcrib-collect-"));
  vault = join(home, "vault");
  cache = join(home, "cache");
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** A package of about 1 MiB that was needed last so long ago. */
async function put(name: string, ageMs: number, hasManifest = true): Promise<string> {
  const directory = `npm/${name}`;
  const at = join(vault, directory);
  await mkdir(join(at, "lib"), { recursive: true });
  await writeFile(join(at, "lib/data"), new Uint8Array(MIB));
  const seconds = (NOW - ageMs) / 1000;
  if (hasManifest) await keepManifest(at);
  await utimes(hasManifest ? `${at}.tree` : at, seconds, seconds);
  return directory;
}

const pin = (directory: string): PinnedPackage => ({
  ecosystem: "npm",
  name: directory,
  version: "1.0.0",
  integrity: "",
  directory,
  entry: "lib/data",
});

function collect(more: Partial<CollectOptions> = {}): Promise<Collected> {
  return collectVault({
    vaultDirectory: vault,
    cacheDirectory: cache,
    keep: [],
    maxBytes: 1024 * MIB,
    minAgeMs: 7 * DAY,
    maxCacheBytes: 1024 * MIB,
    now: NOW,
    ...more,
  });
}

test("unused for longer than a week goes, with its manifest; the rest stays", async () => {
  const old = await put("old@1.0.0-a", 8 * DAY);
  await put("bare@1.0.0-b", 8 * DAY, false);
  const young = await put("young@1.0.0-c", 6 * DAY);
  const used = await put("used@1.0.0-d", 100 * DAY);
  const collected = await collect({ keep: [pin(used)] });
  expect(collected.removed.toSorted()).toEqual(["npm/bare@1.0.0-b", old]);
  expect(collected.freedBytes).toBeGreaterThan(2 * MIB);
  expect((await readdir(join(vault, "npm"))).toSorted()).toEqual([
    "used@1.0.0-d",
    "used@1.0.0-d.tree",
    "young@1.0.0-c",
    "young@1.0.0-c.tree",
  ]);
  expect(await readdir(vault)).toEqual(["npm"]);
  expect((await collect({ keep: [pin(young)] })).removed).toEqual([]);
});

test("what is kept counts as needed now: its week begins when nobody uses it any more", async () => {
  const used = await put("used@1.0.0-d", 100 * DAY);
  await collect({ keep: [pin(used)] });
  expect((await collect({ now: NOW + 6 * DAY })).removed).toEqual([]);
  expect((await collect({ now: NOW + 8 * DAY })).removed).toEqual([used]);
});

test("over the bound the oldest go first, and no more than have to", async () => {
  const names: string[] = [];
  for (const hours of [50, 40, 30, 20]) names.push(await put(`p${hours}@1.0.0-a`, hours * HOUR));
  const collected = await collect({ maxBytes: 2.5 * MIB });
  expect(collected.removed).toEqual(names.slice(0, 2));
  expect(collected.bytes).toBeLessThan(2.5 * MIB);
  expect((await collect({ maxBytes: 2.5 * MIB })).removed).toEqual([]);
});

test("used, and needed within the hour, stays even in a vault that is too large", async () => {
  const used = await put("used@1.0.0-a", 100 * DAY);
  await put("fresh@1.0.0-b", HOUR / 2);
  expect(await collect({ maxBytes: 0, keep: [pin(used)] })).toMatchObject({ removed: [] });
});

test("damaged trees and manifests without a directory go the same way", async () => {
  await put("gone@1.0.0-a", 2 * HOUR);
  await rm(join(vault, "npm/gone@1.0.0-a"), { recursive: true });
  await mkdir(join(vault, ".damaged/npm+x@1.0.0-b"), { recursive: true });
  await utimes(join(vault, ".damaged/npm+x@1.0.0-b"), (NOW - 8 * DAY) / 1000, (NOW - 8 * DAY) / 1000);
  expect((await collect()).removed).toEqual([".damaged/npm+x@1.0.0-b"]);
  expect((await readdir(join(vault, "npm"))).toSorted()).toEqual([]);
});

test("what lies aside of a package in use stays: it is made again from that", async () => {
  const place = ".damaged/npm+used@1.0.0-a";
  await mkdir(join(vault, place), { recursive: true });
  await utimes(join(vault, place), (NOW - 30 * DAY) / 1000, (NOW - 30 * DAY) / 1000);
  expect((await collect({ keep: [pin("npm/used@1.0.0-a")], maxBytes: 0 })).removed).toEqual([]);
  expect((await collect()).removed).toEqual([place]);
});

test("what the vault does not know is counted and left alone", async () => {
  await mkdir(join(vault, "python/3.12"), { recursive: true });
  await writeFile(join(vault, "python/3.12/bin"), new Uint8Array(MIB));
  const { bytes, removed } = await collect({ maxBytes: 0, minAgeMs: 0 });
  expect(removed).toEqual([]);
  expect(bytes).toBeGreaterThan(MIB);
  expect(existsSync(join(vault, "python/3.12/bin"))).toBe(true);
});

test("an empty vault", async () => {
  expect(await collect()).toEqual({ removed: [], freedBytes: 0, bytes: 0, cacheFreedBytes: 0 });
});

test("the largest folder of a cache that is too large goes, but not during an installation", async () => {
  for (const [name, mib] of [
    ["npm", 3],
    ["uv", 1],
  ] as const) {
    await mkdir(join(cache, name, "deep"), { recursive: true });
    await writeFile(join(cache, name, "deep/data"), new Uint8Array(mib * MIB));
  }
  const staging = await makeStaging(vault);
  expect((await collect({ maxCacheBytes: 2 * MIB })).cacheFreedBytes).toBe(0);
  expect(await readdir(cache)).toEqual(["npm", "uv"]);
  await rm(staging, { recursive: true });
  expect((await collect({ maxCacheBytes: 2 * MIB })).cacheFreedBytes).toBeGreaterThan(3 * MIB);
  expect(await readdir(cache)).toEqual(["uv"]);
});

test("the size of a package is the same by its manifest and by its files", async () => {
  const [listed, walked] = [await put("a@1.0.0-a", 0), await put("b@1.0.0-b", 0, false)];
  const { packages } = await readVault(vault);
  const bytes = new Map(packages.map((entry) => [entry.directory, entry.bytes]));
  expect(Math.abs((bytes.get(listed) ?? 0) - (bytes.get(walked) ?? 0))).toBeLessThanOrEqual(4096);
});

test("how large the vault is, and who needs what", async () => {
  const [used, unused] = [await put("used@1.0.0-a", HOUR), await put("unused@1.0.0-b", DAY)];
  await mkdir(join(vault, "tools/uv"), { recursive: true });
  await mkdir(join(cache, "npm"), { recursive: true });
  await writeFile(join(cache, "npm/x"), new Uint8Array(MIB));
  const usage = await vaultUsage(vault, cache, new Map([[used, ["files", "twin"]]]));
  expect(usage.packages).toHaveLength(2);
  const of = (directory: string) => usage.packages.find((each) => each.directory === directory);
  expect(of(used)).toMatchObject({ usedBy: ["files", "twin"], neededAt: NOW - HOUR });
  expect(of(unused)).toMatchObject({ usedBy: [], neededAt: NOW - DAY });
  expect(usage.unusedBytes).toBe(of(unused)?.bytes ?? 0);
  expect(usage.bytes).toBeGreaterThan((of(used)?.bytes ?? 0) + usage.unusedBytes);
  expect(usage.cacheBytes).toBeGreaterThanOrEqual(MIB);
});

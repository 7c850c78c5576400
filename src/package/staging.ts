// Directories of the vault on their way in and out: made, published in one step, thrown away in one step, swept after
// a crash. Called by whatever installs or unpacks, by the collector, and by the composition root at start.

import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemErrorCode } from "../errors.ts";
import { syncDirectory } from "./durable.ts";
import { keepManifest } from "./manifest-file.ts";
import { describeTree } from "./tree-scan.ts";

export const STAGING = ".staging-";
export const TRASH = ".trash-";

/** A new, empty directory on the vault's own file system, for its owner alone. */
export async function makeStaging(vaultDirectory: string): Promise<string> {
  await mkdir(vaultDirectory, { recursive: true, mode: 0o700 });
  return mkdtemp(join(vaultDirectory, STAGING));
}

export async function removeStaging(staging: string): Promise<void> {
  await rm(staging, { recursive: true, force: true, maxRetries: 3 });
}

/** Removes what an installation or removal left that never ended. Call it before the first one. Returns how many. */
export async function sweepStaging(vaultDirectory: string): Promise<number> {
  const left = (await list(vaultDirectory)).filter(
    (name) => name.startsWith(STAGING) || name.startsWith(TRASH),
  );
  for (const name of left) await removeStaging(join(vaultDirectory, name));
  return left.length;
}

/**
 * Moves `staging`, which is sealed, to `final`, on disk when this resolves. Where `final` is there already (the same
 * installation went on twice), that one stays: its name holds the hash of its content, so the two are equal.
 * @returns the hash of the tree that is in `final` now
 */
export async function publish(staging: string, final: string): Promise<string> {
  const parent = dirname(final);
  await mkdir(parent, { recursive: true, mode: 0o755 });
  const manifest = await describeTree(staging);
  await chmod(staging, 0o755);
  try {
    await rename(staging, final);
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw thrown;
    return keepManifest(final);
  }
  const tree = await keepManifest(final, manifest);
  await syncDirectory(dirname(parent));
  return tree;
}

/** Takes `path` out of its place at once; its removal may take its time. Nothing happens where it is not there. */
export async function discard(vaultDirectory: string, path: string): Promise<void> {
  const trash = await mkdtemp(join(vaultDirectory, TRASH));
  try {
    await rename(path, join(trash, "it"));
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
  }
  await removeStaging(trash);
}

async function list(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

// Directories of the vault that are not finished: made, published in one step, swept after a crash. Called by npm.ts,
// and by the composition root at start.

import { chmod, mkdir, mkdtemp, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemErrorCode } from "../errors.ts";

const PREFIX = ".staging-";

/** A new, empty directory on the vault's own file system, for its owner alone. */
export async function makeStaging(vaultDirectory: string): Promise<string> {
  await mkdir(vaultDirectory, { recursive: true, mode: 0o700 });
  return mkdtemp(join(vaultDirectory, PREFIX));
}

export async function removeStaging(staging: string): Promise<void> {
  await rm(staging, { recursive: true, force: true, maxRetries: 3 });
}

/** Removes what an installation left that never ended. Call it before the first one starts. Returns how many. */
export async function sweepStaging(vaultDirectory: string): Promise<number> {
  const left = (await list(vaultDirectory)).filter((name) => name.startsWith(PREFIX));
  for (const name of left) await removeStaging(join(vaultDirectory, name));
  return left.length;
}

/**
 * Moves `staging` to `final`, on disk when this resolves. Where `final` is there already (the same installation went
 * on twice), it stays: its name holds the hash of its content, so the two are equal.
 */
export async function publish(staging: string, final: string): Promise<void> {
  const parent = dirname(final);
  await mkdir(parent, { recursive: true, mode: 0o755 });
  await chmod(staging, 0o755);
  try {
    await rename(staging, final);
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw thrown;
    return;
  }
  await syncDirectory(parent);
  await syncDirectory(dirname(parent));
}

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function list(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

// Keeps the vault and the download cache within their bounds: removes versions that no server uses, oldest first, and
// never what is installed at this moment. Called by the housekeeping of the appliance.

import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemErrorCode } from "../errors.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import { directoryBytes, namesIn, neededAt, readVault, type VaultEntry } from "./contents.ts";
import { MANIFEST_ENDING, touchManifest } from "./manifest-file.ts";
import { removeStaging, STAGING, TRASH } from "./staging.ts";
import { damagedPlace } from "./vault.ts";

/** What was needed so lately may be about to be saved: it is left alone even in a vault that is too large. */
const GRACE_MS = 60 * 60_000;

export interface CollectOptions {
  readonly vaultDirectory: string;
  readonly cacheDirectory: string;
  /** What servers use, or may go back to. */
  readonly keep: readonly PinnedPackage[];
  /** Of the whole vault. What is kept may be more. */
  readonly maxBytes: number;
  /** Unused versions stay for as long while there is room. */
  readonly minAgeMs: number;
  /** Of what was downloaded. */
  readonly maxCacheBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Collected {
  /** Directories of packages, relative to the vault. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
  /** Of the vault, afterwards. */
  readonly bytes: number;
  readonly cacheFreedBytes: number;
}

export async function collectVault(options: CollectOptions): Promise<Collected> {
  const { vaultDirectory, now, maxBytes, minAgeMs } = options;
  const kept = new Set(options.keep.map(({ directory }) => directory));
  for (const directory of kept) await touchManifest(join(vaultDirectory, directory), now);
  const { packages, damaged, strayManifests, otherBytes } = await readVault(vaultDirectory);

  // What lies aside of a package in use is what it is made again from.
  const aside = new Set([...kept].map(damagedPlace));
  const candidates = [...damaged, ...packages].filter(
    ({ directory }) => !kept.has(directory) && !aside.has(directory),
  );
  const total = (entries: readonly VaultEntry[]): number =>
    entries.reduce((sum, { bytes }) => sum + bytes, 0);
  let bytes = otherBytes + total(packages) + total(damaged);
  const removed: VaultEntry[] = [];
  for (const entry of candidates.toSorted((a, b) => a.neededAt - b.neededAt)) {
    const ageMs = now - entry.neededAt;
    const isDue = ageMs >= minAgeMs || (bytes > maxBytes && ageMs >= GRACE_MS);
    if (!isDue || !(await remove(vaultDirectory, entry))) continue;
    removed.push(entry);
    bytes -= entry.bytes;
  }
  for (const path of strayManifests) {
    if (now - (neededAt(vaultDirectory, path) ?? now) >= GRACE_MS) rmSync(join(vaultDirectory, path));
  }
  return {
    removed: removed.map(({ directory }) => directory),
    freedBytes: total(removed),
    bytes,
    cacheFreedBytes: await trimCache(options),
  };
}

/** False where somebody needed it since it was looked at. */
async function remove(vaultDirectory: string, entry: VaultEntry): Promise<boolean> {
  const { directory } = entry;
  // NB: between this look and the rename nobody else gets a turn: who asks later does not find it, and installs anew.
  if (neededAt(vaultDirectory, directory) !== entry.neededAt) return false;
  await removeStaging(moveToTrash(vaultDirectory, [directory, directory + MANIFEST_ENDING]));
  return true;
}

/**
 * The folders of the cache are their package managers' own business: one goes whole or not at all, the largest first.
 * None goes while something is installed from it. Returns the bytes.
 */
async function trimCache({ cacheDirectory, vaultDirectory, maxCacheBytes }: CollectOptions): Promise<number> {
  const folders: { readonly name: string; readonly bytes: number }[] = [];
  for (const name of await namesIn(cacheDirectory)) {
    folders.push({ name, bytes: await directoryBytes(join(cacheDirectory, name)) });
  }
  const before = folders.reduce((sum, folder) => sum + folder.bytes, 0);
  let bytes = before;
  for (const folder of folders.toSorted((a, b) => b.bytes - a.bytes)) {
    if (bytes <= maxCacheBytes || isInstalling(vaultDirectory)) break;
    await removeStaging(moveToTrash(cacheDirectory, [folder.name]));
    bytes -= folder.bytes;
  }
  return before - bytes;
}

function isInstalling(vaultDirectory: string): boolean {
  return existsSync(vaultDirectory) && readdirSync(vaultDirectory).some((name) => name.startsWith(STAGING));
}

/** In one turn. Paths that are not there are passed over. */
function moveToTrash(root: string, paths: readonly string[]): string {
  const trash = mkdtempSync(join(root, TRASH));
  for (const path of paths) {
    try {
      renameSync(join(root, path), join(trash, path.replaceAll("/", "+")));
    } catch (thrown) {
      if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
    }
  }
  return trash;
}

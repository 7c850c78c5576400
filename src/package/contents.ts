// What the vault and the download cache hold, and how much room it takes. Called by collect.ts, and for whoever asks
// how large the vault is.

import { lstatSync, type Stats } from "node:fs";
import { opendir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../errors.ts";
import { MANIFEST_ENDING } from "./manifest-file.ts";
import { DAMAGED } from "./vault.ts";

/** Folders of the vault in which each directory is one version of one package. */
export const ECOSYSTEMS = ["npm", "pypi", "mcpb"] as const;
/** Room is given out in blocks of this size, as most file systems do. */
const BLOCK_BYTES = 4096;

export interface VaultEntry {
  /** Relative to the vault, as a pinned package names it. */
  readonly directory: string;
  /** On disk, about. */
  readonly bytes: number;
  /** Milliseconds since the epoch: when it was installed, or started last. */
  readonly neededAt: number;
}

export interface VaultContents {
  readonly packages: readonly VaultEntry[];
  /** Damaged trees that were moved aside; their directory begins with `.damaged/`. */
  readonly damaged: readonly VaultEntry[];
  /** Manifests whose directory is gone, relative to the vault. */
  readonly strayManifests: readonly string[];
  /** Everything else below the vault, such as interpreters: in bytes. */
  readonly otherBytes: number;
}

export async function readVault(vaultDirectory: string): Promise<VaultContents> {
  const packages: VaultEntry[] = [];
  const strayManifests: string[] = [];
  for (const ecosystem of ECOSYSTEMS) {
    const names = new Set(await namesIn(join(vaultDirectory, ecosystem)));
    for (const name of names) {
      const directory = `${ecosystem}/${name}`;
      if (!name.endsWith(MANIFEST_ENDING)) {
        packages.push(await readEntry(vaultDirectory, directory));
      } else if (!names.has(name.slice(0, -MANIFEST_ENDING.length))) {
        strayManifests.push(directory);
      }
    }
  }
  const damaged: VaultEntry[] = [];
  for (const name of await namesIn(join(vaultDirectory, DAMAGED))) {
    damaged.push(await readEntry(vaultDirectory, `${DAMAGED}/${name}`));
  }
  const own: readonly string[] = [...ECOSYSTEMS, DAMAGED];
  const others = (await namesIn(vaultDirectory)).filter((name) => !own.includes(name));
  let otherBytes = 0;
  for (const name of others) otherBytes += await directoryBytes(join(vaultDirectory, name));
  return { packages, damaged, strayManifests, otherBytes };
}

/** On disk, about, with everything below it; 0 for what is not there. */
export async function directoryBytes(directory: string): Promise<number> {
  let bytes = BLOCK_BYTES;
  try {
    for await (const entry of await opendir(directory)) {
      const path = join(directory, entry.name);
      bytes += entry.isDirectory() ? await directoryBytes(path) : roomOf(lstatSync(path).size);
    }
  } catch (thrown) {
    // Others may remove what is looked at.
    if (systemErrorCode(thrown) !== "ENOENT" && systemErrorCode(thrown) !== "ENOTDIR") throw thrown;
    return 0;
  }
  return bytes;
}

/** Empty where there is no such directory. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).toSorted();
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

/**
 * When the package was needed last, looked up without giving up the turn: the time of its manifest, or its own where
 * it has none. Undefined where it is not there.
 */
export function neededAt(vaultDirectory: string, directory: string): number | undefined {
  const at = join(vaultDirectory, directory);
  const look = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });
  return (look(at + MANIFEST_ENDING) ?? look(at))?.mtimeMs;
}

async function readEntry(vaultDirectory: string, directory: string): Promise<VaultEntry> {
  const at = join(vaultDirectory, directory);
  const bytes = (await manifestBytes(at + MANIFEST_ENDING)) ?? (await directoryBytes(at));
  return { directory, bytes, neededAt: neededAt(vaultDirectory, directory) ?? 0 };
}

/** The room of what a manifest lists: one file to read instead of thousands to look at. */
async function manifestBytes(path: string): Promise<number | undefined> {
  try {
    const text = await readFile(path, "utf8");
    let bytes = 0;
    for (const [, size] of text.matchAll(/^(?:d|f [0-7]+ (\d+)) /gm)) bytes += roomOf(Number(size ?? 1));
    return bytes;
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

function roomOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

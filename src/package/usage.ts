// How large the vault is, package by package, and who needs what: for whoever asks. Called by control/packages.ts.

import { directoryBytes, readVault } from "./contents.ts";

export interface VaultUsage {
  /** On disk, about, the cache not counted. */
  readonly bytes: number;
  /** Of packages that no server uses or may go back to. */
  readonly unusedBytes: number;
  /** What was downloaded and may be deleted at any time. */
  readonly cacheBytes: number;
  /** The largest first. */
  readonly packages: readonly PackageUsage[];
}

export interface PackageUsage {
  /** Relative to the vault. */
  readonly directory: string;
  readonly bytes: number;
  /** Names of servers. */
  readonly usedBy: readonly string[];
  /** Milliseconds since the epoch: when it was installed, or started last. */
  readonly neededAt: number;
}

/** @param users names of servers by the directory of their packages, those for going back included */
export async function vaultUsage(
  vaultDirectory: string,
  cacheDirectory: string,
  users: ReadonlyMap<string, readonly string[]>,
): Promise<VaultUsage> {
  const contents = await readVault(vaultDirectory);
  const packages = [...contents.packages, ...contents.damaged]
    .map((entry): PackageUsage => ({ ...entry, usedBy: users.get(entry.directory) ?? [] }))
    .toSorted((a, b) => b.bytes - a.bytes);
  const sum = (entries: readonly PackageUsage[]): number =>
    entries.reduce((total, { bytes }) => total + bytes, 0);
  return {
    bytes: contents.otherBytes + sum(packages),
    unusedBytes: sum(packages.filter(({ usedBy }) => usedBy.length === 0)),
    cacheBytes: await directoryBytes(cacheDirectory),
    packages,
  };
}

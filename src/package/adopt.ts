// A package that a request names instead of having it installed: it came into the vault in a bundle. Called by `add`.

import { AppError } from "../errors.ts";
import type { PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import { normalizeName } from "./pypi-requirement.ts";
import { needsInstall } from "./resolve.ts";
import { isPlainPath } from "./tree.ts";
import type { Vault } from "./vault.ts";

/** NB: a directory of the vault, a file in it, the hash of its tree, and no other place, whatever somebody wrote. */
export function isVaultPlace({ ecosystem, directory, entry, tree }: PinnedPackage): boolean {
  const isDirectory = /^[a-z]+\/[^/]+$/.test(directory) && directory.startsWith(`${ecosystem}/`);
  return (
    isDirectory &&
    isPlainPath(directory) &&
    !directory.endsWith(".tree") &&
    isPlainPath(entry) &&
    tree !== undefined
  );
}

/** @throws AppError `usage` for one that is for another command line; `blocked` for one that is not in the vault */
export async function adoptPackage(
  vault: Vault,
  spec: StdioSpec,
  pinned: PinnedPackage,
): Promise<PinnedPackage> {
  if (!isVaultPlace(pinned) || !isFor(spec, pinned)) {
    throw new AppError("usage", "The package that is named is not one of the vault for this command line.");
  }
  await vault.ensure(pinned, undefined);
  return pinned;
}

/** An MCP bundle is run by the command line in its own manifest, which names no package. */
function isFor(spec: StdioSpec, { ecosystem, name }: PinnedPackage): boolean {
  const meaning = needsInstall(spec);
  if (meaning === undefined) return ecosystem === "mcpb";
  if (meaning.kind !== ecosystem) return false;
  const wanted = meaning.packageSpec.name;
  return meaning.kind === "npm" ? wanted === name : normalizeName(wanted) === normalizeName(name);
}

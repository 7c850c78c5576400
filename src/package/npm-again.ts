// Makes a damaged package of an npm registry again: the very versions and hashes of its lockfile, or nothing. Called
// by the vault when a package is not what was installed.

import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { AppError } from "../errors.ts";
import { title } from "./install-error.ts";
import { asInstallError } from "./install-run.ts";
import { readLock, readRoot, vaultPath } from "./installed.ts";
import { type NpmRequest, npmSteps, type NpmSteps } from "./npm-steps.ts";
import { seal } from "./seal.ts";
import { makeStaging, publish, removeStaging } from "./staging.ts";
import { describeTree } from "./tree-scan.ts";
import { treeHash } from "./tree.ts";
import type { KnownPackage } from "./vault.ts";

const ROOT = "package.json";
const LOCK = "bun.lock";

export type NpmAgain = Omit<NpmRequest, "packageSpec" | "registry" | "scripts">;

/**
 * @param damaged where the broken tree lies; its lockfile is used when it is the right one
 * @throws AppError `install-failed`, `no-space`, `interrupted`
 */
export async function reinstallNpm(
  request: NpmAgain,
  pinned: KnownPackage,
  damaged: string | undefined,
): Promise<void> {
  const { name, version } = pinned;
  const packageSpec = { name, wanted: version };
  const staging = await makeStaging(request.vaultDirectory);
  try {
    const root = damaged === undefined ? undefined : await readRoot(damaged).catch(() => undefined);
    const steps = npmSteps(staging, { ...request, packageSpec, ...root });
    await bringLock(staging, steps, pinned, damaged);
    await steps.fetch();
    await seal(staging, pinned.entry);
    steps.checkInterrupted();
    if (treeHash(await describeTree(staging)) !== pinned.tree) {
      throw new AppError("install-failed", "what the registry sends now is not what was installed before.");
    }
    await publish(staging, join(request.vaultDirectory, pinned.directory));
  } catch (thrown) {
    throw asInstallError(thrown, title(packageSpec));
  } finally {
    await removeStaging(staging);
  }
}

/** The lockfile as it was; where that is damaged too, the one that the registry's versions of now make. */
async function bringLock(
  staging: string,
  steps: NpmSteps,
  pinned: KnownPackage,
  damaged: string | undefined,
): Promise<void> {
  const lock = damaged !== undefined && (await hasLock(damaged, pinned)) ? damaged : undefined;
  if (lock !== undefined && (await hasRoot(lock, pinned))) {
    await copyFile(join(lock, ROOT), join(staging, ROOT));
  } else {
    await steps.lock();
  }
  if (lock !== undefined) await copyFile(join(lock, LOCK), join(staging, LOCK));
  if (await hasLock(staging, pinned)) return;
  throw new AppError(
    "install-failed",
    "its lockfile is lost, and the registry has newer versions of what it needs: update the server.",
  );
}

/** NB: the name of the package's directory holds the hash of the lockfile. */
async function hasLock(directory: string, { name, directory: place }: KnownPackage): Promise<boolean> {
  try {
    const { version, hash } = await readLock(directory, name);
    return vaultPath(name, version, hash) === place;
  } catch {
    return false;
  }
}

async function hasRoot(directory: string, { name, version }: KnownPackage): Promise<boolean> {
  try {
    const root: unknown = JSON.parse(await readFile(join(directory, ROOT), "utf8"));
    return v.is(v.object({ dependencies: v.strictObject({ [name]: v.literal(version) }) }), root);
  } catch {
    return false;
  }
}

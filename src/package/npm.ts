// Installs a package of an npm registry into the vault, once: resolved, downloaded, checked against its hashes, made
// read-only and published in one step. Called by `add`, and by `update` for a version beside the one in use.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PinnedPackage } from "../model/server-spec.ts";
import { isExactVersion } from "./command-line.ts";
import { title } from "./install-error.ts";
import { asInstallError } from "./install-run.ts";
import { findPinned, readLock, readPinned, vaultPath } from "./installed.ts";
import type { InstallProgress } from "./launch-command.ts";
import { keepManifest, touchManifest } from "./manifest-file.ts";
import { type NpmRequest, npmSteps } from "./npm-steps.ts";
import { seal } from "./seal.ts";
import { makeStaging, publish, removeStaging } from "./staging.ts";

export interface NpmInstall extends NpmRequest {
  readonly bin: string | undefined;
  readonly progress: InstallProgress;
}

/** What a registry has for a request at this moment. */
export interface NpmResolution {
  readonly version: string;
  /** Where it belongs in the vault: the same place means the same versions of everything that it needs. */
  readonly directory: string;
}

/**
 * The package in the vault. An exact version that is there already costs nothing: no process, no network.
 * @throws AppError `install-failed`, `no-space`, `interrupted`
 */
export async function installNpm(request: NpmInstall): Promise<PinnedPackage> {
  try {
    const pinned =
      (await reuse(request)) ?? (await inStaging(request, (staging) => install(staging, request)));
    const at = join(request.vaultDirectory, pinned.directory);
    const tree = await keepManifest(at);
    await touchManifest(at, Date.now());
    return { ...pinned, tree };
  } catch (thrown) {
    throw asInstallError(thrown, title(request.packageSpec));
  }
}

/** What `installNpm` would install now; downloads no package. @throws as `installNpm` */
export async function resolveNpm(request: NpmRequest): Promise<NpmResolution> {
  const { name } = request.packageSpec;
  try {
    return await inStaging(request, async (staging) => {
      await npmSteps(staging, request).lock();
      const { version, hash } = await readLock(staging, name);
      return { version, directory: vaultPath(name, version, hash) };
    });
  } catch (thrown) {
    throw asInstallError(thrown, title(request.packageSpec));
  }
}

async function inStaging<T>(request: NpmRequest, act: (staging: string) => Promise<T>): Promise<T> {
  const staging = await makeStaging(request.vaultDirectory);
  try {
    return await act(staging);
  } finally {
    await removeStaging(staging);
  }
}

async function reuse(request: NpmInstall): Promise<PinnedPackage | undefined> {
  const { packageSpec, bin, registry, vaultDirectory, progress, scripts } = request;
  if (!isExactVersion(packageSpec.wanted)) return undefined;
  const known = await findPinned(vaultDirectory, packageSpec, bin, registry, scripts);
  if (known !== undefined) progress("installed", `${known.name}@${known.version} is in the vault already`);
  return known;
}

async function install(staging: string, request: NpmInstall): Promise<PinnedPackage> {
  const { packageSpec, bin, vaultDirectory, progress } = request;
  const { name } = packageSpec;
  const steps = npmSteps(staging, request);
  progress("resolving", title(packageSpec));
  await steps.lock();
  const { version, hash, packages } = await readLock(staging, name);
  const directory = vaultPath(name, version, hash);
  const final = join(vaultDirectory, directory);

  if (!existsSync(final)) {
    progress("downloading", `${name}@${version}, ${packages} ${packages === 1 ? "package" : "packages"}`);
    await steps.fetch();
    const { entry } = await readPinned(staging, directory, name, bin);
    await seal(staging, entry);
    steps.checkInterrupted();
    await publish(staging, final);
  }
  const pinned = await readPinned(final, directory, name, bin);
  progress("installed", `${name}@${version}`);
  return pinned;
}

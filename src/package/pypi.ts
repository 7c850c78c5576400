// Installs a package of a Python index into the vault, once: resolved to versions and hashes, checked against them,
// made read-only and published in one step. Called by `add`, and by `update` for a version beside the one in use.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PinnedPackage } from "../model/server-spec.ts";
import { asInstallError } from "./install-run.ts";
import type { InstallProgress } from "./launch-command.ts";
import { keepManifest, touchManifest } from "./manifest-file.ts";
import { title } from "./pypi-error.ts";
import { integrityOf, lockedPackage, type LockedPackage, pypiPath, requirementsText } from "./pypi-lock.ts";
import { findPypi, readPypi, requestOf } from "./pypi-pinned.ts";
import { exactVersion } from "./pypi-requirement.ts";
import { type PypiRequest, type Resolution, resolveLock } from "./pypi-resolve.ts";
import { type PypiSteps, pypiSteps, VENV } from "./pypi-steps.ts";
import { chooseProgram, finish, readDistribution, tidy } from "./pypi-venv.ts";
import { publish } from "./staging.ts";
import { withUv } from "./uv-scene.ts";
import type { UvScene } from "./uv-step.ts";

export interface PypiInstall extends PypiRequest {
  /** The program that was named; `python` is the interpreter. Undefined leaves the choice to the package. */
  readonly bin: string | undefined;
  readonly progress: InstallProgress;
}

/** What an index has for a request at this moment. */
export interface PypiResolution {
  readonly version: string;
  /** Where it belongs in the vault: the same place means the same versions of everything that it needs. */
  readonly directory: string;
}

/**
 * The package in the vault. An exact version that is there already costs nothing: no process, no network.
 * @throws AppError `install-failed`, `no-space`, `interrupted`, `bad-configuration`
 */
export async function installPypi(request: PypiInstall): Promise<PinnedPackage> {
  try {
    const pinned = (await reuse(request)) ?? (await withUv(request, (scene) => install(scene, request)));
    const at = join(request.vaultDirectory, pinned.directory);
    const tree = await keepManifest(at);
    await touchManifest(at, Date.now());
    return { ...pinned, tree };
  } catch (thrown) {
    throw asInstallError(thrown, title(request.packageSpec));
  }
}

/** What `installPypi` would install now; downloads no package. @throws as `installPypi` */
export async function resolvePypi(request: PypiRequest): Promise<PypiResolution> {
  try {
    return await withUv(request, async (scene) => {
      const { version, directory } = await resolve(scene, pypiSteps(scene, request, request), request, true);
      return { version, directory };
    });
  } catch (thrown) {
    throw asInstallError(thrown, title(request.packageSpec));
  }
}

async function reuse(request: PypiInstall): Promise<PinnedPackage | undefined> {
  const { packageSpec, vaultDirectory, python, bin, progress } = request;
  if (exactVersion(packageSpec.wanted) === undefined) return undefined;
  const known = await findPypi(vaultDirectory, requestOf(request, python), bin);
  if (known !== undefined) progress("installed", `${known.name}@${known.version} is in the vault already`);
  return known;
}

interface Resolved extends Resolution, LockedPackage {
  readonly requirements: string;
  readonly directory: string;
}

async function install(scene: UvScene, request: PypiInstall): Promise<PinnedPackage> {
  const { packageSpec, bin, vaultDirectory, progress } = request;
  const steps = pypiSteps(scene, request, request);
  progress("resolving", title(packageSpec));
  const resolved = await resolve(scene, steps, request, false);
  const { interpreter, requirements, name, version, directory, lock } = resolved;
  const final = join(vaultDirectory, directory);
  if (!existsSync(final)) {
    const count = lock.packages.length;
    progress("downloading", `${name}@${version}, ${count} ${count === 1 ? "package" : "packages"}`);
    const venv = join(scene.staging, VENV);
    await steps.install(interpreter, requirements);
    await tidy(venv);
    const { tags, programs } = await readDistribution(venv, name);
    await chooseProgram(venv, resolved, programs, bin);
    await steps.compile(interpreter);
    await finish(venv, interpreter, requirements, {
      name,
      version,
      integrity: integrityOf(resolved.files, tags),
      python: interpreter.version,
      request: requestOf(request, request.python),
    });
    steps.checkInterrupted();
    await publish(venv, final);
  }
  const pinned = await readPypi(vaultDirectory, directory, bin);
  progress("installed", `${name}@${version}`);
  return pinned;
}

async function resolve(
  scene: UvScene,
  steps: PypiSteps,
  request: PypiRequest,
  isQuestion: boolean,
): Promise<Resolved> {
  const { interpreter, lock } = await resolveLock(scene, steps, request, isQuestion);
  const own = lockedPackage(lock, request.packageSpec.name);
  const requirements = requirementsText(lock);
  const directory = pypiPath(own.name, own.version, requirements, interpreter.path);
  return { interpreter, lock, ...own, requirements, directory };
}

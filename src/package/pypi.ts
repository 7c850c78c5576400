// Installs a package of a Python index into the vault, once: resolved to versions and hashes, checked against them,
// made read-only and published in one step. Called by `add`, and by `update` for a version beside the one in use.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PinnedPackage } from "../model/server-spec.ts";
import { asInstallError } from "./install-run.ts";
import type { InstallProgress } from "./launch-command.ts";
import { keepManifest, touchManifest } from "./manifest-file.ts";
import { neededPython, pypiError, title } from "./pypi-error.ts";
import { integrityOf, type Lock, type LockedPackage, pypiPath, requirementsText } from "./pypi-lock.ts";
import { findPypi, readPypi, requestOf } from "./pypi-pinned.ts";
import { exactVersion, normalizeName } from "./pypi-requirement.ts";
import { type PypiPlaces, type PypiSteps, pypiSteps, type PypiWanted, VENV } from "./pypi-steps.ts";
import { chooseProgram, finish, readDistribution, tidy } from "./pypi-venv.ts";
import { findInterpreters, type Interpreter } from "./python-interpreters.ts";
import { fetchPython, managedFolders, pythonToFetch } from "./python-managed.ts";
import { publish } from "./staging.ts";
import { withUv } from "./uv-scene.ts";
import type { UvScene } from "./uv-step.ts";

/** Interpreters that a resolution is tried with before one is downloaded. */
const MAX_TRIES = 4;

export interface PypiRequest extends PypiWanted, PypiPlaces {
  /** `3`, `3.12` or `3.12.1`; undefined for any that is maintained and that the package takes. */
  readonly python: string | undefined;
}

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
      const { version, directory } = await resolve(scene, pypiSteps(scene, request, request), request);
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

interface Resolved {
  readonly interpreter: Interpreter;
  readonly lock: Lock;
  readonly name: string;
  readonly version: string;
  readonly files: LockedPackage["files"];
  readonly requirements: string;
  readonly directory: string;
}

async function install(scene: UvScene, request: PypiInstall): Promise<PinnedPackage> {
  const { packageSpec, bin, vaultDirectory, progress } = request;
  const steps = pypiSteps(scene, request, request);
  progress("resolving", title(packageSpec));
  const resolved = await resolve(scene, steps, request);
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

async function resolve(scene: UvScene, steps: PypiSteps, request: PypiRequest): Promise<Resolved> {
  const { interpreter, lock } = await findLock(scene, steps, request);
  const name = normalizeName(request.packageSpec.name);
  const own = lock.packages.find((each) => each.name === name);
  if (own === undefined) throw new Error(`the lock has no entry for ${name}`);
  const requirements = requirementsText(lock);
  const directory = pypiPath(name, own.version, requirements, interpreter.path);
  return { interpreter, lock, name, version: own.version, files: own.files, requirements, directory };
}

/** With the first interpreter that the package and all that it needs can be installed for. */
async function findLock(
  scene: UvScene,
  steps: PypiSteps,
  request: PypiRequest,
): Promise<Pick<Resolved, "interpreter" | "lock">> {
  const { host, python, packageSpec, vaultDirectory } = request;
  const found = await findInterpreters(host, python, await managedFolders(vaultDirectory));
  let complaint: string | undefined;
  for (const interpreter of found.slice(0, MAX_TRIES)) {
    const lock = await steps.lock(interpreter);
    if (!("aboutPython" in lock)) return { interpreter, lock };
    complaint ??= lock.aboutPython;
  }
  const needed = neededPython(complaint ?? "");
  if (complaint !== undefined && needed === undefined) throw pypiError(packageSpec, complaint);
  const wanted = pythonToFetch(python, needed);
  const has = found.length === 0 ? "" : ` (it has ${found.map(({ version }) => version).join(", ")})`;
  const why = `${title(packageSpec)} needs Python ${python ?? needed ?? "3"}, which this host does not have${has}`;
  const interpreter = await fetchPython(scene, steps.run, vaultDirectory, wanted, why);
  const lock = await steps.lock(interpreter);
  if ("aboutPython" in lock) throw pypiError(packageSpec, lock.aboutPython);
  return { interpreter, lock };
}

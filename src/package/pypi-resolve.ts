// Which version of a package is installed, for which Python, and with which versions of everything else: the newest
// one, or a sentence why not. Called by pypi.ts.
//
// NB: a resolver that is left to itself takes an older version without a word, of any age, when the newest does not
// run on its Python or needs something that would have to be built. So the newest is asked for first, by itself.

import { AppError } from "../errors.ts";
import type { InstallProgress } from "./launch-command.ts";
import { isAboutPython, needsBuild, neededPython, pypiError, title } from "./pypi-error.ts";
import { type Lock, lockedPackage } from "./pypi-lock.ts";
import { exactVersion } from "./pypi-requirement.ts";
import type { PypiPlaces, PypiSteps, PypiWanted } from "./pypi-steps.ts";
import { findInterpreters, type Interpreter, minorOf } from "./python-interpreters.ts";
import { fetchPython, managedFolders, pythonToFetch, USUAL_MINOR } from "./python-managed.ts";
import type { UvScene } from "./uv-step.ts";

/** Interpreters that a resolution is tried with before one is downloaded. */
const MAX_TRIES = 4;

export interface PypiRequest extends PypiWanted, PypiPlaces {
  /** `3`, `3.12` or `3.12.1`; undefined for any that is maintained and that the package takes. */
  readonly python: string | undefined;
  readonly progress?: InstallProgress;
}

export interface Resolution {
  readonly interpreter: Interpreter;
  readonly lock: Lock;
}

/** What uv said last; empty where there was no interpreter to ask with. */
interface Failure {
  readonly output: string;
}

/**
 * @param isQuestion nothing is going to be installed: no Python is downloaded for the sake of a newer version
 * @throws AppError `install-failed`, `no-space`, `interrupted`
 */
export async function resolveLock(
  scene: UvScene,
  steps: PypiSteps,
  request: PypiRequest,
  isQuestion: boolean,
): Promise<Resolution> {
  const { host, python, packageSpec, vaultDirectory, progress } = request;
  const found = await findInterpreters(host, python, await managedFolders(vaultDirectory));
  const newest = await newestVersion(steps, request, found[0]);
  const first = await tryEach(steps, found, newest);
  if ("lock" in first) return first;
  if (needsBuild(first.output)) throw failed(request, newest, first);

  const any = newest === undefined ? first : await tryEach(steps, found, undefined);
  if (first.output !== "" && !isAboutPython(first.output)) {
    // Something else that was asked for allows an older version only.
    if ("lock" in any) return any;
    throw failed(request, undefined, any);
  }
  if ("lock" in any && isQuestion) return any;
  try {
    return await withFetched(scene, steps, request, found, first);
  } catch (thrown) {
    if (!("lock" in any) || !(thrown instanceof AppError) || thrown.code !== "install-failed") throw thrown;
    const { version } = lockedPackage(any.lock, packageSpec.name);
    progress?.("resolving", `${version}, because ${newest} needs another Python than this host has`);
    return any;
  }
}

/** Undefined where the request leaves no choice, or nothing that could be asked. */
async function newestVersion(
  steps: PypiSteps,
  { python, packageSpec }: PypiRequest,
  interpreter: Interpreter | undefined,
): Promise<string | undefined> {
  if (interpreter === undefined || exactVersion(packageSpec.wanted) !== undefined) return undefined;
  const own = minorOf(interpreter.version);
  return steps.newest(interpreter, python === undefined ? Math.max(own, USUAL_MINOR) : own);
}

/** With the first interpreter that everything can be installed for. @param version of the package itself */
async function tryEach(
  steps: PypiSteps,
  interpreters: readonly Interpreter[],
  version: string | undefined,
): Promise<Resolution | Failure> {
  let complaint: Failure | undefined;
  for (const interpreter of interpreters.slice(0, MAX_TRIES)) {
    const lock = await steps.lock(interpreter, version);
    if (!("output" in lock)) return { interpreter, lock };
    if (!isAboutPython(lock.output)) return lock;
    complaint ??= lock;
  }
  return complaint ?? { output: "" };
}

/** With a Python of the vault's own, where that may be another one than those that were tried. */
async function withFetched(
  scene: UvScene,
  steps: PypiSteps,
  request: PypiRequest,
  found: readonly Interpreter[],
  failure: Failure,
): Promise<Resolution> {
  const { python, packageSpec, vaultDirectory } = request;
  const needed = neededPython(failure.output);
  const isUsualThere = found.some(({ version }) => minorOf(version) === USUAL_MINOR);
  const isTried = found.length > 0 && (python !== undefined || (needed === undefined && isUsualThere));
  if (isTried) throw failed(request, undefined, failure);

  const which = python ?? needed;
  const needs =
    which === undefined
      ? "another Python than this host has"
      : `Python ${which}, which this host does not have`;
  const has = found.length === 0 ? "" : ` (it has ${found.map(({ version }) => version).join(", ")})`;
  const why = `${title(packageSpec)} needs ${needs}${has}`;
  const interpreter = await fetchPython(scene, steps.run, vaultDirectory, pythonToFetch(python, needed), why);
  const result = await tryEach(steps, [interpreter], await newestVersion(steps, request, interpreter));
  if ("lock" in result) return result;
  throw failed(request, undefined, result);
}

function failed({ packageSpec }: PypiRequest, version: string | undefined, { output }: Failure): AppError {
  return pypiError(version === undefined ? packageSpec : { ...packageSpec, wanted: `==${version}` }, output);
}

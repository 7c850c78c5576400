// Makes a damaged Python package again: the very versions and hashes that it was made of, or nothing. Called by the
// vault when a package is not what was installed.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../errors.ts";
import { asInstallError } from "./install-run.ts";
import { title } from "./pypi-error.ts";
import { pypiPath } from "./pypi-lock.ts";
import { type PypiPlaces, pypiSteps, VENV } from "./pypi-steps.ts";
import { finish, readNote, REQUIREMENTS, tidy } from "./pypi-venv.ts";
import { findInterpreters, type Interpreter } from "./python-interpreters.ts";
import { managedFolders } from "./python-managed.ts";
import { publish } from "./staging.ts";
import { describeTree } from "./tree-scan.ts";
import { treeHash } from "./tree.ts";
import { withUv } from "./uv-scene.ts";
import type { KnownPackage } from "./vault.ts";

/**
 * @param damaged where the broken tree lies; its list of packages is used when it is the right one
 * @throws AppError `install-failed`, `no-space`, `interrupted`
 */
export async function reinstallPypi(
  places: PypiPlaces,
  pinned: KnownPackage,
  damaged: string | undefined,
): Promise<void> {
  const packageSpec = { name: pinned.name, wanted: `==${pinned.version}` };
  try {
    const note = damaged === undefined ? undefined : await readNote(damaged);
    const requirements =
      damaged === undefined ? "" : await readFile(join(damaged, REQUIREMENTS), "utf8").catch(() => "");
    const interpreter = await interpreterOf(places, pinned, requirements);
    if (note === undefined || interpreter === undefined) {
      throw new AppError(
        "install-failed",
        "its list of packages or its Python is lost: add the server again.",
      );
    }
    const { request } = note;
    const wanted = { ...request, packageSpec, registry: request.registry ?? undefined };
    await withUv({ ...places, ...wanted }, async (scene) => {
      const steps = pypiSteps(scene, wanted, places);
      const venv = join(scene.staging, VENV);
      await steps.install(interpreter, requirements);
      await tidy(venv);
      await steps.compile(interpreter);
      await finish(venv, interpreter, requirements, note);
      steps.checkInterrupted();
      if (treeHash(await describeTree(venv)) !== pinned.tree) {
        throw new AppError("install-failed", "what the index sends now is not what was installed before.");
      }
      await publish(venv, join(places.vaultDirectory, pinned.directory));
    });
  } catch (thrown) {
    throw asInstallError(thrown, title(packageSpec));
  }
}

/** NB: the name of the package's directory holds the hash of the list and of the interpreter's path. */
async function interpreterOf(
  { host, vaultDirectory }: PypiPlaces,
  { name, version, directory }: KnownPackage,
  requirements: string,
): Promise<Interpreter | undefined> {
  const found = await findInterpreters(host, "3", await managedFolders(vaultDirectory));
  return found.find(({ path }) => pypiPath(name, version, requirements, path) === directory);
}

// Python packages that are in the vault already: which request each was made for, and what a server needs to know to
// start it. Called by pypi.ts.

import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../errors.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import { quoted } from "../model/printable.ts";
import { directoryPrefix } from "./pypi-lock.ts";
import { exactVersion, normalizeName } from "./pypi-requirement.ts";
import type { PypiWanted } from "./pypi-steps.ts";
import { chooseProgram, PYTHON, type PypiNote, readDistribution, readNote } from "./pypi-venv.ts";

/** What was asked for, in one spelling and without credentials. */
export function requestOf(wanted: PypiWanted, python: string | undefined): PypiNote["request"] {
  return {
    name: normalizeName(wanted.packageSpec.name),
    wanted: wanted.packageSpec.wanted,
    extras: wanted.extras.map(normalizeName).toSorted(),
    with: wanted.with.toSorted(),
    prereleases: wanted.prereleases,
    registry: wanted.registry === undefined ? null : wanted.registry.replace(/:\/\/[^/\s@]*@/, "://"),
    allowBuild: wanted.allowBuild.map(normalizeName).toSorted(),
    python: python ?? null,
  };
}

/** An installation that was made for exactly this request, and whose interpreter is there. Never asks the network. */
export async function findPypi(
  vaultDirectory: string,
  request: PypiNote["request"],
  bin: string | undefined,
): Promise<PinnedPackage | undefined> {
  const names = await readdir(join(vaultDirectory, "pypi")).catch(() => []);
  const prefix = directoryPrefix(request.name);
  for (const found of names.filter((name) => name.startsWith(prefix)).toSorted()) {
    const directory = join("pypi", found);
    const note = await readNote(join(vaultDirectory, directory));
    if (note === undefined || !isSame(note, request)) continue;
    if (existsSync(join(vaultDirectory, directory, PYTHON))) return readPypi(vaultDirectory, directory, bin);
  }
  return undefined;
}

function isSame(note: PypiNote, request: PypiNote["request"]): boolean {
  const wanted = exactVersion(request.wanted) === note.version ? note.request.wanted : request.wanted;
  return JSON.stringify(note.request) === JSON.stringify({ ...request, wanted });
}

/** @throws AppError `install-failed` when it has no program to run, or none of that name */
export async function readPypi(
  vaultDirectory: string,
  directory: string,
  bin: string | undefined,
): Promise<PinnedPackage> {
  const at = join(vaultDirectory, directory);
  const note = await readNote(at);
  if (note === undefined) {
    throw new AppError(
      "install-failed",
      `${quoted(directory)} in the vault is damaged: remove it, then try again.`,
    );
  }
  const { name, version, integrity, python } = note;
  const { programs } = await readDistribution(at, name);
  const entry = await chooseProgram(at, note, programs, bin);
  return { ecosystem: "pypi", name, version, integrity, python, directory, entry };
}

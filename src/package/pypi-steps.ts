// The steps of an installation from a Python index, in a staging directory: from a request to a lock, and from a lock
// to a virtual environment with bytecode. uv does the work. Called by pypi.ts and pypi-again.ts.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installRun, type InstallRun } from "./install-run.ts";
import type { InstallerEnd, StartStep } from "./installer-child.ts";
import { pypiError, title } from "./pypi-error.ts";
import { type Lock, readLock } from "./pypi-lock.ts";
import { exactVersion, normalizeName, parseRequirement, requirementText } from "./pypi-requirement.ts";
import { bytecodeStep } from "./python-bytecode.ts";
import type { Interpreter } from "./python-interpreters.ts";
import { type UvScene, uvStep } from "./uv-step.ts";

/** What is installed, and with what. */
export interface PypiWanted {
  /** `wanted`: `latest`, or version specifiers such as `==1.2.3` and `>=1,<2`. */
  readonly packageSpec: { readonly name: string; readonly wanted: string };
  readonly extras: readonly string[];
  /** Requirements that are installed beside it. */
  readonly with: readonly string[];
  /** Versions such as 1.0rc1 count as well. */
  readonly prereleases: boolean;
  /** Wins over the index of the environment. */
  readonly registry: string | undefined;
  /** Packages that may be built on this host, which runs code of theirs; all others need a wheel. */
  readonly allowBuild: readonly string[];
}

/** How installations run on this host. */
export interface PypiPlaces {
  /** Absolute. */
  readonly vaultDirectory: string;
  readonly cacheDirectory: string;
  /** The helper that ends the children with the appliance. */
  readonly launcher: string | undefined;
  /** What starts each child; without one it has all rights of the appliance. */
  readonly start?: StartStep | undefined;
  /** Absolute; undefined for the host's uv or the vault's. */
  readonly uv?: string | undefined;
  /** The appliance's own environment; only a list of names passes. */
  readonly host: Readonly<Record<string, string | undefined>>;
  /** Aborting it ends the work and leaves nothing of it. */
  readonly signal: AbortSignal;
  /** For tests; 10 minutes. */
  readonly deadlineMs?: number | undefined;
}

export interface PypiSteps {
  /** @param version of the package itself; undefined for any that was asked for. `output`: what uv says against it */
  lock(interpreter: Interpreter, version: string | undefined): Promise<Lock | { readonly output: string }>;
  /** The version that a Python 3.`minor` would get; undefined where it would get none. */
  newest(interpreter: Interpreter, minor: number): Promise<string | undefined>;
  /** The virtual environment, `<staging>/venv`, with what `requirements` names, each archive by its hash. */
  install(interpreter: Interpreter, requirements: string): Promise<void>;
  /** Bytecode beside each file, so that a start compiles nothing. */
  compile(interpreter: Interpreter): Promise<void>;
  run: InstallRun["run"];
  /** @throws AppError `interrupted` */
  checkInterrupted(): void;
}

/** Name of the environment's directory below the staging directory. */
export const VENV = "venv";

// Wheels only: to build a source archive is to run its code.
const WHEELS_ONLY = ["--only-binary", ":all:"];
const PLAIN = "--no-header --no-annotate --quiet";
const COMPILE = `pip compile requirements.in --format pylock.toml --output-file pylock.toml ${PLAIN}`.split(
  " ",
);
const NEWEST = `pip compile requirements.in --output-file newest.txt --no-deps ${PLAIN}`.split(" ");
const MAKE = `venv ${VENV} --relocatable --no-project --quiet`.split(" ");
// Copies, so that the environment shares no file with the cache.
const INSTALL = (
  `pip install --python ${VENV}/bin/python --requirements requirements.txt ` +
  "--require-hashes --no-deps --link-mode copy --quiet"
).split(" ");

/** @throws AppError `install-failed`, `no-space`, `interrupted`: each step */
export function pypiSteps(scene: UvScene, wanted: PypiWanted, places: PypiPlaces): PypiSteps {
  const { staging } = scene;
  const { packageSpec, prereleases, allowBuild } = wanted;
  const { run, checkInterrupted } = installRun({ ...places, title: title(packageSpec) });
  const archives = [...WHEELS_ONLY, ...allowBuild.flatMap((name) => ["--no-binary", name])];
  const uv = (args: readonly string[], { home, path }: Interpreter): Promise<InstallerEnd> =>
    run(uvStep(scene, args, [home ?? path]));
  const succeed = async (args: readonly string[], interpreter: Interpreter): Promise<void> => {
    const { exitCode, output } = await uv(args, interpreter);
    if (exitCode !== 0) throw pypiError(packageSpec, output);
  };
  const prerelease = prereleases ? ["--prerelease", "allow"] : [];
  return {
    run,
    checkInterrupted,
    async lock(interpreter, version) {
      await writeRequest(staging, wanted, version);
      const options = ["--python", interpreter.path, ...prerelease, ...archives];
      const { exitCode, output } = await uv([...COMPILE, ...options], interpreter);
      return exitCode === 0 ? readLock(await readFile(join(staging, "pylock.toml"), "utf8")) : { output };
    },
    async newest(interpreter, minor) {
      await writeRequest(staging, { ...wanted, with: [] }, undefined);
      const which = ["--python", interpreter.path, "--python-version", `3.${minor}`];
      const { exitCode, output } = await uv([...NEWEST, ...which, ...prerelease, ...archives], interpreter);
      // 1 says that there is no solution; anything else, that it could not look for one.
      if (exitCode > 1) throw pypiError(packageSpec, output);
      if (exitCode === 1) return undefined;
      const lines = (await readFile(join(staging, "newest.txt"), "utf8")).split("\n");
      const found = lines.map((line) => parseRequirement(line.replace(/\s*;.*$/, "")));
      const own = found.find((each) => normalizeName(each?.name ?? "") === normalizeName(packageSpec.name));
      return own === undefined ? undefined : exactVersion(own.wanted);
    },
    async install(interpreter, requirements) {
      await isolate(staging);
      await writeFile(join(staging, "requirements.txt"), requirements);
      await succeed([...MAKE, "--python", interpreter.path], interpreter);
      await succeed([...INSTALL, ...archives], interpreter);
    },
    async compile(interpreter) {
      // Files that do not compile (templates, code for other versions) are none of our business, so it cannot fail.
      await run(bytecodeStep(staging, interpreter, join(VENV, "lib")));
    },
  };
}

/** NB: without a project of its own, uv takes settings from those in the directories above. */
async function isolate(staging: string): Promise<void> {
  await writeFile(join(staging, "pyproject.toml"), "[tool.uv]\nmanaged = false\n");
}

async function writeRequest(
  staging: string,
  { packageSpec, extras, with: beside }: PypiWanted,
  version: string | undefined,
): Promise<void> {
  const wanted = version === undefined ? packageSpec.wanted : `==${version}`;
  const lines = [requirementText({ name: packageSpec.name, extras, wanted }), ...beside];
  await isolate(staging);
  await writeFile(join(staging, "requirements.in"), `${lines.join("\n")}\n`);
}

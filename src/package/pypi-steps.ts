// The steps of an installation from a Python index, in a staging directory: from a request to a lock, and from a lock
// to a virtual environment with bytecode. uv does the work. Called by pypi.ts and pypi-again.ts.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installRun, type InstallRun } from "./install-run.ts";
import type { StartStep } from "./installer-child.ts";
import { isAboutPython, pypiError, title } from "./pypi-error.ts";
import { type Lock, readLock } from "./pypi-lock.ts";
import { requirementText } from "./pypi-requirement.ts";
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
  /** `about-python`: another interpreter may do; the output says why this one does not. */
  lock(interpreter: Interpreter): Promise<Lock | { readonly aboutPython: string }>;
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

/** @throws AppError `install-failed`, `no-space`, `interrupted`: each step */
export function pypiSteps(scene: UvScene, wanted: PypiWanted, places: PypiPlaces): PypiSteps {
  const { staging } = scene;
  const { packageSpec } = wanted;
  const { run, checkInterrupted } = installRun({ ...places, title: title(packageSpec) });
  const builds = wanted.allowBuild.flatMap((name) => ["--no-binary", name]);
  const uv = (
    args: readonly string[],
    interpreter: Interpreter,
  ): Promise<{ exitCode: number; output: string }> =>
    run(
      uvStep(
        scene,
        [...args, "--quiet"],
        interpreter.home === undefined ? [interpreter.path] : [interpreter.home],
      ),
    );
  const succeed = async (args: readonly string[], interpreter: Interpreter): Promise<void> => {
    const { exitCode, output } = await uv(args, interpreter);
    if (exitCode !== 0) throw pypiError(packageSpec, output);
  };
  return {
    run,
    checkInterrupted,
    async lock(interpreter) {
      await isolate(staging);
      await writeFile(join(staging, "requirements.in"), requirementsIn(wanted));
      const options = [
        "--format",
        "pylock.toml",
        "--output-file",
        "pylock.toml",
        "--python",
        interpreter.path,
      ];
      const prereleases = wanted.prereleases ? ["--prerelease", "allow"] : [];
      const args = [
        "pip",
        "compile",
        "requirements.in",
        ...options,
        ...prereleases,
        ...WHEELS_ONLY,
        ...builds,
      ];
      const { exitCode, output } = await uv([...args, "--no-header", "--no-annotate"], interpreter);
      if (exitCode === 0) return readLock(await readFile(join(staging, "pylock.toml"), "utf8"));
      if (isAboutPython(output)) return { aboutPython: output };
      throw pypiError(packageSpec, output);
    },
    async install(interpreter, requirements) {
      await isolate(staging);
      await writeFile(join(staging, "requirements.txt"), requirements);
      await succeed(
        ["venv", VENV, "--relocatable", "--no-project", "--python", interpreter.path],
        interpreter,
      );
      const into = ["--python", join(VENV, "bin", "python"), "--requirements", "requirements.txt"];
      // Copies, so that the environment shares no file with the cache.
      const options = ["--require-hashes", "--no-deps", "--link-mode", "copy", ...WHEELS_ONLY, ...builds];
      await succeed(["pip", "install", ...into, ...options], interpreter);
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

function requirementsIn(wanted: PypiWanted): string {
  const main = requirementText({ ...wanted.packageSpec, extras: wanted.extras });
  return [main, ...wanted.with, ""].join("\n");
}

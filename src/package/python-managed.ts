// A Python of the vault's own, for hosts that have none that fits: a relocatable build that uv knows by hash, made
// read-only and published in one step. Called by pypi.ts.

import { readdir, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { AppError } from "../errors.ts";
import type { InstallRun } from "./install-run.ts";
import type { InstallStep } from "./installer-child.ts";
import { bytecodeStep } from "./python-bytecode.ts";
import { homeOf, type Interpreter } from "./python-interpreters.ts";
import { seal } from "./seal.ts";
import { publish } from "./staging.ts";
import { type UvScene, uvStep } from "./uv-step.ts";

/** Where nothing newer is needed: the newest that nearly all packages have wheels for. */
export const USUAL_MINOR = 13;

/** Where uv gets them, and where these places send for the files. */
const SOURCES = [
  "releases.astral.sh:443",
  "github.com:443",
  "objects.githubusercontent.com:443",
  "release-assets.githubusercontent.com:443",
];

/** Folders with interpreters that were installed into the vault. */
export async function managedFolders(vaultDirectory: string): Promise<readonly string[]> {
  const tools = join(vaultDirectory, "tools");
  const names = await readdir(tools).catch(() => []);
  return names
    .filter((name) => /^cpython-[\w.+-]+(?<!\.tree)$/.test(name))
    .map((name) => join(tools, name, "bin"));
}

/** What to ask uv for. @param needed such as `>=3.12`, where a package said so */
export function pythonToFetch(wanted: string | undefined, needed: string | undefined): string {
  if (wanted !== undefined) return wanted;
  if (needed === undefined) return `3.${USUAL_MINOR}`;
  const oldest = Number(/>=?3\.(\d+)/.exec(needed)?.[1] ?? 0);
  return needed.includes("<") || oldest > USUAL_MINOR ? needed : `3.${USUAL_MINOR}`;
}

/**
 * Downloads the newest build of `wanted` (a version or a range).
 * @param why the beginning of the sentence where it fails: who needs which Python
 * @throws AppError `install-failed`, `no-space`, `interrupted`
 */
export async function fetchPython(
  scene: UvScene,
  run: InstallRun["run"],
  vaultDirectory: string,
  wanted: string,
  why: string,
): Promise<Interpreter> {
  const into = join(scene.staging, "python");
  const { exitCode, output } = await run(fetchStep(scene, into, wanted));
  if (exitCode !== 0) throw notToBeHad(why, wanted, output);
  const [name] = (await readdir(into)).filter((entry) => /^cpython-3\.\d+\.\d+[+-]/.test(entry));
  const [, version, minor] = /^cpython-(3\.(\d+)\.\d+)/.exec(name ?? "") ?? [];
  if (name === undefined || version === undefined || minor === undefined) throw notToBeHad(why, wanted, "");
  const program = join("bin", `python3.${minor}`);
  const made = { path: join(into, name, program), version, home: undefined };
  await run(bytecodeStep(scene.staging, made, join("python", name, "lib")));
  await seal(join(into, name), program);
  const final = join(vaultDirectory, "tools", basename(name));
  await publish(join(into, name), final);
  const path = await realpath(join(final, program));
  return { path, version, home: homeOf(path) };
}

function fetchStep(scene: UvScene, into: string, wanted: string): InstallStep {
  const step = uvStep(scene, ["python", "install", "--install-dir", into, "--no-bin", wanted], []);
  return {
    ...step,
    env: { ...step.env, UV_PYTHON_DOWNLOADS: "manual" },
    reaches: [...(step.reaches ?? []), ...SOURCES],
  };
}

function notToBeHad(why: string, wanted: string, output: string): AppError {
  const reason = /No download found/.test(output)
    ? "there is no build of it for this host"
    : /error sending request|Failed to download/.test(output)
      ? "its download cannot be reached from here"
      : "its download failed";
  return new AppError(
    "install-failed",
    `${why}, and ${reason}: install Python ${wanted} with the package manager of this host, then try again.`,
  );
}

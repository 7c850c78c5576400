// Installs a package of an npm registry into the vault, once: resolved, downloaded, checked against its hashes, made
// read-only and published in one step. The executable itself, acting as Bun, does the work. Called by `add`.

import { existsSync } from "node:fs";
import { statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError, toAppError } from "../errors.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import { isExactVersion, type PackageSpec } from "./command-line.ts";
import { installError, noSpace, title } from "./install-error.ts";
import { findPinned, readLock, readPinned, vaultPath } from "./installed.ts";
import { runInstaller, type Installer } from "./installer-child.ts";
import type { InstallProgress } from "./launch-command.ts";
import { seal } from "./seal.ts";
import { makeStaging, publish, removeStaging } from "./staging.ts";

const INSTALL_DEADLINE_MS = 10 * 60_000;
/** Below this a failed download is taken for a full disk: Bun does not say so when its cache is full. */
const FULL_DISK_BYTES = 512 * 1024;

// Scripts of packages stay off: an installation runs no code of others. Hoisted and copied: a plain tree that shares
// no file with the cache.
const INSTALL_OPTIONS = [
  "--ignore-scripts",
  "--linker=hoisted",
  "--backend=copyfile",
  "--save-text-lockfile",
  "--no-summary",
  "--no-progress",
];

export interface NpmInstall extends Installer {
  readonly packageSpec: PackageSpec;
  readonly bin: string | undefined;
  /** Wins over the registry of npm's settings. */
  readonly registry?: string | undefined;
  readonly vaultDirectory: string;
  readonly progress: InstallProgress;
  /** Aborting it ends the installation and leaves nothing of it. */
  readonly signal: AbortSignal;
  /** For tests; 10 minutes. */
  readonly deadlineMs?: number;
}

/**
 * The package in the vault. An exact version that is there already costs nothing: no process, no network.
 * @throws AppError `install-failed`, `no-space`, `interrupted`
 */
export async function installNpm(request: NpmInstall): Promise<PinnedPackage> {
  try {
    return (await reuse(request)) ?? (await install(request));
  } catch (thrown) {
    throw thrown instanceof AppError ? thrown : unexpected(thrown, request.packageSpec);
  }
}

async function reuse(request: NpmInstall): Promise<PinnedPackage | undefined> {
  const { packageSpec, bin, registry, vaultDirectory, progress } = request;
  if (!isExactVersion(packageSpec.wanted)) return undefined;
  const known = await findPinned(vaultDirectory, packageSpec, bin, registry);
  if (known !== undefined) progress("installed", `${known.name}@${known.version} is in the vault already`);
  return known;
}

async function install(request: NpmInstall): Promise<PinnedPackage> {
  const staging = await makeStaging(request.vaultDirectory);
  try {
    return await installInto(staging, request);
  } finally {
    await removeStaging(staging);
  }
}

async function installInto(staging: string, request: NpmInstall): Promise<PinnedPackage> {
  const { packageSpec, bin, registry, vaultDirectory, progress } = request;
  const { name, wanted } = packageSpec;
  const deadline = AbortSignal.timeout(request.deadlineMs ?? INSTALL_DEADLINE_MS);
  const run = (args: readonly string[]): Promise<void> => runStep(staging, request, deadline, args);

  progress("resolving", title(packageSpec));
  const root = { name: "toolcrib-vault", private: true, toolcrib: { registry } };
  await writeFile(join(staging, "package.json"), JSON.stringify(root));
  const options = registry === undefined ? INSTALL_OPTIONS : [...INSTALL_OPTIONS, `--registry=${registry}`];
  await run(["add", "--exact", "--lockfile-only", ...options, `${name}@${wanted}`]);
  const { version, hash, packages } = await readLock(staging, name);
  const directory = vaultPath(name, version, hash);
  const final = join(vaultDirectory, directory);

  if (!existsSync(final)) {
    progress("downloading", `${name}@${version}, ${packages} ${packages === 1 ? "package" : "packages"}`);
    await run(["install", "--frozen-lockfile", ...options]);
    const { entry } = await readPinned(staging, directory, name, bin);
    await seal(staging, entry);
    checkInterrupted(request);
    await publish(staging, final);
  }
  const pinned = await readPinned(final, directory, name, bin);
  progress("installed", `${name}@${version}`);
  return pinned;
}

async function runStep(
  staging: string,
  request: NpmInstall,
  deadline: AbortSignal,
  args: readonly string[],
): Promise<void> {
  const end = await runInstaller(request, staging, args, AbortSignal.any([request.signal, deadline]));
  checkInterrupted(request);
  if (end.exitCode === 0) return;
  if (deadline.aborted) {
    const sentence = `${title(request.packageSpec)} took too long to install: try again when the network is faster.`;
    throw new AppError("install-failed", sentence);
  }
  if (await isFull([staging, request.cacheDirectory])) throw noSpace();
  throw installError(request.packageSpec, end.output);
}

function checkInterrupted({ signal, packageSpec }: NpmInstall): void {
  if (!signal.aborted) return;
  const sentence = `The installation of ${title(packageSpec)} was interrupted: nothing of it is left.`;
  throw new AppError("interrupted", sentence);
}

async function isFull(directories: readonly string[]): Promise<boolean> {
  for (const directory of directories) {
    const free = await statfs(directory).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => Infinity,
    );
    if (free < FULL_DISK_BYTES) return true;
  }
  return false;
}

function unexpected(thrown: unknown, packageSpec: PackageSpec): AppError {
  const known = toAppError(thrown);
  if (known.code === "no-space") return noSpace(thrown);
  const sentence = `${title(packageSpec)} could not be installed: ${known.message}`;
  return new AppError("install-failed", sentence, { cause: thrown });
}

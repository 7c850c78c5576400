// The two steps of an installation from an npm registry, in a staging directory: to a lockfile, and from a lockfile to
// files. The executable itself, acting as Bun, does the work. Called by npm.ts, npm-again.ts and newest.ts.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackageSpec } from "./command-line.ts";
import { installError, title } from "./install-error.ts";
import { installRun } from "./install-run.ts";
import { type Installer, installerStep } from "./installer-child.ts";

// Hoisted and copied: a plain tree that shares no file with the cache.
const OPTIONS = [
  "--linker=hoisted",
  "--backend=copyfile",
  "--save-text-lockfile",
  "--no-summary",
  "--no-progress",
];

export interface NpmRequest extends Installer {
  readonly packageSpec: PackageSpec;
  /** Wins over the registry of npm's settings. */
  readonly registry?: string | undefined;
  /** Packages whose scripts somebody has approved; of all others none runs. */
  readonly scripts?: readonly string[] | undefined;
  /** Absolute. */
  readonly vaultDirectory: string;
  /** Aborting it ends the work and leaves nothing of it. */
  readonly signal: AbortSignal;
  /** For tests; 10 minutes. */
  readonly deadlineMs?: number | undefined;
}

export interface NpmSteps {
  /** package.json and bun.lock, with the versions and hashes of everything that the package needs. */
  lock(): Promise<void>;
  /** Downloads what bun.lock says, and checks it against the hashes in there. */
  fetch(): Promise<void>;
  /** @throws AppError `interrupted` */
  checkInterrupted(): void;
}

/** Steps that share one deadline. @throws AppError `install-failed`, `no-space`, `interrupted` */
export function npmSteps(staging: string, request: NpmRequest): NpmSteps {
  const { packageSpec, registry, scripts = [] } = request;
  const { run, checkInterrupted } = installRun({ ...request, title: title(packageSpec) });
  const own = registry === undefined ? OPTIONS : [...OPTIONS, `--registry=${registry}`];
  // An installation runs no code of others, but for those that are named: Bun runs the scripts of these alone.
  const options = scripts.length === 0 ? [...own, "--ignore-scripts"] : own;
  const succeed = async (args: readonly string[]): Promise<void> => {
    const { exitCode, output } = await run(installerStep(request, staging, [...args, ...options]));
    if (exitCode !== 0) throw installError(packageSpec, output);
  };
  return {
    async lock() {
      const approved = scripts.length === 0 ? {} : { trustedDependencies: scripts };
      const root = { name: "toolcrib-vault", private: true, toolcrib: { registry }, ...approved };
      await writeFile(join(staging, "package.json"), JSON.stringify(root));
      // NB: without --no-cache, Bun believes for minutes what it heard of a tag: the newest would not be the newest.
      await succeed([
        "add",
        `${packageSpec.name}@${packageSpec.wanted}`,
        "--exact",
        "--lockfile-only",
        "--no-cache",
      ]);
    },
    fetch: () => succeed(["install", "--frozen-lockfile"]),
    checkInterrupted,
  };
}

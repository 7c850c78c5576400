// The children of one installation, one after the other: they share a deadline and a signal, and a failure that has to
// do with neither the package nor its registry is explained here. Called by what installs packages.

import { statfs } from "node:fs/promises";
import { AppError, toAppError } from "../errors.ts";
import { noSpace } from "./install-error.ts";
import { type InstallerEnd, type InstallStep, runStep, type StartStep } from "./installer-child.ts";

const DEADLINE_MS = 10 * 60_000;
/** Below this a failure is taken for a full disk: installers do not say so when their cache is full. */
const FULL_DISK_BYTES = 512 * 1024;

export interface InstallRunOptions {
  /** What is installed, for a sentence. */
  readonly title: string;
  /** The helper that ends the children with the appliance. */
  readonly launcher: string | undefined;
  /** What starts each child; without one it has all rights of the appliance. */
  readonly start?: StartStep | undefined;
  /** Aborting it ends the work. */
  readonly signal: AbortSignal;
  /** Of the whole work; 10 minutes. */
  readonly deadlineMs?: number | undefined;
}

export interface InstallRun {
  /** Resolves when the child ended by itself, well or not. @throws AppError `install-failed`, `no-space`, `interrupted` */
  run(step: InstallStep): Promise<InstallerEnd>;
  /** @throws AppError `interrupted` */
  checkInterrupted(): void;
}

export function installRun(options: InstallRunOptions): InstallRun {
  const { title, launcher, start, signal } = options;
  const deadline = AbortSignal.timeout(options.deadlineMs ?? DEADLINE_MS);
  const checkInterrupted = (): void => {
    if (!signal.aborted) return;
    throw new AppError("interrupted", `The installation of ${title} was interrupted: nothing of it is left.`);
  };
  return {
    checkInterrupted,
    async run(step) {
      const end = await runStep(step, launcher, AbortSignal.any([signal, deadline]), start);
      checkInterrupted();
      if (end.exitCode === 0) return end;
      if (deadline.aborted) {
        const sentence = `${title} took too long to install: try again when the network is faster.`;
        throw new AppError("install-failed", sentence);
      }
      if (await isFull(step.writes)) throw noSpace();
      return end;
    },
  };
}

/** What nobody foresaw, as the failure of the installation of `title`. */
export function asInstallError(thrown: unknown, title: string): AppError {
  const known = toAppError(thrown);
  if (known.code === "no-space") return noSpace(thrown);
  if (thrown instanceof AppError) return thrown;
  const sentence = `${title} could not be installed: ${known.message}`;
  return new AppError("install-failed", sentence, { cause: thrown });
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

// Asks the kernel what cages can be made of when no appliance runs that knows: by the launcher, at the place that it
// would have, or in a directory that is gone afterwards. Called by doctor.ts.

import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lookAtCgroups } from "../cage/cgroups.ts";
import { hostFacts, type HostFacts } from "../cage/host.ts";
import { installLauncher } from "../cage/launcher.ts";

export interface AskOptions {
  /** Where an appliance of these paths keeps its launcher. */
  readonly launcherDirectory: string;
  readonly uid: number;
  readonly without: readonly string[];
}

/** @throws AppError as installLauncher */
export async function askHost({ launcherDirectory, uid, without }: AskOptions): Promise<HostFacts> {
  const ask = async (directory: string): Promise<HostFacts> => {
    const launcher = await installLauncher(directory);
    return hostFacts({ launcher, limits: lookAtCgroups(), uid, without });
  };
  // NB: a security module may allow things by path; and what another user can write to is not run from here.
  if (isOwn(launcherDirectory, uid)) return ask(launcherDirectory);
  const directory = await mkdtemp(join(tmpdir(), "toolcrib-doctor-"));
  try {
    return await ask(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function isOwn(directory: string, uid: number): boolean {
  const found = statSync(directory, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === uid && (found.mode & 0o022) === 0;
}

// Limits for a whole process tree: a control group for each start of a server. app.ts opens them once, when the data
// directory is locked, and hands them to whoever starts servers.

import { AppError } from "../errors.ts";
import { Group, type Patience } from "./cgroup.ts";
import { type CgroupFiles, kernelFiles } from "./cgroup-files.ts";
import type { Limits } from "./cgroup-controllers.ts";
import { SWITCHED_OFF } from "./host.ts";
import { findSites, noSites, type Sites } from "./cgroup-sites.ts";

export interface CgroupOptions {
  /** Unique for a data directory: groups that are found below this name were left by an earlier appliance. */
  readonly name: string;
  /** Does without, as if the host had none: the setting `cage_without`. */
  readonly off?: boolean;
  readonly files?: CgroupFiles;
  readonly pid?: number;
  readonly signal?: (pid: number) => void;
  readonly patience?: Patience;
}

/** For what the kernel does not let go at once: a process that waits for a disk, for example. */
const DEADLINE_MS = 5_000;
/** Of an earlier appliance; more are left alone. */
const MAX_LEFT = 10_000;
/** Also the length of a file name, less a number. */
const NAME = /^[a-z0-9][a-z0-9_.-]{0,99}$/i;
/** NB: so that no group has the name of a file of the kernel's. */
const PREFIX = "cage-";

/** A name for the appliance that has its data in this directory. */
export function cgroupName(dataDirectory: string): string {
  return `toolcrib-${new Bun.CryptoHasher("sha256").update(dataDirectory).digest("hex").slice(0, 12)}`;
}

/**
 * Moves the appliance into a leaf of its own group where version 2 wants that, and sweeps out what an earlier
 * appliance left: what runs there is killed. Never throws for a host that lacks something: `means` says it.
 */
export async function openCgroups(options: CgroupOptions): Promise<Cgroups> {
  const cgroups = new Cgroups(options);
  await cgroups.sweep();
  return cgroups;
}

/** Looks where groups could be made, and leaves everything as it was: for who is not the appliance. */
export function lookAtCgroups(files: CgroupFiles = kernelFiles): Sites["means"] {
  return findSites({ files, name: `toolcrib-look-${process.pid}`, pid: process.pid, look: true }).means;
}

export class Cgroups {
  /** With what each resource is limited here, or why with nothing. */
  readonly means: Sites["means"];
  readonly #sites: Sites["sites"];
  readonly #options: Required<CgroupOptions>;
  /** In the names of groups: one that is still on its way out is not in the way of the next. */
  #made = 0;

  constructor(options: CgroupOptions) {
    if (!NAME.test(options.name)) throw new AppError("internal", `Not the name of a group: ${options.name}`);
    this.#options = {
      off: false,
      files: kernelFiles,
      pid: process.pid,
      signal: kill,
      patience: { deadlineMs: DEADLINE_MS, sleep: Bun.sleep, now: () => performance.now() },
      ...options,
    };
    const { off } = this.#options;
    ({ sites: this.#sites, means: this.means } = off ? noSites(SWITCHED_OFF) : findSites(this.#options));
  }

  /**
   * A new group with these limits, as far as this host has them (`means`).
   * @param id of the server, for whoever looks at the host
   * @throws AppError `start-failed` where a limit that this host has was refused now
   */
  create(id: string, limits: Limits): Group {
    if (!NAME.test(id)) throw new AppError("internal", `Not the name of a group: ${id}`);
    const group = this.#group(`${PREFIX}${id}-${++this.#made}`);
    const problem = group.make(limits);
    if (problem === undefined) return group;
    // Empty as it is, it goes at once or not at all.
    void group.remove();
    throw new AppError("start-failed", `The control group of ${id} is not as it should be: ${problem}.`);
  }

  /** Kills and removes every group, and says how many could not be. */
  async sweep(): Promise<{ readonly removed: number; readonly stuck: number }> {
    const names = new Set(this.#sites.flatMap(({ directory }) => this.#options.files.directories(directory)));
    const groups = [...names].slice(0, MAX_LEFT).map((name) => this.#group(name));
    const gone = await Promise.all(groups.map(async (group) => (await group.kill()) && group.remove()));
    const removed = gone.filter((isGone) => isGone).length;
    return { removed, stuck: groups.length - removed };
  }

  /** Leaves nothing behind. To be called when no server runs any more; what still runs is killed. */
  async close(): Promise<void> {
    await this.sweep();
    for (const { directory } of this.#sites) this.#options.files.removeDirectory(directory);
  }

  #group(name: string): Group {
    return new Group({ ...this.#options, sites: this.#sites, name });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already, or belongs to somebody else: whoever waits for an empty group finds out.
  }
}

// How each version of control groups spells its limits and figures: one table. A function gets the directory of a
// group; what it writes it can also read back. Called by cgroup.ts and cgroup-sites.ts.

import { dirname, join } from "node:path";
import type { CgroupFiles } from "./cgroup-files.ts";

export const RESOURCES = ["memory", "pids", "cpu"] as const;
export type Resource = (typeof RESOURCES)[number];

export interface Limits {
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
  /** Processors' worth of time. */
  readonly cpus: number;
}

export interface Controller {
  /** Undefined when all of it was taken, else the code of what was refused. */
  readonly limit: (files: CgroupFiles, directory: string, limits: Limits) => string | undefined;
  /** The limit in force, in the unit of Limits; undefined for none. */
  readonly limitOf: (files: CgroupFiles, directory: string) => number | undefined;
}

const PERIOD_US = 100_000;

const pids: Controller = {
  limit: (files, directory, { processes }) => files.write(join(directory, "pids.max"), String(processes)),
  limitOf: (files, directory) => numberIn(files, directory, "pids.max"),
};

export const CONTROLLERS: Readonly<Record<1 | 2, Readonly<Record<Resource, Controller>>>> = {
  1: {
    memory: {
      limit(files, directory, { memoryBytes }) {
        const refused = files.write(join(directory, "memory.limit_in_bytes"), String(memoryBytes));
        if (refused !== undefined) return refused;
        return optional(files, join(directory, "memory.memsw.limit_in_bytes"), String(memoryBytes));
      },
      limitOf(files, directory) {
        const bytes = numberIn(files, directory, "memory.limit_in_bytes");
        // No limit is the largest number of whole pages.
        return bytes === undefined || bytes > Number.MAX_SAFE_INTEGER ? undefined : bytes;
      },
    },
    pids,
    cpu: {
      limit(files, directory, { cpus }) {
        const quota = Math.floor(Math.min(cpus, allowedAbove(files, directory)) * PERIOD_US);
        return (
          files.write(join(directory, "cpu.cfs_period_us"), String(PERIOD_US)) ??
          files.write(join(directory, "cpu.cfs_quota_us"), String(quota))
        );
      },
      limitOf: cpusOfVersion1,
    },
  },
  2: {
    memory: {
      limit(files, directory, { memoryBytes }) {
        const refused = files.write(join(directory, "memory.max"), String(memoryBytes));
        if (refused !== undefined) return refused;
        // What does not fit ends it: swapping a server out would slow the whole host down instead. And it ends as a
        // whole, because what is left after the loss of one process rarely works.
        return (
          optional(files, join(directory, "memory.swap.max"), "0") ??
          optional(files, join(directory, "memory.oom.group"), "1")
        );
      },
      limitOf: (files, directory) => numberIn(files, directory, "memory.max"),
    },
    pids,
    cpu: {
      limit: (files, directory, { cpus }) =>
        files.write(join(directory, "cpu.max"), `${Math.floor(cpus * PERIOD_US)} ${PERIOD_US}`),
      limitOf(files, directory) {
        const [quota, period] = (files.read(join(directory, "cpu.max")) ?? "").split(" ").map(Number);
        return positive((quota ?? Number.NaN) / (period ?? Number.NaN));
      },
    },
  },
};

/** What a whole group uses; undefined where nobody counts it. */
export interface Usage {
  /** Without what the kernel would give back first (files that were read and are not in use). */
  readonly memoryBytes: number | undefined;
  readonly memoryPeakBytes: number | undefined;
  /** Processes and threads. */
  readonly processes: number | undefined;
  readonly cpuSeconds: number | undefined;
}

type Figure = (files: CgroupFiles, directory: string) => number | undefined;

/** A group has a directory in each of several hierarchies: a figure is asked of all of them, and one of them has it. */
export const FIGURES: Readonly<Record<keyof Usage | "oomKills", readonly Figure[]>> = {
  memoryBytes: [
    (files, directory) => workingSet(files, directory, "memory.current", "inactive_file"),
    (files, directory) => workingSet(files, directory, "memory.usage_in_bytes", "total_inactive_file"),
  ],
  memoryPeakBytes: [
    (files, directory) => numberIn(files, directory, "memory.peak"),
    (files, directory) => numberIn(files, directory, "memory.max_usage_in_bytes"),
  ],
  processes: [(files, directory) => numberIn(files, directory, "pids.current")],
  cpuSeconds: [
    (files, directory) => scaled(entryIn(files, directory, "cpu.stat", "usage_usec"), 1e6),
    (files, directory) => scaled(numberIn(files, directory, "cpuacct.usage"), 1e9),
  ],
  oomKills: [
    (files, directory) => entryIn(files, directory, "memory.events", "oom_kill"),
    (files, directory) => entryIn(files, directory, "memory.oom_control", "oom_kill"),
  ],
};

/** A file that not every kernel has. */
function optional(files: CgroupFiles, path: string, text: string): string | undefined {
  const refused = files.write(path, text);
  return refused === "ENOENT" ? undefined : refused;
}

/** Version 1 refuses a share that is larger than that of a group above; outside of the hierarchy there is no such file. */
function allowedAbove(files: CgroupFiles, directory: string): number {
  let least = Number.POSITIVE_INFINITY;
  for (
    let above = dirname(directory);
    files.read(join(above, "cpu.cfs_quota_us")) !== undefined;
    above = dirname(above)
  ) {
    least = Math.min(least, cpusOfVersion1(files, above) ?? least);
  }
  return least;
}

function cpusOfVersion1(files: CgroupFiles, directory: string): number | undefined {
  const quota = numberIn(files, directory, "cpu.cfs_quota_us") ?? Number.NaN;
  const period = numberIn(files, directory, "cpu.cfs_period_us") ?? Number.NaN;
  return positive(quota / period);
}

function workingSet(files: CgroupFiles, directory: string, total: string, idle: string): number | undefined {
  const bytes = numberIn(files, directory, total);
  if (bytes === undefined) return undefined;
  return Math.max(0, bytes - (entryIn(files, directory, "memory.stat", idle) ?? 0));
}

/** Undefined for `max` too. */
function numberIn(files: CgroupFiles, directory: string, file: string): number | undefined {
  const text = files.read(join(directory, file))?.trim();
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text);
}

/** Of a file with a name and a number on each line. */
function entryIn(files: CgroupFiles, directory: string, file: string, name: string): number | undefined {
  for (const line of (files.read(join(directory, file)) ?? "").split("\n")) {
    const [key, value] = line.split(" ");
    if (key === name && value !== undefined) return Number(value);
  }
  return undefined;
}

function scaled(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value / by;
}

function positive(value: number): number | undefined {
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

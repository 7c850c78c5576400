// What stands in where a resource has no control group: limits that the kernel keeps for one process or one user. They
// are weaker, and each comes with the words that the report has for it. Pure; called when a start is prepared.

import type { Limits, Resource } from "./cgroup-controllers.ts";
import type { Sites } from "./cgroup-sites.ts";
import type { Identity, ResourceLimit } from "./launch-plan.ts";

export interface Fallback {
  /** For LaunchPlan.rlimits: also those that every server has. */
  readonly rlimits: readonly ResourceLimit[];
  /** Of each resource without a control group: what is limited instead, and how far that goes. */
  readonly instead: Readonly<Partial<Record<Resource, Instead>>>;
}

export interface Instead {
  /** `rlimit` or `none`. */
  readonly mechanism: "rlimit" | "none";
  /** Bytes or processes; undefined for none. */
  readonly limit: number | undefined;
  readonly enforced: "yes" | "partial" | "no";
  /** What is not enforced, literally; undefined for `yes`. */
  readonly missing: string | undefined;
}

/** Also what the appliance's own unit allows; a runtime that watches files needs many. */
const OPEN_FILES = 65_536;
/** NB: Bun counts some 300 MiB of what it reserves before its first line, and ends in a crash when it gets less. */
const LEAST_DATA_BYTES = 512 * 1024 ** 2;

/** @param means of the host, as Cgroups.means */
export function rlimitsFor(limits: Limits, means: Sites["means"], identity: Identity["kind"]): Fallback {
  const always: readonly ResourceLimit[] = [
    { resource: "core", value: 0 },
    { resource: "files", value: OPEN_FILES },
  ];
  const memory = means.memory.mechanism === undefined ? dataLimit(limits.memoryBytes) : undefined;
  const pids = means.pids.mechanism === undefined ? processLimit(limits.processes, identity) : undefined;
  const cpu = means.cpu.mechanism === undefined ? NO_CPU_LIMIT : undefined;
  return {
    rlimits: [
      ...always,
      ...(memory?.limit === undefined ? [] : [{ resource: "data" as const, value: memory.limit }]),
      ...(pids?.limit === undefined ? [] : [{ resource: "processes" as const, value: pids.limit }]),
    ],
    instead: { ...(memory && { memory }), ...(pids && { pids }), ...(cpu && { cpu }) },
  };
}

const NO_CPU_LIMIT: Instead = {
  mechanism: "none",
  limit: undefined,
  enforced: "no",
  missing: "no limit of processor time",
};

function dataLimit(memoryBytes: number): Instead {
  const limit = Math.max(memoryBytes, LEAST_DATA_BYTES);
  const raised = limit === memoryBytes ? "" : `, and ${limit / 1024 ** 2} MiB is the least`;
  return {
    mechanism: "rlimit",
    limit,
    enforced: "partial",
    missing: `memory limit per process, not per tree${raised}`,
  };
}

/**
 * The kernel counts the processes of a user, and since Linux 5.14 those in a user name space by themselves. With the
 * appliance's own user, all other processes of that user would count as well.
 */
function processLimit(processes: number, identity: Identity["kind"]): Instead {
  if (identity === "appliance") {
    return {
      mechanism: "none",
      limit: undefined,
      enforced: "no",
      missing: "no limit of processes: the server runs as the appliance's user",
    };
  }
  return { mechanism: "rlimit", limit: processes, enforced: "yes", missing: undefined };
}

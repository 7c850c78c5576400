// What a process and all below it take, read from /proc: for hosts without control groups, and servers without a cage.
// It costs a few files a process, so it is bounded; a tree that is larger counts as far as it was read.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface TreeUsage {
  /** Resident, without what is shared with files. */
  readonly memoryBytes: number;
  /** Threads count. */
  readonly processes: number;
  readonly cpuSeconds: number;
}

const MAX_PROCESSES = 256;
const PAGE_BYTES = 4096;
const TICKS_PER_SECOND = 100;

/** Undefined when the process is gone. */
export function processUsage(pid: number, proc = "/proc"): TreeUsage | undefined {
  const pids = [pid];
  let total: TreeUsage | undefined;
  // The list grows while it is read.
  for (const each of pids) {
    const own = ownUsage(join(proc, String(each)));
    if (own === undefined) continue;
    total = total === undefined ? own : sum(total, own);
    if (pids.length < MAX_PROCESSES)
      pids.push(...childrenOf(each, proc).slice(0, MAX_PROCESSES - pids.length));
  }
  return total;
}

/** Of its first thread, which is where runtimes start processes; those of others are found one level further up. */
export function childrenOf(pid: number, proc = "/proc"): readonly number[] {
  const text = read(join(proc, String(pid), "task", String(pid), "children")) ?? "";
  return text
    .split(" ")
    .map(Number)
    .filter((child) => child > 0);
}

function ownUsage(directory: string): TreeUsage | undefined {
  const stat = read(join(directory, "stat"));
  const [, resident = 0, shared = 0] = (read(join(directory, "statm")) ?? "").split(" ").map(Number);
  if (stat === undefined) return undefined;
  // NB: a process names itself, brackets and blanks included: what counts comes after the last bracket.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [user = 0, system = 0, threads = 1] = [fields[11], fields[12], fields[17]];
  return {
    memoryBytes: (resident - shared) * PAGE_BYTES,
    processes: threads,
    cpuSeconds: (user + system) / TICKS_PER_SECOND,
  };
}

function sum(a: TreeUsage, b: TreeUsage): TreeUsage {
  return {
    memoryBytes: a.memoryBytes + b.memoryBytes,
    processes: a.processes + b.processes,
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

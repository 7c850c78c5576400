// What the kernel says about one process: CPU time used and resident memory. Linux only.

import { readFileSync } from "node:fs";

/** The unit of /proc/PID/stat on every Linux that Bun runs on. */
const TICK_MS = 10;

/** User and system time of the process and its threads, without its children. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold spaces: fields are counted from behind it, where the state is field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export function residentMb(pid: number): number {
  return statusKib(pid, "VmRSS") / 1024;
}

/** A figure of /proc/PID/status: `VmRSS`, or `RssAnon`, which leaves the pages of programs out. */
export function statusKib(pid: number, name: "VmRSS" | "RssAnon"): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
}

/** The lowest resident memory within `forMs`: an allocator gives back late. */
export function settledMb(pid: number, forMs: number): Promise<number> {
  return lowest(() => residentMb(pid), forMs);
}

export async function lowest(figure: () => number, forMs: number): Promise<number> {
  let least = figure();
  for (const end = performance.now() + forMs; performance.now() < end;) {
    await Bun.sleep(100);
    least = Math.min(least, figure());
  }
  return least;
}

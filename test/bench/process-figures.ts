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
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

/** The lowest resident memory within `forMs`: an allocator gives back late. */
export async function settledMb(pid: number, forMs: number): Promise<number> {
  let lowest = residentMb(pid);
  for (const end = performance.now() + forMs; performance.now() < end;) {
    await Bun.sleep(100);
    lowest = Math.min(lowest, residentMb(pid));
  }
  return lowest;
}

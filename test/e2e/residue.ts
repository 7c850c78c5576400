// What an appliance that runs no server still holds: processes, control groups, mounts, descriptors, memory. Taken
// before and after a lot of work, the two are compared.

import { readdir, readFile, readlink } from "node:fs/promises";
import type { Crib } from "./appliance.ts";
import { groupsOf, listOf, mountsOf, processesOf } from "./processes.ts";

export interface Residue {
  /** Beside the appliance itself, in words. */
  readonly processes: string;
  /** Ended, and not buried. */
  readonly zombies: readonly number[];
  readonly groups: readonly string[];
  readonly mounts: readonly string[];
  /** What its descriptors lead to, sorted; of sockets and the like only what they are. */
  readonly descriptors: readonly string[];
  readonly threads: number;
  /**
   * What it has written to, in KiB. NB: not VmRSS, which also counts the pages of the executable: those grow with
   * every path of the program that is taken for the first time, and cost nothing.
   */
  readonly anonymousKib: number;
}

export async function residueOf({ directory }: Crib, pid: number): Promise<Residue> {
  const others = (await processesOf(directory)).filter((process) => process.pid !== pid);
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  const figure = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    processes: listOf(others),
    zombies: await childrenOf(pid),
    groups: await groupsOf(directory),
    mounts: await mountsOf(directory),
    descriptors: await descriptorsOf(pid),
    threads: figure("Threads"),
    anonymousKib: figure("RssAnon") + figure("RssShmem"),
  };
}

/** Of each of its threads: a process may start its children from any. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = threads.map((thread) =>
    readFile(`/proc/${pid}/task/${thread}/children`, "latin1").catch(() => ""),
  );
  return (await Promise.all(lists)).flatMap((list) => list.split(" ").filter(Boolean).map(Number));
}

async function descriptorsOf(pid: number): Promise<readonly string[]> {
  const numbers = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    numbers.map((number) => readlink(`/proc/${pid}/fd/${number}`).catch(() => "")),
  );
  return targets
    .filter((target) => target !== "")
    .map((target) => target.replace(/:\[\d+\]$/, ""))
    .toSorted();
}

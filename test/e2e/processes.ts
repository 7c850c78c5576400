// What runs on this host because of one test, found in /proc from outside, whatever cage it is in. A process of the
// test names its directory (in its arguments, environment, working directory, program or mounts), is in a control
// group of its appliance, or is below one that does: each of these is looked for by itself, because a process can
// hide from any of them.

import { existsSync } from "node:fs";
import { readdir, readFile, readlink, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { cgroupName } from "../../src/cage/cgroups.ts";
import { until } from "./wait.ts";

/** What gave a process away. */
export type Trace = "arguments" | "environment" | "directory" | "program" | "mounts" | "group" | "parent";

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** In ticks since the host began: with the number, of this process alone. */
  readonly began: number;
  /** Its arguments; in brackets its name, where it hides them. */
  readonly command: string;
  readonly traces: readonly Trace[];
}

type Found = Omit<Process, "traces"> & { readonly own: readonly Trace[] };

/** Below it appliances of tests make their control groups. */
const GROUPS = "/sys/fs/cgroup";
/** As deep as the groups of an appliance lie below that, in a container of a unit of a user. */
const MAX_GROUP_DEPTH = 12;

/** Processes of the test in `directory`, without this one. Those that ended but are not yet buried do not count. */
export async function processesOf(directory: string): Promise<readonly Process[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const group = groupOf(directory);
  const ownMounts = await link(process.pid, "ns/mnt");
  const all = (await Promise.all(pids.map((pid) => look(pid, { directory, group, ownMounts })))).filter(
    isThere,
  );
  const known = new Map(all.filter(({ own }) => own.length > 0).map((found) => [found.pid, found]));
  for (let before = 0; before !== known.size;) {
    before = known.size;
    for (const found of all) if (known.has(found.parent)) known.set(found.pid, found);
  }
  return [...known.values()].map(({ pid, parent, began, command, own }) => {
    const traces: readonly Trace[] = known.has(parent) ? [...own, "parent"] : own;
    return { pid, parent, began, command, traces };
  });
}

/**
 * Waits until nothing of the test in `directory` runs, and none of `known`: processes that were found earlier, and
 * may since have lost every trace. The error lists those that stayed.
 */
export async function nothingLeft(
  directory: string,
  timeoutMs = 15_000,
  known: readonly Process[] = [],
): Promise<void> {
  let left: readonly Process[] = [];
  const isEmpty = async (): Promise<boolean> => {
    left = [...(await processesOf(directory)), ...(await stillThere(known))];
    return left.length === 0;
  };
  try {
    // Twice: what forks and ends just then slips through one look.
    await until("every process has ended", async () => (await isEmpty()) && isEmpty(), timeoutMs);
  } catch (error) {
    throw new Error(`left running after ${timeoutMs} ms:\n${listOf(left)}`, { cause: error });
  }
}

/** Those of `known` that run: another process that got the number of one does not count. */
export async function stillThere(known: readonly Process[]): Promise<readonly Process[]> {
  const now = await Promise.all(known.map(({ pid }) => statOf(pid)));
  return known.filter(({ began }, index) => now[index]?.began === began);
}

/** A line for each, for errors. */
export function listOf(processes: readonly Process[]): string {
  return processes
    .map(({ pid, parent, command, traces }) => `  ${pid} below ${parent}: ${command} (${traces.join(", ")})`)
    .join("\n");
}

/** The processes below `pid`, without it. */
export function below(pid: number, processes: readonly Process[]): readonly Process[] {
  const children = processes.filter(({ parent }) => parent === pid);
  return children.flatMap((child) => [child, ...below(child.pid, processes)]);
}

/**
 * Ends what a test left, so that the next one starts clean, and takes away the control groups of an appliance that was
 * killed: nobody else would. Only what belongs to the test in `directory`.
 */
export async function endAll(directory: string): Promise<void> {
  for (const { pid } of await processesOf(directory)) signal(pid, "SIGKILL");
  await until(
    "the control groups are gone",
    async () => {
      const homes = await groupHomes(directory);
      for (const group of [...(await groupsOf(directory, homes)), ...homes]) {
        // NB: one that holds a process, or another group, stays for the moment.
        await rmdir(group).catch(() => undefined);
      }
      return homes.length === 0;
    },
    5_000,
  );
}

/**
 * Control groups of servers that the appliance in `directory` made, and that are there now. Where they are is worth
 * keeping for who asks often: to find out reads all groups of the host.
 */
export async function groupsOf(directory: string, homes?: readonly string[]): Promise<readonly string[]> {
  return (await Promise.all((homes ?? (await groupHomes(directory))).map(directoriesIn))).flat();
}

/** In each hierarchy the group that holds those of the servers. */
export async function groupHomes(directory: string): Promise<readonly string[]> {
  return existsSync(GROUPS) ? foundBelow(GROUPS, groupOf(directory), MAX_GROUP_DEPTH) : [];
}

/** Mounts of this host, outside of all cages, at or of something in `directory`. */
export async function mountsOf(directory: string): Promise<readonly string[]> {
  return (await text("/proc/self/mountinfo")).split("\n").filter((line) => line.includes(directory));
}

/** Whether `pid` runs; a zombie does not. */
export async function runs(pid: number): Promise<boolean> {
  return (await statOf(pid)) !== undefined;
}

/** Sends a signal; a process that is already gone is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Resident memory in kibibytes; 0 for a process that is gone. */
export async function residentKib(pid: number): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(await text(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** As the appliance names the group that holds those of its servers. */
function groupOf(directory: string): string {
  return cgroupName(join(directory, "home", "data"));
}

interface Wanted {
  readonly directory: string;
  readonly group: string;
  /** The namespace of this process. */
  readonly ownMounts: string;
}

/** Undefined for what is gone, or nearly. */
async function look(pid: number, { directory, group, ownMounts }: Wanted): Promise<Found | undefined> {
  const stat = await statOf(pid);
  if (stat === undefined) return undefined;
  const words = await text(`/proc/${pid}/cmdline`);
  // Whoever lives in the same namespace sees what a test mounted, and has nothing to do with it.
  const mounts = (await link(pid, "ns/mnt")) === ownMounts ? "" : await text(`/proc/${pid}/mountinfo`);
  const places: readonly (readonly [Trace, string, string])[] = [
    ["arguments", words, directory],
    ["environment", await text(`/proc/${pid}/environ`), directory],
    ["directory", await link(pid, "cwd"), directory],
    ["program", await link(pid, "exe"), directory],
    ["mounts", mounts, directory],
    ["group", await text(`/proc/${pid}/cgroup`), group],
  ];
  return {
    pid,
    ...stat,
    command: words.replaceAll("\0", " ").trim() || `[${stat.name}]`,
    own: places.flatMap(([trace, where, what]) => (where.includes(what) ? [trace] : [])),
  };
}

/** Undefined when it does not run. */
async function statOf(pid: number): Promise<{ name: string; parent: number; began: number } | undefined> {
  const stat = await text(`/proc/${pid}/stat`);
  // NB: a process names itself, brackets and blanks included: what counts comes after the last bracket.
  const end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  if (end < 0 || /^[ZX]/.test(fields[0] ?? "")) return undefined;
  return {
    name: stat.slice(stat.indexOf("(") + 1, end),
    parent: Number(fields[1]),
    began: Number(fields[19]),
  };
}

function isThere(found: Found | undefined): found is Found {
  return found !== undefined;
}

async function foundBelow(directory: string, name: string, depth: number): Promise<readonly string[]> {
  const inside = await directoriesIn(directory);
  const deeper =
    depth === 0 ? [] : await Promise.all(inside.map((each) => foundBelow(each, name, depth - 1)));
  return [...inside.filter((each) => each.endsWith(`/${name}`)), ...deeper.flat()];
}

/** Of groups that come and go: one that is gone by now has none. */
async function directoriesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
}

async function link(pid: number, name: string): Promise<string> {
  return readlink(`/proc/${pid}/${name}`).catch(() => "");
}

async function text(path: string): Promise<string> {
  return readFile(path, "latin1").catch(() => "");
}

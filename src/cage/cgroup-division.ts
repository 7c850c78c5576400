// What version 2 of control groups demands before a group can be divided: its processes go into a leaf, and each
// controller is switched on for what is below. See cgroups(7), "no internal processes". Called by cgroup-sites.ts.

import { basename, dirname, join } from "node:path";
import type { CgroupFiles } from "./cgroup-files.ts";
import { wordsOf } from "./cgroup-mounts.ts";

/** Where the appliance itself goes. */
const LEAF = "appliance";

/** The group that can be divided: the appliance may be in its leaf already, put there by whoever started it. */
export function dividedBy(own: string): string {
  return basename(own) === LEAF ? dirname(own) : own;
}

export function isOn(files: CgroupFiles, group: string, controller: string): boolean {
  return wordsOf(files.read(join(group, "cgroup.subtree_control")) ?? "").includes(controller);
}

/** NB: one at a time: a refused one takes those of the same line with it. Whether it is on is to be looked at. */
export function switchOn(files: CgroupFiles, group: string, controller: string): void {
  if (!isOn(files, group, controller)) files.write(join(group, "cgroup.subtree_control"), `+${controller}`);
}

/** Of the processes in `group`, those that are not the appliance: they stand against a division. */
export function othersIn(files: CgroupFiles, group: string, own: number): readonly number[] {
  if (isRoot(files, group)) return [];
  return processesIn(files, group).filter((pid) => pid !== own);
}

/** Takes the appliance, which may be the only process in `group`, out of it. Answers what was refused. */
export function moveToLeaf(files: CgroupFiles, group: string, own: number): string | undefined {
  if (isRoot(files, group) || processesIn(files, group).length === 0) return undefined;
  const leaf = join(group, LEAF);
  const refused = files.makeDirectory(leaf);
  if (refused !== undefined && refused !== "EEXIST") return refused;
  return files.write(join(leaf, "cgroup.procs"), String(own));
}

/** Only the root of all groups may hold processes and be divided; it alone has no type. */
function isRoot(files: CgroupFiles, group: string): boolean {
  return !files.exists(join(group, "cgroup.type"));
}

function processesIn(files: CgroupFiles, group: string): readonly number[] {
  return wordsOf(files.read(join(group, "cgroup.procs")) ?? "").map(Number);
}

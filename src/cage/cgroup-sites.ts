// Finds for each resource where groups can be made below the appliance's own, and believes only what it has tried:
// a group is made, limited, read back and removed. Called by cgroups.ts at start, and by doctor.ts for a look that
// leaves everything as it was.

import { join } from "node:path";
import { dividedBy, isOn, moveToLeaf, othersIn, switchOn } from "./cgroup-division.ts";
import type { CgroupFiles } from "./cgroup-files.ts";
import { CONTROLLERS, type Limits, RESOURCES, type Resource } from "./cgroup-controllers.ts";
import { hierarchies, type Hierarchy, wordsOf } from "./cgroup-mounts.ts";

/** A hierarchy in which every server gets a group. */
export interface Site {
  readonly version: 1 | 2;
  /** Holds the groups of this appliance and nothing else. */
  readonly directory: string;
  /** What is limited here. None where groups only count, or only end what is in them. */
  readonly resources: readonly Resource[];
}

/** With what a resource is limited; where with nothing, why. */
export type Means =
  | { readonly mechanism: "cgroup v1" | "cgroup v2"; readonly because: undefined }
  | { readonly mechanism: undefined; readonly because: string };

export interface Sites {
  readonly sites: readonly Site[];
  readonly means: Readonly<Record<Resource, Means>>;
}

export interface SiteOptions {
  readonly files: CgroupFiles;
  /** Name of the directory that holds the groups of this appliance. */
  readonly name: string;
  /** Of the appliance. */
  readonly pid: number;
  /** Moves no process and switches no controller on: what would need that counts as possible where it is allowed. */
  readonly look?: boolean;
}

const TRIAL = "trial";
const TRIAL_LIMITS: Limits = { memoryBytes: 64 * 1024 ** 2, processes: 16, cpus: 0.5 };

type Attempt = Readonly<Partial<Record<Resource, Means>>>;

export function findSites(options: SiteOptions): Sites {
  const seen = hierarchies(options.files);
  const found = seen
    .filter(
      ({ version, controllers }) => version === 2 || limited(controllers).length > 0 || counts(controllers),
    )
    .map((hierarchy) => openSite(hierarchy, options));
  const attempts = found.map(({ attempt }) => attempt);
  return {
    sites: found.flatMap(({ site }) => (site === undefined ? [] : [site])),
    means: {
      memory: best("memory", attempts),
      pids: best("pids", attempts),
      cpu: best("cpu", attempts),
    },
  };
}

/** For who does without. */
export function noSites(because: string): Sites {
  return { sites: [], means: { memory: refused(because), pids: refused(because), cpu: refused(because) } };
}

function best(resource: Resource, attempts: readonly Attempt[]): Means {
  const found = attempts.flatMap((attempt) => attempt[resource] ?? []);
  const absent = `no control group that can be seen from here has the controller "${resource}"`;
  return found.find(({ mechanism }) => mechanism !== undefined) ?? found[0] ?? refused(absent);
}

function refused(because: string): Means {
  return { mechanism: undefined, because };
}

function limited(controllers: readonly string[]): readonly Resource[] {
  return RESOURCES.filter((resource) => controllers.includes(resource));
}

function counts(controllers: readonly string[]): boolean {
  return controllers.includes("cpuacct");
}

interface Opened {
  readonly site: Site | undefined;
  readonly attempt: Attempt;
}

function openSite(hierarchy: Hierarchy, options: SiteOptions): Opened {
  const { files, name, look = false } = options;
  const { version, own } = hierarchy;
  const base = version === 2 ? dividedBy(own) : own;
  const given =
    base === own ? hierarchy.controllers : wordsOf(files.read(join(base, "cgroup.controllers")) ?? "");
  const resources = limited(given);
  const directory = join(base, name);
  const trial = join(directory, TRIAL);

  const code =
    made(files, directory) ?? made(files, trial) ?? (isClosed(files, version, base) ? "EACCES" : undefined);
  const obstacle = code === undefined ? divide(hierarchy, base, resources, options) : reason(code, hierarchy);
  const attempt = Object.fromEntries(
    resources.map((resource) => [resource, obstacle === undefined ? attemptOf(resource) : refused(obstacle)]),
  );
  files.removeDirectory(trial);
  // Not where it holds what an earlier appliance left.
  if (look || code !== undefined) files.removeDirectory(directory);
  if (code !== undefined) return { site: undefined, attempt };
  const works = resources.filter((resource) => attempt[resource]?.mechanism !== undefined);
  return { site: { version, directory, resources: works }, attempt };

  function attemptOf(resource: Resource): Means {
    if (version === 1) return tried(resource, trial, hierarchy, files);
    if (look && !isOn(files, base, resource)) return { mechanism: "cgroup v2", because: undefined };
    switchOn(files, base, resource);
    switchOn(files, directory, resource);
    return tried(resource, trial, hierarchy, files);
  }
}

/** Version 2 lets a process into a group below only who may write to the group that both are in. */
function isClosed(files: CgroupFiles, version: 1 | 2, base: string): boolean {
  return version === 2 && !files.isWritable(join(base, "cgroup.procs"));
}

/** Answers what stands against it, as the end of a sentence. */
function divide(
  hierarchy: Hierarchy,
  base: string,
  resources: readonly Resource[],
  { files, pid, look = false }: SiteOptions,
): string | undefined {
  if (hierarchy.version === 1 || resources.every((resource) => isOn(files, base, resource))) return undefined;
  const others = othersIn(files, base, pid);
  if (others.length > 0) {
    return `the group ${hierarchy.group} holds other processes beside this one (${others.slice(0, 3).join(", ")})`;
  }
  const code = look ? undefined : moveToLeaf(files, base, pid);
  return code === undefined ? undefined : reason(code, hierarchy);
}

function tried(resource: Resource, group: string, hierarchy: Hierarchy, files: CgroupFiles): Means {
  const controller = CONTROLLERS[hierarchy.version][resource];
  const code = controller.limit(files, group, TRIAL_LIMITS);
  if (code !== undefined) return refused(reason(code, hierarchy));
  // A group above may allow less than what is tried.
  const found = controller.limitOf(files, group);
  if (found !== undefined && found <= limitFor(resource, TRIAL_LIMITS))
    return { mechanism: `cgroup v${hierarchy.version}`, because: undefined };
  return refused(`the limit of ${resource} that was written to ${group} is not in force`);
}

/** In the unit that `limitOf` answers in. */
function limitFor(resource: Resource, { memoryBytes, processes, cpus }: Limits): number {
  return { memory: memoryBytes, pids: processes, cpu: cpus }[resource];
}

function made(files: CgroupFiles, directory: string): string | undefined {
  const code = files.makeDirectory(directory);
  return code === "EEXIST" ? undefined : code;
}

function reason(code: string, { group, own, version }: Hierarchy): string {
  if (code === "EROFS") return `${own} is mounted read-only`;
  if (code === "EACCES" || code === "EPERM") return `the group ${group} was not given to this user`;
  return `the kernel refuses to divide the group ${group} of version ${version} (${code})`;
}

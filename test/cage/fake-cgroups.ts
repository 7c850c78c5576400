// A kernel's control groups in memory, with the rules that matter: what a group is made with, who may divide it, when
// it can be removed. As cgroups(7) has them; cgroups.test.ts holds the real kernel to the same expectations.

import { basename, dirname, join } from "node:path";
import type { CgroupFiles } from "../../src/cage/cgroup-files.ts";

interface FakeGroup {
  readonly version: 1 | 2;
  /** Of the topmost group and of all of version 1; below, version 2 gives what is switched on above. */
  readonly controllers: readonly string[] | undefined;
  readonly subtree: Set<string>;
  processes: number[];
  /** What was written. */
  readonly values: Map<string, string>;
  /** May the appliance make groups below and write here? */
  readonly ours: boolean;
}

const FILES: Readonly<Record<1 | 2, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  1: {
    memory: {
      "memory.limit_in_bytes": "9223372036854771712",
      "memory.memsw.limit_in_bytes": "9223372036854771712",
    },
    pids: { "pids.max": "max" },
    cpu: { "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1" },
    cpuacct: { "cpuacct.usage": "0" },
  },
  2: {
    memory: { "memory.max": "max", "memory.swap.max": "max", "memory.oom.group": "0" },
    pids: { "pids.max": "max" },
    cpu: { "cpu.max": "max 100000" },
  },
};

export interface FakeMount {
  readonly point: string;
  /** What of the hierarchy is shown. */
  readonly root?: string;
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  readonly readOnly?: boolean;
  /** The group of the appliance. */
  readonly group: string;
  /** Beside the appliance. */
  readonly others?: readonly number[];
  /** Somebody else's: nothing can be made in it. */
  readonly foreign?: boolean;
  /** The group above is the appliance's, too. */
  readonly ownsAbove?: boolean;
  /** Already switched on for what is below. */
  readonly on?: readonly string[];
}

/** Of the appliance. */
export const OWN_PID = 4711;

export class FakeCgroups implements CgroupFiles {
  readonly killed: number[] = [];
  /** Files whose writing fails, by the end of their path. */
  readonly refuses = new Map<string, string>();
  readonly #groups = new Map<string, FakeGroup>();
  readonly #proc = new Map<string, string>();
  readonly #readOnly: readonly string[];
  readonly #roots = new Set<string>();

  constructor(mounts: readonly FakeMount[]) {
    this.#readOnly = mounts.filter(({ readOnly }) => readOnly === true).map(({ point }) => point);
    const mountLines = mounts.map(({ point, root = "/", version, controllers }, index) => {
      const type = version === 2 ? "cgroup2" : "cgroup";
      const options = version === 2 ? "" : `,${controllers.join(",")}`;
      return `${30 + index} 22 0:${index} ${root} ${point.replaceAll(" ", "\\040")} rw shared:9 - ${type} ${type} rw${options}`;
    });
    this.#proc.set(
      "/proc/self/mountinfo",
      ["22 1 0:20 / /proc rw - proc proc rw", ...mountLines, ""].join("\n"),
    );
    const lines = mounts.map(({ version, controllers, group }, index) =>
      version === 2 ? `0::${group}` : `${index + 1}:${controllers.join(",")}:${group}`,
    );
    this.#proc.set("/proc/self/cgroup", `${lines.join("\n")}\n`);
    for (const mount of mounts) this.#mount(mount);
  }

  /** Everything that there is: for "nothing changed". */
  snapshot(): string {
    const groups = [...this.#groups].map(([path, { subtree, processes, values }]) => [
      path,
      [...subtree],
      processes,
      [...values],
    ]);
    return JSON.stringify(groups);
  }

  paths(): readonly string[] {
    return [...this.#groups.keys()];
  }

  processesIn(path: string): readonly number[] {
    return this.#groups.get(path)?.processes ?? [];
  }

  enter(path: string, pid: number): void {
    const group = this.#groups.get(path);
    if (group === undefined) throw new Error(`no group ${path}`);
    for (const other of this.#groups.values()) {
      if (other.version === group.version) other.processes = other.processes.filter((each) => each !== pid);
    }
    group.processes.push(pid);
  }

  leave(pid: number): void {
    for (const group of this.#groups.values())
      group.processes = group.processes.filter((each) => each !== pid);
  }

  exists(path: string): boolean {
    const group = this.#groups.get(dirname(path));
    if (basename(path) === "cgroup.kill") return group?.version === 2;
    return this.read(path) !== undefined;
  }

  isWritable(path: string): boolean {
    return this.#groups.get(dirname(path))?.ours ?? false;
  }

  read(path: string): string | undefined {
    const proc = this.#proc.get(path);
    const group = this.#groups.get(dirname(path));
    if (proc !== undefined || group === undefined) return proc;
    const { version, processes, subtree, values } = group;
    const controllers = this.#controllersOf(dirname(path));
    const core: Readonly<Record<string, string>> = {
      "cgroup.procs": processes.map((pid) => `${pid}\n`).join(""),
      ...(version === 2 && {
        "cgroup.controllers": `${controllers.join(" ")}\n`,
        "cgroup.subtree_control": `${[...subtree].join(" ")}\n`,
      }),
      // The root of all groups has no type.
      ...(version === 2 && !this.#isRoot(dirname(path)) && { "cgroup.type": "domain\n" }),
    };
    const limits = Object.assign({}, ...controllers.map((name) => FILES[version][name])) as Record<
      string,
      string
    >;
    const file = basename(path);
    return core[file] ?? (limits[file] === undefined ? undefined : (values.get(file) ?? limits[file]));
  }

  write(path: string, text: string): string | undefined {
    for (const [end, code] of this.refuses) if (path.endsWith(end)) return code;
    const group = this.#groups.get(dirname(path));
    if (group === undefined || !this.exists(path)) return "ENOENT";
    if (!group.ours) return "EACCES";
    switch (basename(path)) {
      case "cgroup.procs":
        this.enter(dirname(path), Number(text));
        return undefined;
      case "cgroup.kill":
        this.killed.push(...group.processes);
        group.processes = [];
        return undefined;
      case "cgroup.subtree_control":
        if (!this.#controllersOf(dirname(path)).includes(text.slice(1))) return "ENOENT";
        if (!this.#isRoot(dirname(path)) && group.processes.length > 0) return "EBUSY";
        group.subtree.add(text.slice(1));
        return undefined;
      default:
        group.values.set(basename(path), text);
        return undefined;
    }
  }

  makeDirectory(path: string): string | undefined {
    if (this.#readOnly.some((point) => path.startsWith(point))) return "EROFS";
    const above = this.#groups.get(dirname(path));
    if (above === undefined) return "ENOENT";
    if (this.#groups.has(path)) return "EEXIST";
    if (!above.ours) return "EACCES";
    const { version, controllers } = above;
    const kept = version === 1 ? controllers : undefined;
    this.#groups.set(path, {
      version,
      controllers: kept,
      subtree: new Set(),
      processes: [],
      values: new Map(),
      ours: true,
    });
    return undefined;
  }

  removeDirectory(path: string): string | undefined {
    const group = this.#groups.get(path);
    if (group === undefined) return "ENOENT";
    const isUsed = group.processes.length > 0 || this.directories(path).length > 0;
    if (isUsed) return "EBUSY";
    this.#groups.delete(path);
    return undefined;
  }

  directories(path: string): readonly string[] {
    return this.paths()
      .filter((each) => dirname(each) === path && each !== path)
      .map((each) => basename(each));
  }

  #controllersOf(path: string): readonly string[] {
    const group = this.#groups.get(path);
    return group?.controllers ?? [...(this.#groups.get(dirname(path))?.subtree ?? [])];
  }

  #isRoot(path: string): boolean {
    return this.#roots.has(path);
  }

  #mount(mount: FakeMount): void {
    const { point, root = "/", version, controllers, group, others = [], foreign = false, on = [] } = mount;
    const ownsAbove = mount.ownsAbove ?? false;
    const shown = root === "/" ? group : group.slice(root.length);
    const parts = shown.split("/").filter((part) => part !== "");
    if (root === "/") this.#roots.add(point);
    for (let depth = 0; depth <= parts.length; depth++) {
      const isOwn = depth === parts.length;
      this.#groups.set(join(point, ...parts.slice(0, depth)), {
        version,
        controllers,
        subtree: new Set(on),
        processes: isOwn ? [OWN_PID, ...others] : [],
        values: new Map(),
        ours: (isOwn && !foreign) || (ownsAbove && depth === parts.length - 1),
      });
    }
  }
}

// Where this host shows its control groups and which of them this process is in: read from /proc, because every
// place is used somewhere (all in /sys/fs/cgroup, version 2 below `unified`, a container's part of a tree).
// See cgroups(7) and proc(5). Called by cgroup-sites.ts.

import { join } from "node:path";
import type { CgroupFiles } from "./cgroup-files.ts";

export interface Hierarchy {
  readonly version: 1 | 2;
  /** Version 1: those that it was mounted for. Version 2: those that the group of this process was given. */
  readonly controllers: readonly string[];
  /** Directory of the group that this process is in. */
  readonly own: string;
  /** The group's name, as the kernel says it. */
  readonly group: string;
}

interface Mount {
  /** What of the hierarchy is shown. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Those that can be seen from here; a hierarchy of which another part is mounted cannot. */
export function hierarchies(files: CgroupFiles): readonly Hierarchy[] {
  const mounts = (files.read("/proc/self/mountinfo") ?? "").split("\n").flatMap(mountOf);
  return (files.read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, names, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (names === undefined || group === undefined) return [];
    const version = names === "" ? 2 : 1;
    const wanted = names.split(",");
    for (const mount of mounts) {
      if (mount.type !== (version === 2 ? "cgroup2" : "cgroup")) continue;
      if (version === 1 && !wanted.every((name) => mount.options.includes(name))) continue;
      const own = shownAt(mount, group);
      // NB: something else may be mounted on top of it.
      if (own === undefined || files.read(join(own, "cgroup.procs")) === undefined) continue;
      const given = files.read(join(own, "cgroup.controllers")) ?? "";
      return [{ version, controllers: version === 1 ? wanted : wordsOf(given), own, group }];
    }
    return [];
  });
}

/** Separated by blanks, as in `cgroup.controllers`. */
export function wordsOf(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** `36 35 98:0 /root /point rw,noatime shared:1 - type source rw,options` */
function mountOf(line: string): readonly Mount[] {
  const [place = "", system = ""] = line.split(" - ", 2);
  const [, , , root, point] = place.split(" ");
  const [type, , options] = system.split(" ");
  if (root === undefined || point === undefined || type === undefined || options === undefined) return [];
  return [{ root: unescaped(root), point: unescaped(point), type, options: options.split(",") }];
}

/** Blanks and the like are written as three octal digits. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function shownAt({ root, point }: Mount, group: string): string | undefined {
  // A group outside of what this name space shows has a name that begins with `/..`.
  if (group === "/.." || group.startsWith("/../")) return undefined;
  const below = root === "/" ? group : group.slice(root.length);
  if (root !== "/" && group !== root && !group.startsWith(`${root}/`)) return undefined;
  return below === "/" ? point : join(point, below);
}

// What a plan shows of a path, by the plan alone: probe-plan.ts decides with it what a probe has to be refused.

import type { LaunchPlan, Mount } from "./launch-plan.ts";

export type Access = "nothing" | "read" | "write";

/** What the plan grants of `path` itself, which is absolute. */
export function accessTo(plan: LaunchPlan, path: string): Access {
  if (plan.level === "isolated")
    return accessByMount(plan.mounts.findLast(({ target }) => holds(target, path)));
  const rules = plan.paths.filter((rule) => holds(rule.path, path)).map(({ access }) => access);
  if (rules.some((access) => access !== "read")) return "write";
  return rules.length > 0 ? "read" : "nothing";
}

/** True for what lies in a file system of the server's own, which is gone with it. */
export function isOwnMemory(plan: LaunchPlan, path: string): boolean {
  return plan.mounts.findLast(({ target }) => holds(target, path))?.kind === "tmpfs";
}

/** How many names an isolated server sees in a directory that it was not granted: those that lead to what it was. */
export function namesShownIn(plan: LaunchPlan, directory: string): number {
  const head = directory === "/" ? "/" : `${directory}/`;
  const below = plan.mounts.filter(({ target }) => target.startsWith(head));
  return new Set(below.map(({ target }) => target.slice(head.length).split("/")[0])).size;
}

function accessByMount(mount: Mount | undefined): Access {
  if (mount === undefined || mount.kind === "directory") return "nothing";
  if (mount.kind === "bind") return mount.write ? "write" : "read";
  return mount.kind === "file" || mount.kind === "symlink" ? "read" : "write";
}

function holds(directory: string, path: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

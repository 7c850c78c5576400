// Where a path leads, link by link, and whether a server had a say in it: what lies in a directory that a server may
// write can be turned into a link to anything. Looks at the host and changes nothing. Called for all that a cage shows.

import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";

/** As many as Linux follows. */
const MAX_LINKS = 40;

/**
 * The real path, without a link in it; undefined where one of the links on the way lies in a directory of `writable` and
 * leads out of that.
 * @param path absolute @throws as lstat, and ELOOP
 */
export function leadOf(path: string, writable: readonly string[]): string | undefined {
  const roots = writable.flatMap(realPathOf);
  const crossed = new Set<string>();
  const ahead = path.split("/");
  let at = "/";
  for (let links = 0; ahead.length > 0;) {
    const name = ahead.shift() ?? "";
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at = dirname(at);
      continue;
    }
    const next = join(at, name);
    if (!lstatSync(next).isSymbolicLink()) {
      at = next;
      continue;
    }
    if (++links > MAX_LINKS) throw Object.assign(new Error(`Too many links in ${path}`), { code: "ELOOP" });
    for (const root of roots) if (liesIn(root, next)) crossed.add(root);
    const to = readlinkSync(next);
    if (isAbsolute(to)) at = "/";
    ahead.unshift(...to.split("/"));
  }
  return [...crossed].every((root) => liesIn(root, at)) ? at : undefined;
}

/** Whether a path, or a directory that it lies in, is one of `directories`. All of them exist or count for nothing. */
export function liesInOneOf(directories: readonly string[], path: string): boolean {
  return directories.flatMap(realPathOf).some((directory) => liesIn(directory, path));
}

function liesIn(directory: string, path: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function realPathOf(path: string): readonly string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}

// Paths that no server can be granted, because with them it would be outside its cage again: the whole system, the
// kernel's own files, and the appliance's data. Called when a server is added and again before each start.

import { existsSync, realpathSync } from "node:fs";
import { quoted } from "../model/printable.ts";

/** A grant of one of these or of anything in them is refused. */
const KERNEL = ["/proc", "/sys", "/dev"];

export interface PathGrants {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Why this absolute path cannot be granted, as the end of a sentence; also when it is not there. */
export function grantFault(path: string, own: readonly string[]): string | undefined {
  if (!existsSync(path)) return `there is no ${quoted(path)} on this host`;
  return refusedGrant({ read: [path], write: [] }, own)?.replace(/\.$/, "");
}

/**
 * What is wrong with the first grant that cannot be given, as a sentence; undefined where all can.
 * @param own directories of the appliance: absolute
 */
export function refusedGrant({ read, write }: PathGrants, own: readonly string[]): string | undefined {
  for (const path of [...read, ...write]) {
    const real = realPath(path);
    if (real === "/")
      return "A grant of / would leave nothing of the cage: name the directories that it needs.";
    const kernel = KERNEL.find((directory) => contains(directory, real));
    if (kernel !== undefined) return `${quoted(path)} is the kernel's: a cage has a ${kernel} of its own.`;
    const ours = own
      .map(realPath)
      .find((directory) => contains(directory, real) || contains(real, directory));
    if (ours !== undefined) {
      return `${quoted(path)} would show the appliance's own data in ${ours}: name a directory beside it.`;
    }
  }
  return undefined;
}

function contains(directory: string, path: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Not there: whoever starts the server says so.
    return path;
  }
}

// As whom a server runs. As root: a uid of its own, which its work directory remembers by belonging to it. Otherwise:
// the appliance's user, who shows inside as a plain user. Called for each start, before its plan is made.

import { chownSync, lchownSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError } from "../errors.ts";
import type { Identity } from "./launch-plan.ts";

/** As who a server shows inside a user namespace: like the first user of a desktop, never like root. */
const INSIDE_UID = 1000;

/**
 * Above what distributions and systemd give to users, services and containers (UIDS-GIDS of systemd), below 2^31;
 * where this root is one of a namespace that has no such numbers, those that systemd keeps for dynamic users.
 */
const RANGES = [
  { first: 2_000_000_000, count: 65_536 },
  { first: 61_184, count: 4_336 },
] as const;

/** Entries of a work directory that are given to a new owner; a server that kept more is given none of it. */
const MAX_ENTRIES = 1_000_000;

export interface IdentityHost {
  /** Of the appliance. */
  readonly uid: number;
  /** Text of /proc/self/uid_map. */
  readonly uidMap: string;
}

export function readIdentityHost(): IdentityHost {
  let uidMap = "0 0 4294967295";
  try {
    uidMap = readFileSync("/proc/self/uid_map", "utf8");
  } catch {
    // Without /proc nothing is known of a namespace: as on a plain host.
  }
  return { uid: process.getuid?.() ?? 0, uidMap };
}

/**
 * The identity that goes with a work directory, which exists and whose siblings are the work directories of all
 * other servers; as root it belongs to the server afterwards, and so does all in it.
 * @throws AppError `blocked` where no uid is left
 */
export function identityFor(workDirectory: string, host: IdentityHost): Identity {
  const range =
    host.uid === 0 ? RANGES.find(({ first, count }) => isMapped(host.uidMap, first, count)) : undefined;
  // Also a root that is one of a user namespace with no ids to give away.
  if (range === undefined) return { kind: "user-namespace", uid: INSIDE_UID, gid: INSIDE_UID };
  const known = ownerIn(workDirectory, range);
  const uid = known ?? firstFree(dirname(workDirectory), range);
  if (known === undefined) giveTo(uid, workDirectory);
  return { kind: "own-uid", uid, gid: uid };
}

type Range = (typeof RANGES)[number];

function isMapped(uidMap: string, first: number, count: number): boolean {
  return uidMap.split("\n").some((line) => {
    const [inside = Number.NaN, , length = 0] = line.trim().split(/\s+/).map(Number);
    return inside <= first && first + count <= inside + length;
  });
}

function ownerIn(path: string, { first, count }: Range): number | undefined {
  const { uid } = lstatSync(path);
  return uid >= first && uid < first + count ? uid : undefined;
}

function firstFree(workRoot: string, range: Range): number {
  const taken = new Set(readdirSync(workRoot).map((name) => ownerIn(join(workRoot, name), range)));
  for (let uid = range.first; uid < range.first + range.count; uid++) if (!taken.has(uid)) return uid;
  throw new AppError("blocked", `All ${range.count} user ids for servers are in use: remove servers.`);
}

/** NB: lchown, and no link is followed: what is in there was written by a server. */
function giveTo(uid: number, directory: string): void {
  const directories = [directory];
  let entries = 0;
  // The list grows while it is read.
  for (const each of directories) {
    for (const entry of readdirSync(each, { withFileTypes: true })) {
      if (++entries > MAX_ENTRIES) {
        throw new AppError("blocked", `${directory} holds more than ${MAX_ENTRIES} files: move it away.`);
      }
      const path = join(each, entry.name);
      if (entry.isDirectory()) directories.push(path);
      else lchownSync(path, uid, uid);
    }
  }
  // The directory itself last: by its owner it counts as done.
  for (const each of directories.toReversed()) chownSync(each, uid, uid);
}

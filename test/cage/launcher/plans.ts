// Plans that the launcher's tests start, written by hand: as little as a shell needs, for each level, for root and for
// an ordinary user.

import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { type Identity, type LaunchPlan, type Mount, uncaged } from "../../../src/cage/launch-plan.ts";

/** Of the host, for servers of root. Nobody has them. */
export const OWN_ID = 61_234;
export const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"].filter((path) =>
  existsSync(path),
);

export interface Place {
  /** What installLauncher returned. */
  readonly launcher: string;
  /** The server's own directory. */
  readonly work: string;
}

export function bind(path: string, options: { write?: boolean; mapOwner?: boolean } = {}): Mount {
  const { write = false, mapOwner = false } = options;
  return { kind: "bind", source: path, target: path, write, mapOwner };
}

/** Who the server is when `uid` runs the appliance. */
export function isolatedIdentity(uid: number): Identity {
  return uid === 0
    ? { kind: "own-uid", uid: OWN_ID, gid: OWN_ID }
    : { kind: "user-namespace", uid: 1000, gid: 1000 };
}

export function confinedIdentity(uid: number): Identity {
  return uid === 0 ? { kind: "own-uid", uid: OWN_ID, gid: OWN_ID } : { kind: "appliance" };
}

export function isolatedPlan(place: Place, uid: number, argv: readonly string[]): LaunchPlan {
  return {
    ...uncaged({ launcher: place.launcher, argv, env: { PATH: "/usr/bin:/bin" }, cwd: place.work }),
    level: "isolated",
    identity: isolatedIdentity(uid),
    mounts: [
      ...SYSTEM.map(ofSystem),
      { kind: "proc", target: "/proc" },
      { kind: "devices", target: "/dev", shmBytes: 1_048_576 },
      { kind: "tmpfs", target: "/tmp", bytes: 1_048_576, mode: 0o1777 },
      { kind: "file", target: "/etc/hostname", content: "cage\n" },
      bind(place.work, { write: true, mapOwner: uid === 0 }),
    ],
    network: { kind: "own", listeners: [] },
    hostname: "cage",
  };
}

export function confinedPlan(place: Place, uid: number, argv: readonly string[]): LaunchPlan {
  return {
    ...uncaged({ launcher: place.launcher, argv, env: { PATH: "/usr/bin:/bin" }, cwd: place.work }),
    level: "confined",
    identity: confinedIdentity(uid),
    paths: [
      ...SYSTEM.filter((path) => !lstatSync(path).isSymbolicLink()).map(
        (path) => ({ path, access: "read" }) as const,
      ),
      { path: "/proc", access: "read" },
      { path: "/dev/null", access: "device" },
      { path: place.work, access: "write" },
    ],
    network: { kind: "ports", ports: [] },
  };
}

/** Links of the system stay links. */
function ofSystem(path: string): Mount {
  return lstatSync(path).isSymbolicLink()
    ? { kind: "symlink", target: path, to: readlinkSync(path) }
    : bind(path);
}

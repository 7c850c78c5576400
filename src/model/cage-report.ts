// What a server's cage enforces, axis by axis, as `show`, `cage`, the API and the console print it.

import type { CageLevel } from "./cage.ts";

export const CAGE_AXES = [
  "files",
  "processes",
  "network",
  "syscalls",
  "identity",
  "memory",
  "pids",
  "cpu",
  "kill-tree",
] as const;
export type CageAxis = (typeof CAGE_AXES)[number];

export interface AxisReport {
  readonly axis: CageAxis;
  /** Such as `mount namespace`, `Landlock ABI 7`, `cgroup v2`, `rlimit`, `none`. */
  readonly mechanism: string;
  readonly enforced: "yes" | "partial" | "no";
  /** Facts that were found, as short phrases: from the probe (`probe: read /etc/shadow: ENOENT`) and from /proc. */
  readonly evidence: readonly string[];
  /** Literally what is not enforced: `any host on port 41873`, `processes may outlive a crash`. Empty for `yes`. */
  readonly missing: readonly string[];
}

export interface CageReport {
  /** What was asked of the kernel. */
  readonly requested: CageLevel;
  /** What the evidence shows: never above the weakest of files, processes, network, syscalls and identity. */
  readonly level: CageLevel;
  readonly axes: readonly AxisReport[];
  /** Milliseconds since the epoch. */
  readonly probedAt: number | undefined;
  /** When /proc and the cgroups of the running process were read last; undefined while it does not run. */
  readonly seenAt: number | undefined;
}

/** Something that the cage kept a server from, newest last where they are listed. */
export interface RefusedAttempt {
  /** Milliseconds since the epoch, of the last time. */
  readonly at: number;
  /** Such as `api.example.com:443`, or a name alone where nothing more was asked. */
  readonly what: string;
  readonly reason: string;
  readonly count: number;
  /** The grant that would allow it, as `toolcrib allow` takes it; undefined where nothing allows it. */
  readonly grant: string | undefined;
}

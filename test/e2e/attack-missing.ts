// Takes a mechanism of the kernel away for real from a program and all that it starts, as hosts do that lack it: a
// filter of system calls, as in a container, or mounts of its own, as with a masked /proc. Commands to run others by.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ALLOW,
  argument,
  assembled,
  byCallNumber,
  type Code,
  refuse,
  when,
} from "../../src/cage/seccomp-bpf.ts";
import { callNumber } from "../../src/cage/seccomp-numbers.ts";

const FILTERED = join(import.meta.dir, "../cage/probe/filtered.ts");
const EPERM = refuse(1);
const ENOSYS = refuse(38);
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const CLONE_NEW = 0x7e02_0000;
/** The same number on all machines. */
const LANDLOCK_CREATE_RULESET = 444;

type Machine = Parameters<typeof callNumber>[1];
type Refusals = ReadonlyMap<number, Code>;

function machine(): Machine {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new Error(`no numbers of system calls for ${process.arch}`);
}

/** As a container without user namespaces refuses them. */
export function withoutNamespaces(): Refusals {
  const numberOf = (name: Parameters<typeof callNumber>[0]): number => callNumber(name, machine()) ?? -1;
  return new Map([
    [numberOf("unshare"), EPERM],
    [numberOf("clone"), when(argument(0), "anyBitOf", CLONE_NEW, EPERM, ALLOW)],
    [numberOf("clone3"), ENOSYS],
  ]);
}

/** As a kernel without it. */
export function withoutLandlock(): Refusals {
  return new Map([[LANDLOCK_CREATE_RULESET, ENOSYS]]);
}

/** @param directory where the filter is put, readable for `uid` */
export function filtered(refusals: Refusals, uid: number, directory: string): readonly string[] {
  const file = join(directory, "filter");
  writeFileSync(file, assembled(byCallNumber(refusals, ALLOW)));
  return [...becoming(uid), process.execPath, FILTERED, file];
}

/** Something else is mounted over a place, for this program alone. */
export function hidden(place: string, uid: number): readonly string[] {
  const script = '/usr/bin/mount -t tmpfs -o ro none "$1" && shift && exec "$@"';
  return ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "sh", place, ...becoming(uid)];
}

function becoming(uid: number): readonly string[] {
  if (uid === process.getuid?.()) return [];
  return ["/usr/bin/setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
}

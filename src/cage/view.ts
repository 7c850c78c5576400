// The file system of one server in an isolated cage: a subset of the host's at the same paths, on an empty root. Looks
// at the host (which of these paths exist, which are links) and changes nothing. Called by plan.ts.

import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import type { Mount } from "./launch-plan.ts";
import { leadOf } from "./lead.ts";

/** What a runtime needs of the system. A link (as /bin is one today) stays a link. */
const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/**
 * Of /etc only what programs read to run at all: libraries, certificates, time, languages. NB: /etc/ssl as a whole
 * would bring the private keys of other services into sight.
 */
const OF_ETC = (
  "ld.so.cache ld.so.conf ld.so.conf.d alternatives ssl/certs ssl/openssl.cnf ca-certificates ca-certificates.conf " +
  "pki/tls/certs pki/tls/openssl.cnf pki/tls/cert.pem pki/ca-trust/extracted crypto-policies localtime timezone " +
  "locale.alias locale.conf protocols services ethers rpc gai.conf host.conf mime.types magic os-release " +
  "debian_version alpine-release redhat-release fonts python3 inputrc terminfo java-17-openjdk java-21-openjdk"
).split(" ");

const SHM_BYTES = 64 * 1024 * 1024;
const TMP_BYTES = 64 * 1024 * 1024;

export interface ViewOptions {
  readonly hostname: string;
  /** As which it shows inside. */
  readonly uid: number;
  readonly gid: number;
  /** Its own directory, writable. */
  readonly workDirectory: string;
  /** Read-only: package, runtime, the probe. Those that are of the system already cost nothing. */
  readonly runtime: readonly string[];
  /** Granted by an administrator. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** What is granted for writing to any server: what lies there may have become a link. */
  readonly written: readonly string[];
  /** Ids of who owns a granted path are shown as the server's own: as root. */
  readonly mapOwners: boolean;
  /** Instead of what the host has at these places. */
  readonly files: Readonly<Record<string, string>>;
  /** Where a name is asked for; the egress of the cage answers there. */
  readonly nameserver: string;
}

/** @throws AppError `blocked` for a granted path that is not there */
export function viewMounts(options: ViewOptions): readonly Mount[] {
  const { workDirectory, runtime, read, write, written, mapOwners } = options;
  const own = [workDirectory, ...write];
  const all = [...own, ...written];
  const granted = [
    ...read.map((path) => bind(grantedPath(path, "read", all), path, false, mapOwners)),
    ...write.map((path) => bind(grantedPath(path, "write", all), path, true, mapOwners)),
  ];
  const system = [...SYSTEM, ...OF_ETC.map((name) => join("/etc", name))].flatMap(ofSystem);
  const mounts: readonly Mount[] = [
    ...system,
    ...etcFiles(options),
    { kind: "devices", target: "/dev", shmBytes: SHM_BYTES },
    { kind: "proc", target: "/proc" },
    // New at each start, and of a size that its memory limit knows; TMPDIR lies on disk, in the work directory.
    { kind: "tmpfs", target: "/tmp", bytes: TMP_BYTES, mode: 0o1777 },
    { kind: "symlink", target: "/var/tmp", to: "/tmp" },
    ...runtime
      .filter((path) => !isOfSystem(path))
      .map((path) => bind(shownPath(path, own), path, false, false)),
    bind(realpathSync(workDirectory), workDirectory, true, false),
    ...granted,
  ];
  return sorted(mounts);
}

/** What a confined server may read of the system: the same, and the host's own files where a cage has its own. */
export function systemPaths(): readonly string[] {
  const etc = [...OF_ETC, "passwd", "group", "hosts", "hostname", "resolv.conf", "nsswitch.conf"];
  return [...SYSTEM, ...etc.map((name) => join("/etc", name))].filter((path) => existsSync(path));
}

/** True for what every server sees. */
export function isOfSystem(path: string): boolean {
  return SYSTEM.some((directory) => path === directory || path.startsWith(`${directory}/`));
}

/** A mount hides what was mounted below it before: parents first, and of two at one place the later wins. */
function sorted(mounts: readonly Mount[]): readonly Mount[] {
  const last = new Map(mounts.map((mount) => [mount.target, mount]));
  const depth = (path: string): number => (path === "/" ? 0 : path.split("/").length);
  return [...last.values()].toSorted((a, b) => depth(a.target) - depth(b.target));
}

function bind(source: string, target: string, write: boolean, mapOwner: boolean): Mount {
  return { kind: "bind", source, target, write, mapOwner };
}

/**
 * Where a granted path leads. NB: in what a server may write, it can put a link in the place of what another was
 * granted, or it itself.
 * @param written all that servers may write @throws AppError `blocked`
 */
export function grantedPath(path: string, grant: string, written: readonly string[]): string {
  try {
    const lead = leadOf(path, written);
    if (lead !== undefined) return lead;
  } catch (thrown) {
    throw new AppError(
      "blocked",
      `There is no ${quoted(path)}, which it may ${grant}: make it, or take the grant away.`,
      { cause: thrown },
    );
  }
  throw ledAstray(path);
}

/** Where a path of its program leads. @param own what the server may write @throws AppError `blocked` */
export function shownPath(path: string, own: readonly string[]): string {
  const lead = leadOf(path, own);
  if (lead !== undefined) return lead;
  const real = realpathSync(path);
  // Every server sees that.
  if (isOfSystem(real)) return real;
  throw ledAstray(path);
}

function ledAstray(path: string): AppError {
  return new AppError(
    "blocked",
    `${quoted(path)} leads out of what it lies in, which a server may write: look at it.`,
  );
}

function ofSystem(path: string): readonly Mount[] {
  if (!existsSync(path)) return [];
  if (!lstatSync(path).isSymbolicLink()) return [bind(path, path, false, false)];
  const to = readlinkSync(path);
  // A link to something that is not in sight is of no use: what it leads to stands in its place.
  return isOfSystem(resolve(dirname(path), to))
    ? [{ kind: "symlink", target: path, to }]
    : [bind(realpathSync(path), path, false, false)];
}

function etcFiles({ hostname, uid, gid, files, workDirectory, nameserver }: ViewOptions): readonly Mount[] {
  const own: Readonly<Record<string, string>> = {
    "/etc/passwd":
      `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nserver:x:${uid}:${gid}:server:${workDirectory}:/bin/sh\n` +
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": `root:x:0:\nserver:x:${gid}:\nnogroup:x:65534:\n`,
    "/etc/hosts": `127.0.0.1 localhost ${hostname}\n::1 localhost ip6-localhost\n`,
    "/etc/hostname": `${hostname}\n`,
    "/etc/resolv.conf": `nameserver ${nameserver}\noptions timeout:2 attempts:2\n`,
    "/etc/nsswitch.conf":
      "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    ...files,
  };
  return Object.entries(own).map(([target, content]) => ({ kind: "file", target, content }));
}

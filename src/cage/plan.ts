// From what is to run, how strong its cage is and what the host lends it to the plan of one start. Looks at which
// paths exist and changes nothing: the caller has resolved the program, made the working directory, chosen level and
// identity, and opened what the plan names. The supervisor runs the plan as it is.

import { existsSync, realpathSync } from "node:fs";
import { isAbsolute } from "node:path";
import { AppError } from "../errors.ts";
import type { Cage, CageLevel } from "../model/cage.ts";
import { childEnvironment, trustedFiles, temporaryDirectory } from "./environment.ts";
import {
  type Identity,
  type LaunchPlan,
  type Listener,
  type PathRule,
  type ResourceLimit,
  uncaged,
} from "./launch-plan.ts";
import { seccompFilter } from "./seccomp.ts";
import type { Machine } from "./seccomp-numbers.ts";
import { grantedPath, shownPath, systemPaths, viewMounts } from "./view.ts";

/** The DNS stub of the cage's egress, inside its network namespace. */
const NAMESERVER = "127.0.0.1";
const DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/** How a cage reaches the network, if at all. */
export type Egress =
  /** `isolated`: made inside, served by the appliance. */
  | { readonly kind: "listeners"; readonly listeners: readonly Listener[] }
  /** `confined`: a proxy on loopback, named to the server by the usual variables. */
  | { readonly kind: "proxy"; readonly port: number; readonly url: string }
  | { readonly kind: "none" };

/** What makes the programs of one cage trust the authority of its broker. */
export interface Trust {
  /** Absolute path inside → its text. */
  readonly files: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

export interface PlanOptions {
  /** What the package room answered. Its variables win over all others: without them the runtime does not start. */
  readonly command: {
    /** Absolute. */
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  };
  /** The server's own variables, secrets filled in, placeholders of brokered ones in their place. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; undefined for the working directory. */
  readonly cwd: string | undefined;
  readonly cage: Pick<Cage, "read" | "write">;
  /** What is granted for writing to any server: what lies there may have become a link. */
  readonly written: readonly string[];
  /** The server's own directory: absolute, exists, and is never shared with another server. */
  readonly workDirectory: string;
  /** What installLauncher returned. */
  readonly launcher: string;
  /** The appliance's environment, of which little passes. */
  readonly host: Readonly<Record<string, string | undefined>>;
  readonly level: CageLevel;
  readonly identity: Identity;
  /** Absolute paths of program, package and interpreter: seen read-only. */
  readonly runtime: readonly string[];
  readonly egress: Egress;
  readonly trust: Trust | undefined;
  readonly cgroups: readonly string[];
  readonly rlimits: readonly ResourceLimit[];
  readonly hostname: string;
  /** What the host is, and whether its mounts can map owners. */
  readonly can: { readonly arch: Machine; readonly mapOwners: boolean };
  /** For `shell`. */
  readonly terminal: boolean;
}

/**
 * @throws AppError `bad-configuration` when a path is not absolute: it would depend on where the appliance was
 * started; `blocked` for a granted path that is not there
 */
export function launchPlan(options: PlanOptions): LaunchPlan {
  const { command, workDirectory, launcher } = options;
  const cwd = options.cwd ?? workDirectory;
  const paths = { program: command.file, "working directory": workDirectory, cwd, launcher };
  for (const [what, path] of Object.entries(paths)) {
    if (isAbsolute(path)) continue;
    throw new AppError("bad-configuration", `The ${what} of a server has to be an absolute path: ${path}`);
  }
  const bare = {
    ...uncaged({ launcher, argv: [command.file, ...command.args], env: environment(options), cwd }),
    terminal: options.terminal,
  };
  if (options.level === "off") return bare;
  const { identity, cgroups, rlimits, hostname } = options;
  const caged = { ...bare, level: options.level, identity, cgroups, rlimits, hostname };
  return options.level === "isolated" ? isolated(caged, options) : confined(caged, options);
}

/** Directories that a start needs, in order: whoever runs a plan makes those that are missing, mode 0700. */
export function directoriesOf(workDirectory: string): readonly string[] {
  return [workDirectory, temporaryDirectory(workDirectory)];
}

function isolated(plan: LaunchPlan, options: PlanOptions): LaunchPlan {
  const { identity, cage, can, egress } = options;
  const inside = identity.kind === "appliance" ? { uid: 65_534, gid: 65_534 } : identity;
  return {
    ...plan,
    mounts: viewMounts({
      hostname: plan.hostname,
      uid: inside.uid,
      gid: inside.gid,
      workDirectory: options.workDirectory,
      runtime: runtimeOf(options),
      read: cage.read,
      write: cage.write,
      written: options.written,
      mapOwners: identity.kind === "own-uid" && can.mapOwners,
      files: options.trust?.files ?? {},
      nameserver: NAMESERVER,
    }),
    network: { kind: "own", listeners: egress.kind === "listeners" ? egress.listeners : [] },
    seccomp: seccompFilter({
      arch: can.arch,
      inet: true,
      udp: true,
      unix: true,
      alone: true,
      namespaces: false,
    }),
  };
}

function confined(plan: LaunchPlan, options: PlanOptions): LaunchPlan {
  const { egress, cage, workDirectory, can } = options;
  const inet = egress.kind === "proxy";
  const own = [workDirectory, ...cage.write];
  const all = [...own, ...options.written];
  // NB: Landlock grants what a path leads to; a link is no such thing.
  const rules = (access: PathRule["access"], paths: readonly string[]): readonly PathRule[] =>
    [...new Set(paths)].map((path) => ({ path, access }));
  const devices = DEVICES.filter((path) => existsSync(path));
  return {
    ...plan,
    paths: [
      ...rules("read", [
        ...[...systemPaths(), "/proc"].map((path) => realpathSync(path)),
        ...runtimeOf(options).map((path) => shownPath(path, own)),
        ...cage.read.map((path) => grantedPath(path, "read", all)),
      ]),
      ...rules("write", [
        realpathSync(workDirectory),
        ...cage.write.map((path) => grantedPath(path, "write", all)),
      ]),
      ...rules(
        "device",
        devices.map((path) => realpathSync(path)),
      ),
    ],
    network: { kind: "ports", ports: egress.kind === "proxy" ? [egress.port] : [] },
    seccomp: seccompFilter({
      arch: can.arch,
      inet,
      udp: false,
      unix: false,
      alone: false,
      namespaces: false,
    }),
  };
}

function runtimeOf({ runtime, host }: PlanOptions): readonly string[] {
  return [...new Set([...runtime, ...trustedFiles(host)])].filter((path) => existsSync(path));
}

function environment({
  host,
  env,
  workDirectory,
  command,
  egress,
  trust,
  rlimits,
}: PlanOptions): Record<string, string> {
  const proxy = egress.kind === "proxy" ? proxyVariables(egress.url) : {};
  // NB: Bun reserves a gigabyte for compiled code, which counts as data; where it does not get that, it goes without
  // its compiler, and JavaScript is 20 times slower. Other programs do not know the variable.
  const limited = rlimits.some(({ resource }) => resource === "data");
  const compiler = limited ? { BUN_JSC_jitMemoryReservationSize: String(64 * 1024 * 1024) } : {};
  return {
    ...compiler,
    ...childEnvironment(host, { ...proxy, ...env }, workDirectory),
    ...trust?.env,
    ...command.env,
  };
}

/** NB: not HTTP_PROXY: the proxy takes CONNECT alone, and its refusal would look like the host's own answer. */
function proxyVariables(url: string): Record<string, string> {
  return { HTTPS_PROXY: url, https_proxy: url, NODE_USE_ENV_PROXY: "1" };
}

// What this host can enforce and run, what is missing and the command that mends it. Asked by the API inside the
// appliance, and by `toolcrib doctor` alone when none is running. It looks and never changes anything.

import { accessSync, constants, readFileSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemErrorCode } from "../errors.ts";
import type { DoctorFinding } from "../model/api.ts";
import type { Paths } from "../paths.ts";
import { landlockAbi } from "./landlock-abi.ts";

export interface DoctorOptions {
  readonly paths: Pick<Paths, "data">;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The host's root directory; tests bring their own /proc and /sys. */
  readonly root?: string;
  readonly uid?: number;
  /** Version of Landlock in the kernel, 0 for none, undefined where it cannot be asked. */
  readonly landlockAbi?: () => number | undefined;
}

/** Variables that change what a Bun or Node process runs, before its first line. */
const TAKES_OVER = ["BUN_OPTIONS", "BUN_BE_BUN", "NODE_OPTIONS", "LD_PRELOAD"];
const MAX_FACT_BYTES = 65_536;
const LOW_SPACE_BYTES = 1024 ** 3;
const NO_SPACE_BYTES = 100 * 1024 ** 2;

type Finding = Omit<DoctorFinding, "name">;
/** Reads one small file of the host; undefined when it is not there or may not be read. */
type ReadFact = (path: string) => string | undefined;

export async function examine(options: DoctorOptions): Promise<readonly DoctorFinding[]> {
  const { paths, env, root = "/", uid = process.getuid?.() ?? 0 } = options;
  const read: ReadFact = (path) => readFact(join(root, path));
  const findings: Readonly<Record<string, Finding>> = {
    cages: {
      state: "missing",
      detail: "Not in this version: a server runs with all rights of the user that runs the appliance.",
    },
    kernel: kernel(read),
    "user namespaces": userNamespaces(read, uid),
    landlock: landlock(read, (options.landlockAbi ?? landlockAbi)()),
    seccomp: seccomp(read),
    cgroups: cgroups(read, root),
    uv: program("uv", env, "Servers that start with uvx or uv run need it.", "pipx install uv"),
    node: program(
      "node",
      env,
      "Only command lines that start with node need it; npm packages do not.",
      undefined,
    ),
    "data directory": dataDirectory(paths.data, uid),
    "free disk": freeDisk(paths.data),
    environment: environment(env),
  };
  return Object.entries(findings).map(([name, finding]) => ({ name, ...finding }));
}

function kernel(read: ReadFact): Finding {
  const release = read("proc/sys/kernel/osrelease")?.trim();
  if (release === undefined)
    return { state: "missing", detail: "This is not Linux, or /proc is not mounted." };
  const [major = 0, minor = 0] = release.split(".").map(Number);
  // 5.14 has cgroup.kill, the youngest thing that a cage cannot do without.
  if (major > 5 || (major === 5 && minor >= 14)) return { state: "ok", detail: `Linux ${release}` };
  return {
    state: "partial",
    detail: `Linux ${release} is older than 5.14: cages will lack some of their parts.`,
  };
}

function userNamespaces(read: ReadFact, uid: number): Finding {
  if (uid === 0) return { state: "ok", detail: "Not needed: this runs as root." };
  const limit = read("proc/sys/user/max_user_namespaces");
  if (limit === undefined) return { state: "missing", detail: "The kernel has none." };
  const switches = [
    ["user.max_user_namespaces", limit.trim() === "0", "=10000"],
    [
      "kernel.unprivileged_userns_clone",
      read("proc/sys/kernel/unprivileged_userns_clone")?.trim() === "0",
      "=1",
    ],
    [
      "kernel.apparmor_restrict_unprivileged_userns",
      read("proc/sys/kernel/apparmor_restrict_unprivileged_userns")?.trim() === "1",
      "=0",
    ],
  ] as const;
  const [name, , value] = switches.find(([, isOff]) => isOff) ?? [];
  if (name === undefined)
    return { state: "ok", detail: "A user may make them, as far as the settings tell." };
  return { state: "missing", detail: `Switched off by ${name}.`, mend: `sudo sysctl -w ${name}${value}` };
}

function landlock(read: ReadFact, abi: number | undefined): Finding {
  if (abi !== undefined && abi > 0) return { state: "ok", detail: `ABI ${abi}` };
  if (abi === 0) return { state: "missing", detail: "The kernel has none, or it is switched off." };
  const modules = read("sys/kernel/security/lsm")?.trim().split(",");
  if (modules === undefined)
    return { state: "partial", detail: "Not known: the kernel cannot be asked from here." };
  return modules.includes("landlock")
    ? { state: "ok", detail: "In the kernel; its ABI cannot be asked from here." }
    : { state: "missing", detail: `Not among the security modules (${modules.join(", ")}).` };
}

function seccomp(read: ReadFact): Finding {
  const actions = read("proc/sys/kernel/seccomp/actions_avail")?.trim();
  if (actions === undefined) return { state: "missing", detail: "The kernel has no seccomp filters." };
  return actions.split(" ").includes("user_notif")
    ? { state: "ok", detail: "Filters, and notification of the supervisor" }
    : { state: "partial", detail: `Filters only: ${actions}` };
}

/** Version 2, where the appliance's own group may be divided. */
function cgroups(read: ReadFact, root: string): Finding {
  const mend = "In the systemd unit: Delegate=cpu memory pids";
  const group = /^0::(\/.*)$/m.exec(read("proc/self/cgroup") ?? "")?.[1];
  const controllers = read("sys/fs/cgroup/cgroup.controllers");
  if (group === undefined || controllers === undefined) {
    return {
      state: "missing",
      detail: "No cgroup version 2 at /sys/fs/cgroup: no limits for a server's whole tree.",
    };
  }
  const own = join("sys/fs/cgroup", group);
  const wanted = ["cpu", "memory", "pids"];
  const given = read(join(own, "cgroup.controllers"))?.trim().split(" ") ?? [];
  const absent = wanted.filter((controller) => !given.includes(controller));
  try {
    accessSync(join(root, own), constants.W_OK);
    accessSync(join(root, own, "cgroup.subtree_control"), constants.W_OK);
  } catch {
    return { state: "missing", detail: `The group ${group} belongs to somebody else.`, mend };
  }
  if (absent.length === 0) return { state: "ok", detail: `${group} with ${wanted.join(", ")}` };
  return { state: "partial", detail: `${group} lacks ${absent.join(", ")}.`, mend };
}

function program(name: string, env: DoctorOptions["env"], reason: string, mend: string | undefined): Finding {
  const path = Bun.which(name, { PATH: env["PATH"] ?? "" });
  if (path !== null) return { state: "ok", detail: path };
  const detail = `Not on PATH. ${reason}`;
  return mend === undefined ? { state: "missing", detail } : { state: "missing", detail, mend };
}

function dataDirectory(path: string, uid: number): Finding {
  try {
    const facts = statSync(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    if ((facts.mode & 0o077) === 0) return { state: "ok", detail: path };
    return { state: "partial", detail: `${path} is open to other users.`, mend: `chmod 700 ${path}` };
  } catch (error) {
    const code = systemErrorCode(error) ?? "unknown error";
    if (code === "ENOENT")
      return { state: "ok", detail: `${path} is not there yet: the first start makes it.` };
    return {
      state: "missing",
      detail: `${path} cannot be used by uid ${uid} (${code}).`,
      mend: `sudo chown -R ${uid} ${path}`,
    };
  }
}

function freeDisk(path: string): Finding {
  const free = freeBytes(path);
  if (free === undefined) return { state: "partial", detail: "Not known." };
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free for ${path}`;
  if (free >= LOW_SPACE_BYTES) return { state: "ok", detail };
  return { state: free < NO_SPACE_BYTES ? "missing" : "partial", detail: `Only ${detail}.` };
}

/** Of the nearest directory above that is there. */
function freeBytes(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    const parent = dirname(path);
    return parent === path ? undefined : freeBytes(parent);
  }
}

function environment(env: DoctorOptions["env"]): Finding {
  const set = TAKES_OVER.filter((name) => env[name] !== undefined && env[name] !== "");
  if (set.length === 0) return { state: "ok", detail: "Nothing in it changes what runs." };
  return {
    state: "partial",
    detail: `${set.join(", ")} can change what this program runs. Servers do not get it.`,
    mend: `unset ${set.join(" ")}`,
  };
}

function readFact(path: string): string | undefined {
  try {
    // NB: files of /proc have no size; they are short, but the root of a test may hold anything.
    return readFileSync(path, "utf8").slice(0, MAX_FACT_BYTES);
  } catch {
    return undefined;
  }
}

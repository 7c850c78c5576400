// What this host can enforce and run, what is missing and the command that mends it. Asked by the API inside the
// appliance, and by `toolcrib doctor` alone when none is running. It looks and leaves everything as it was.

import { accessSync, constants, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { factFile, type HostFacts } from "../cage/host.ts";
import { systemErrorCode, toAppError } from "../errors.ts";
import type { DoctorFinding } from "../model/api.ts";
import type { Paths } from "../paths.ts";
import { askHost } from "./ask-host.ts";
import { cageFindings, type Finding } from "./doctor-cages.ts";
import { readScene } from "./doctor-scene.ts";

export interface DoctorOptions {
  readonly paths: Pick<Paths, "data" | "launcher">;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the kernel says now. Without an appliance, a launcher is asked that is put in place for it. */
  readonly ask?: () => Promise<HostFacts>;
  /** What the running appliance found when it started, and goes by. */
  readonly atStart?: HostFacts;
  /** The setting `cage_without`, where nobody gave facts. */
  readonly without?: readonly string[];
  /** The host's root directory; tests bring their own /proc and /sys. */
  readonly root?: string;
  readonly uid?: number;
}

/** Variables that change what a Bun or Node process runs, before its first line. */
const TAKES_OVER = ["BUN_OPTIONS", "BUN_BE_BUN", "NODE_OPTIONS", "LD_PRELOAD"];
const LOW_SPACE_BYTES = 1024 ** 3;
const NO_SPACE_BYTES = 100 * 1024 ** 2;

export async function examine(options: DoctorOptions): Promise<readonly DoctorFinding[]> {
  const { paths, env, root = "/", uid = process.getuid?.() ?? 0 } = options;
  const findings: Readonly<Record<string, Finding>> = {
    ...(await cages(options, root, uid)),
    kernel: kernel(root),
    uv: program("uv", env, "the vault brings a verified one along with the first Python server"),
    python: program(
      "python3",
      env,
      "the vault brings one along with the first Python server, from github.com",
    ),
    node: program("node", env, "only command lines that start with node need it, npm packages do not"),
    "data directory": dataDirectory(paths.data, uid),
    "free disk": freeDisk(paths.data),
    environment: environment(env),
  };
  return Object.entries(findings).map(([name, finding]) => ({ name, ...finding }));
}

async function cages(
  { paths, env, ask, atStart, without = [] }: DoctorOptions,
  root: string,
  uid: number,
): Promise<Readonly<Record<string, Finding>>> {
  const launcherDirectory = paths.launcher;
  try {
    const facts = await (ask ?? (() => askHost({ launcherDirectory, uid, without })))();
    return cageFindings(facts, readScene({ root, uid, env, launcherDirectory }), atStart);
  } catch (thrown) {
    return { cages: { state: "missing", detail: toAppError(thrown).message } };
  }
}

function kernel(root: string): Finding {
  const release = factFile(root, "proc/sys/kernel/osrelease");
  if (release === undefined)
    return { state: "missing", detail: "This is not Linux, or /proc is not mounted." };
  const [major = 0, minor = 0] = release.split(".").map(Number);
  // 5.14 has cgroup.kill and counts the processes of a user namespace by themselves.
  if (major > 5 || (major === 5 && minor >= 14)) return { state: "ok", detail: `Linux ${release}` };
  return {
    state: "partial",
    detail: `Linux ${release} is older than 5.14: cages will lack some of their parts.`,
  };
}

/** @param otherwise what happens without it, as the end of a sentence */
function program(name: string, env: DoctorOptions["env"], otherwise: string): Finding {
  const path = Bun.which(name, { PATH: env["PATH"] ?? "" });
  return { state: "ok", detail: path ?? `Not on PATH: ${otherwise}.` };
}

function dataDirectory(path: string, uid: number): Finding {
  try {
    const facts = statSync(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    // Servers of root have uids of their own, which pass through to what they run: see paths.ts.
    const closed = uid === 0 ? 0o066 : 0o077;
    if ((facts.mode & closed) === 0) return { state: "ok", detail: path };
    return {
      state: "partial",
      detail: `${path} is open to other users.`,
      mend: `chmod ${uid === 0 ? "711" : "700"} ${path}`,
    };
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

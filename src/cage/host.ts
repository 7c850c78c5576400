// What the kernel of this host lets a cage be made of: asked once at start, of the launcher itself, which tries each
// mechanism and undoes it. app.ts keeps the facts; cages are planned from them, and doctor.ts tells them to people.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { getSystemErrorName } from "node:util";
import type { Sites } from "./cgroup-sites.ts";
import type { Obstacles } from "./level.ts";

/** As `launcher --facts` names them (launcher/facts.h); of those that it has, these decide something. */
export const MECHANISMS = [
  "user-namespace",
  "mount-in-namespace",
  "proc-mount",
  "net-namespace",
  "landlock",
  "seccomp",
  "idmap",
] as const;
export type Mechanism = (typeof MECHANISMS)[number];

/** What the setting `cage_without` can take away, and from which mechanisms. */
export const WITHOUT: Readonly<Record<string, readonly Mechanism[]>> = {
  "user-namespaces": ["user-namespace"],
  namespaces: ["user-namespace", "mount-in-namespace", "proc-mount", "net-namespace", "idmap"],
  landlock: ["landlock"],
  /** Those are opened by somebody else: see CgroupOptions.without. */
  cgroups: [],
  proc: ["proc-mount"],
  idmap: ["idmap"],
};

export interface Fact {
  readonly has: boolean;
  /** What the kernel said: a version, or why not (`EPERM`). May be empty. */
  readonly detail: string;
}

export interface HostFacts {
  /** Such as 6.1.0-13-amd64; undefined where there is no /proc. */
  readonly kernel: string | undefined;
  /** Of the appliance. */
  readonly uid: number;
  readonly mechanisms: Readonly<Record<Mechanism, Fact>>;
  /** 0 for none. TCP from 4, signals and abstract sockets from 6. */
  readonly landlockAbi: number;
  /** Ubuntu lets only programs that it knows use user namespaces. */
  readonly appArmorRestricts: boolean;
  /** With what a process tree is limited. */
  readonly limits: Sites["means"];
  readonly levels: { readonly isolated: boolean; readonly confined: boolean };
  /** Why a level cannot be had, as the end of a sentence. */
  readonly obstacles: Obstacles;
}

export interface HostOptions {
  /** Absolute path, as installLauncher returned it. */
  readonly launcher: string;
  /** Of Cgroups, or of a mere look (findSites). */
  readonly limits: Sites["means"];
  readonly uid?: number;
  /** What to pretend missing: the setting `cage_without`. */
  readonly without?: readonly string[];
  /** The output of a program; empty where it cannot be run. */
  readonly run?: (argv: readonly string[]) => Promise<string>;
  /** The host's root directory: tests have their own /proc. */
  readonly root?: string;
}

const MAX_FACT_CHARACTERS = 4096;
const FACTS_TIMEOUT_MS = 10_000;
/** The detail of what is pretended missing. */
export const SWITCHED_OFF = "switched off by cage_without";
const NOT_SAID = "the launcher did not say";

/** Never throws: what cannot be asked is missing. */
export async function hostFacts(options: HostOptions): Promise<HostFacts> {
  const {
    launcher,
    limits,
    uid = process.getuid?.() ?? 0,
    without = [],
    run = outputOf,
    root = "/",
  } = options;
  const told = parseFacts(await run([launcher, "--facts"]));
  const off = new Set(without.flatMap((name) => WITHOUT[name] ?? []));
  const factOf = (name: Mechanism): Fact =>
    off.has(name) ? { has: false, detail: SWITCHED_OFF } : (told[name] ?? { has: false, detail: NOT_SAID });
  const mechanisms: HostFacts["mechanisms"] = {
    "user-namespace": factOf("user-namespace"),
    "mount-in-namespace": factOf("mount-in-namespace"),
    "proc-mount": factOf("proc-mount"),
    "net-namespace": factOf("net-namespace"),
    landlock: factOf("landlock"),
    seccomp: factOf("seccomp"),
    idmap: factOf("idmap"),
  };
  const obstacles = obstaclesFor(mechanisms, uid);
  return {
    kernel: factFile(root, "proc/sys/kernel/osrelease"),
    uid,
    mechanisms,
    landlockAbi: abiOf(mechanisms.landlock),
    appArmorRestricts: factFile(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1",
    limits,
    levels: { isolated: obstacles.isolated === undefined, confined: obstacles.confined === undefined },
    obstacles,
  };
}

/** Lines such as `landlock ok 7` and `proc-mount EPERM`. What is not understood is left out. */
export function parseFacts(text: string): Readonly<Partial<Record<Mechanism, Fact>>> {
  const facts: Partial<Record<Mechanism, Fact>> = {};
  for (const line of text.slice(0, MAX_FACT_CHARACTERS).split("\n")) {
    const [, key, outcome = "", rest = ""] = /^([a-z-]+) ([A-Za-z0-9]+)(?: (.*))?$/.exec(line) ?? [];
    const name = MECHANISMS.find((known) => known === key);
    if (name === undefined) continue;
    facts[name] = outcome === "ok" ? { has: true, detail: rest } : { has: false, detail: errorName(outcome) };
  }
  return facts;
}

/** One small file of the host, trimmed; undefined when it is not there or may not be read. */
export function factFile(root: string, path: string): string | undefined {
  try {
    // NB: files of /proc have no size; they are short, but the root of a test may hold anything.
    return readFileSync(join(root, path), "utf8").slice(0, MAX_FACT_CHARACTERS).trim();
  } catch {
    return undefined;
  }
}

const ISOLATION: readonly (readonly [Mechanism, string])[] = [
  ["mount-in-namespace", "it cannot be given a file system of its own"],
  // NB: Bun, which runs npm packages, aborts without it.
  ["proc-mount", "it cannot be given a /proc of its own"],
  ["net-namespace", "it cannot be given a network of its own"],
  ["seccomp", "its system calls cannot be filtered"],
];
const CONFINEMENT: readonly (readonly [Mechanism, string])[] = [
  ["landlock", "there is no Landlock"],
  ["seccomp", "its system calls cannot be filtered"],
];

function obstaclesFor(mechanisms: HostFacts["mechanisms"], uid: number): Obstacles {
  const first: typeof ISOLATION = uid === 0 ? [] : [["user-namespace", "it cannot have a user namespace"]];
  const missing = (needs: typeof ISOLATION): string | undefined => {
    // The first says it all: what comes after it needs it.
    const [name, words] = needs.find(([need]) => !mechanisms[need].has) ?? [];
    return name === undefined ? undefined : `${words} (${mechanisms[name].detail})`;
  };
  return { isolated: missing([...first, ...ISOLATION]), confined: missing(CONFINEMENT) };
}

function abiOf({ has, detail }: Fact): number {
  const abi = Number.parseInt(detail, 10);
  return has && Number.isFinite(abi) ? abi : 0;
}

/** The launcher has no table of all names. */
function errorName(outcome: string): string {
  const number = Number(outcome);
  if (!Number.isInteger(number) || number <= 0) return outcome;
  const name = getSystemErrorName(-number);
  return name.startsWith("E") ? name : `error ${number}`;
}

async function outputOf(argv: readonly string[]): Promise<string> {
  try {
    const child = Bun.spawn([...argv], {
      // Where owners of files would be mapped: the data directory's file system.
      cwd: dirname(argv[0] ?? "/"),
      env: {},
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: FACTS_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const text = await child.stdout.text();
    await child.exited;
    return text;
  } catch {
    return "";
  }
}

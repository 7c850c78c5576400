// What /proc says of a server that runs: facts that the kernel keeps, whatever the launcher said. Called when a server
// has started and every minute while it lives.

import { readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CageAxis } from "../model/cage-report.ts";
import type { Finding } from "./findings.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import { whereShown } from "./mount-table.ts";

export interface EvidenceOptions {
  /** On the host: of the launcher inside, whose first child is the server. */
  readonly innerPid: number;
  readonly plan: LaunchPlan;
  /** Absolute paths without links that no server may see: the database, another server's directory. */
  readonly hidden: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Tests have one of their own. */
  readonly proc?: string;
}

export interface Evidence {
  readonly at: number;
  /** On the host, of the server itself. */
  readonly pid: number;
  readonly findings: readonly Finding[];
}

/** Undefined when the server is gone, or the kernel does not say which one it is. Never throws. */
export function evidenceOf(options: EvidenceOptions): Evidence | undefined {
  const { innerPid, plan, hidden, now, proc = "/proc" } = options;
  const children = text(join(proc, String(innerPid), "task", String(innerPid), "children"));
  const pid = Number.parseInt(children ?? "", 10);
  const facts = Number.isNaN(pid) ? undefined : factsOf(join(proc, String(pid)));
  if (facts === undefined) return undefined;
  const tied = holds("kill-tree", `child of launcher ${innerPid}`);
  if (plan.level === "off") return { at: now(), pid, findings: [tied] };
  const appliance = join(proc, "self");
  return {
    at: now(),
    pid,
    findings: [
      tied,
      ...files(plan, facts, hidden, appliance),
      ...processes(plan, facts, appliance),
      ...network(plan, facts, appliance),
      ...systemCalls(plan, facts),
      ...identity(plan, facts),
      ...limits(plan, facts),
    ],
  };
}

/** Links of the namespaces of this process, as the probe prints them: `net:[4026531840]`. */
export function ownNamespaces(proc = "/proc"): readonly string[] {
  const names = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"];
  return names.flatMap((name) => link(join(proc, "self", "ns", name)) ?? []);
}

interface Facts {
  readonly directory: string;
  /** Lines of `status`, by name. */
  readonly status: ReadonlyMap<string, string>;
}

function factsOf(directory: string): Facts | undefined {
  const lines = text(join(directory, "status"))?.split("\n");
  if (lines === undefined) return undefined;
  const status = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  return { directory, status };
}

function files(
  plan: LaunchPlan,
  facts: Facts,
  hidden: readonly string[],
  appliance: string,
): readonly Finding[] {
  if (plan.level !== "isolated") return [];
  const theirs = text(join(facts.directory, "mountinfo"));
  const ours = text(join(appliance, "mountinfo"));
  const own = namespace("files", "mnt", "mount", facts, appliance);
  if (theirs === undefined || ours === undefined) return own;
  const shown = hidden.flatMap((path) => {
    const where = whereShown(path, ours, theirs);
    return where === undefined
      ? []
      : [broken("files", `It sees ${path}${where === path ? "" : ` as ${where}`}.`)];
  });
  return [...own, ...(shown.length > 0 ? shown : [holds("files", "no mount shows the appliance's data")])];
}

function processes(plan: LaunchPlan, facts: Facts, appliance: string): readonly Finding[] {
  if (plan.level !== "isolated") return [];
  const own = [
    ...namespace("processes", "pid", "process", facts, appliance),
    ...namespace("processes", "ipc", "IPC", facts, appliance),
  ];
  const [, ...inside] = (facts.status.get("NSpid") ?? "").split(/\s+/);
  if (inside.length === 0) return own;
  return [
    ...own,
    holds("kill-tree", `process ${inside.at(-1)} of its own namespace, which ends with its process 1`),
  ];
}

function network(plan: LaunchPlan, facts: Facts, appliance: string): readonly Finding[] {
  return plan.network.kind === "own" ? namespace("network", "net", "network", facts, appliance) : [];
}

function systemCalls({ seccomp }: LaunchPlan, { status }: Facts): readonly Finding[] {
  if (seccomp === undefined) return [];
  // 2 is a filter (proc_pid_status(5)).
  if (status.get("Seccomp") === "2") return [holds("syscalls", "seccomp filter in force")];
  return [broken("syscalls", "It runs without a filter of system calls.")];
}

function identity(plan: LaunchPlan, { directory, status }: Facts): readonly Finding[] {
  const sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"].map((name) => status.get(name) ?? "unknown");
  const shown = shownUid(plan, directory, status);
  const wanted = plan.identity.kind === "appliance" ? shown : String(plan.identity.uid);
  const checks: readonly (readonly [wrong: boolean, words: string])[] = [
    [shown !== wanted, `It runs as uid ${shown ?? "unknown"}, and should run as ${wanted}.`],
    [sets.some((set) => !/^0+$/.test(set)), "It has capabilities."],
    [status.get("NoNewPrivs") !== "1", "It can gain privileges."],
  ];
  const found = checks.flatMap(([wrong, words]) => (wrong ? [broken("identity", words)] : []));
  return found.length > 0 ? found : [holds("identity", `uid ${shown}, no capabilities, no new privileges`)];
}

/** As it sees itself; undefined where its four user ids differ, or a namespace has more than one user. */
function shownUid(plan: LaunchPlan, directory: string, status: Facts["status"]): string | undefined {
  const ids = new Set((status.get("Uid") ?? "").split(/\s+/));
  const [uid] = ids;
  if (ids.size !== 1 || plan.identity.kind !== "user-namespace") return ids.size === 1 ? uid : undefined;
  const [inside, outside, count] = (text(join(directory, "uid_map")) ?? "").trim().split(/\s+/);
  return outside === uid && count === "1" ? inside : undefined;
}

/** NB: paths in /proc are those below a root that a container may have cut off, so the ends are compared. */
function limits({ cgroups }: LaunchPlan, { directory }: Facts): readonly Finding[] {
  if (cgroups.length === 0) return [];
  const groups = (text(join(directory, "cgroup")) ?? "")
    .split("\n")
    .map((line) => line.split(":").slice(2).join(":"));
  const missing = cgroups
    .map((file) => dirname(file))
    .find((wanted) => !groups.some((group) => group.length > 1 && wanted.endsWith(group)));
  return (["memory", "pids", "cpu"] as const).map((axis) =>
    missing === undefined
      ? holds(axis, "in its control group")
      : broken(axis, `It is not in its control group ${missing}.`),
  );
}

/** Nothing where the kernel does not say: it is asked about a process of another user. */
function namespace(
  axis: CageAxis,
  name: string,
  called: string,
  { directory }: Facts,
  appliance: string,
): readonly Finding[] {
  const [theirs, ours] = [link(join(directory, "ns", name)), link(join(appliance, "ns", name))];
  if (theirs === undefined || ours === undefined) return [];
  if (theirs === ours) return [broken(axis, `It shares the ${called} namespace with the appliance.`)];
  return [holds(axis, `${called} namespace of its own`)];
}

function holds(axis: CageAxis, words: string): Finding {
  return { axis, kind: "holds", words: `/proc: ${words}` };
}

function broken(axis: CageAxis, words: string): Finding {
  return { axis, kind: "broken", words };
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The process is gone, or is somebody else's.
    return undefined;
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

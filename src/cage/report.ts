// What a cage enforces, axis by axis, put together from what was found by trying and by reading /proc. Pure. Called for
// `show`, `cage`, the API, and before a start, which needs a level.

import { type AxisReport, CAGE_AXES, type CageAxis, type CageReport } from "../model/cage-report.ts";
import { CAGE_LEVELS, type CageLevel } from "../model/cage.ts";
import type { LimitFact, LimitFacts } from "./cgroup.ts";
import type { Evidence } from "./evidence.ts";
import { type Finding, wordsOf } from "./findings.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import type { ProbeOutcome } from "./probe.ts";
import { AXIS_OF_LIMIT } from "./probe-verdict.ts";
import type { Fallback, Instead } from "./rlimits.ts";

export interface ReportFacts {
  readonly plan: LaunchPlan;
  /** Undefined where this plan has not been tried. */
  readonly probed: ProbeOutcome | undefined;
  /** Undefined while it does not run. */
  readonly evidence: Evidence | undefined;
  /** Of its control group. */
  readonly limits: LimitFacts | undefined;
  /** What stands in for control groups. */
  readonly instead: Fallback["instead"];
}

/** Where one of these is weak, the rest does not help. */
const DECISIVE: readonly CageAxis[] = ["files", "processes", "network", "syscalls", "identity"];

const LEVEL_OF = { yes: "isolated", partial: "confined", no: "off" } as const;

/**
 * An axis is `no` where nothing is asked for, where something was found that breaks it, or where nothing was found
 * that confirms it; `partial` where this kind of cage is known not to enforce all of it; else `yes`.
 *
 * The level is the weakest of what was asked for and of the five decisive axes, where `yes` counts as isolated,
 * `partial` as confined and `no` as off. So a cage that nobody has looked into is off.
 */
export function cageReport(facts: ReportFacts): CageReport {
  const { plan, probed, evidence } = facts;
  const axes = CAGE_AXES.map((axis) => axisReport(axis, facts));
  const levels = axes.filter(({ axis }) => DECISIVE.includes(axis)).map(({ enforced }) => LEVEL_OF[enforced]);
  return {
    requested: plan.level,
    level: weakest([plan.level, ...levels]),
    axes,
    probedAt: probed?.at,
    seenAt: evidence?.at,
  };
}

function weakest(levels: readonly CageLevel[]): CageLevel {
  return CAGE_LEVELS.findLast((level) => levels.includes(level)) ?? "off";
}

/** What a plan asks of the kernel on one axis. */
interface Claim {
  /** `none` where nothing is asked for. */
  readonly mechanism: string;
  /** What this mechanism does not enforce, whatever is found. */
  readonly missing: readonly string[];
  /** Facts from elsewhere that confirm it. */
  readonly evidence?: readonly string[];
}

function axisReport(axis: CageAxis, facts: ReportFacts): AxisReport {
  const all: readonly Finding[] = [...(facts.probed?.findings ?? []), ...(facts.evidence?.findings ?? [])];
  const findings = all.filter((finding) => finding.axis === axis);
  const claim = CLAIMS[axis](facts);
  const broken = wordsOf(findings, "broken");
  const evidence = unique([
    ...(claim.evidence ?? []),
    ...wordsOf(findings, "holds"),
    ...wordsOf(findings, "amiss"),
  ]);
  const missing = unique([...broken, ...claim.missing, ...wordsOf(findings, "gap")]);
  const report = (enforced: AxisReport["enforced"], phrases: readonly string[]): AxisReport => {
    return { axis, mechanism: claim.mechanism, enforced, evidence, missing: phrases };
  };
  if (claim.mechanism === "none" || broken.length > 0) return report("no", missing);
  if (evidence.length === 0) return report("no", ["nothing has confirmed it yet", ...missing]);
  return missing.length > 0 ? report("partial", missing) : report("yes", []);
}

const CLAIMS: Readonly<Record<CageAxis, (facts: ReportFacts) => Claim>> = {
  files,
  processes,
  network,
  syscalls,
  identity,
  memory: (facts) => resource(facts, "memory", "bytes", "no limit of memory"),
  pids: (facts) => resource(facts, "pids", "processes and threads", "no limit of processes"),
  cpu: (facts) => resource(facts, "cpu", "processors", "no limit of processor time"),
  "kill-tree": killTree,
};

function files({ plan, probed }: ReportFacts): Claim {
  if (plan.level === "isolated") return { mechanism: "mount namespace", missing: [] };
  if (plan.level === "off" || landlockAbi(probed) < 1) return none("all files of its user");
  const isSame = plan.identity.kind === "appliance";
  return {
    mechanism: landlock(probed),
    missing: [
      "names, sizes and owners of files can be asked for",
      ...(isSame ? ["modes and times of files of the appliance's user can be changed"] : []),
      ...(isSame && landlockAbi(probed) < LANDLOCK_TRUNCATE
        ? ["files of the appliance's user can be cut short"]
        : []),
    ],
  };
}

function processes({ plan, probed }: ReportFacts): Claim {
  if (plan.level === "isolated") return { mechanism: "pid namespace", missing: [] };
  if (plan.level === "off" || landlockAbi(probed) < 1) return none("all processes of its user");
  const owner = plan.identity.kind === "own-uid" ? "own uid, " : "";
  return {
    mechanism: `${owner}${landlock(probed)}`,
    missing: [
      "sees the processes of the host and their arguments",
      ...(owner === "" ? ["may lower the priority of processes of the appliance's user"] : []),
    ],
  };
}

function network({ plan: { network: given }, probed }: ReportFacts): Claim {
  if (given.kind === "host") return none("the whole network of the host");
  if (given.kind === "own") return { mechanism: "network namespace", missing: [] };
  const seen = "sees the addresses and connections of the host";
  if (given.ports.length === 0) return { mechanism: "seccomp", missing: [seen] };
  if (landlockAbi(probed) < LANDLOCK_TCP) return none("any host on any port");
  return {
    mechanism: `seccomp, ${landlock(probed)}`,
    missing: [...given.ports.map((port) => `any host on port ${port}`), seen],
  };
}

function syscalls({ plan }: ReportFacts): Claim {
  return plan.seccomp === undefined ? none("all system calls") : { mechanism: "seccomp", missing: [] };
}

function identity({ plan }: ReportFacts): Claim {
  if (plan.level === "off") return none("runs as the appliance's user");
  if (plan.identity.kind === "own-uid") return { mechanism: "own uid, no_new_privs", missing: [] };
  if (plan.identity.kind === "user-namespace")
    return { mechanism: "user namespace, no_new_privs", missing: [] };
  return { mechanism: "no_new_privs", missing: ["runs as the appliance's user"] };
}

function resource(
  facts: ReportFacts,
  name: keyof Fallback["instead"] & keyof LimitFacts,
  unit: string,
  unlimited: string,
): Claim {
  const fact = groupOf(facts)?.[name];
  if (fact !== undefined) return byGroup(fact, unit);
  const other: Instead | undefined = facts.instead[name];
  // Its group is made when it starts.
  if (other === undefined && facts.limits === undefined && facts.plan.cgroups.length > 0) {
    return { mechanism: "cgroup", missing: [] };
  }
  if (other === undefined) return none(unlimited);
  if (other.enforced === "no") return none(other.missing ?? unlimited);
  if (!facts.plan.rlimits.some((limit) => AXIS_OF_LIMIT[limit.resource] === name)) return none(unlimited);
  return { mechanism: other.mechanism, missing: other.missing === undefined ? [] : [other.missing] };
}

/** Nothing that a plan leaves out is in force for what runs by it. */
function groupOf({ plan, limits }: ReportFacts): LimitFacts | undefined {
  return plan.cgroups.length > 0 ? limits : undefined;
}

function byGroup({ mechanism, limit }: LimitFact, unit: string): Claim {
  return { mechanism, missing: [], evidence: [`${mechanism}: limit of ${limit} ${unit}`] };
}

/** The launcher ties a tree together in every case; how firmly depends on who can get rid of the launcher. */
function killTree(facts: ReportFacts): Claim {
  const grouped = groupOf(facts)?.killable === true;
  const evidence = grouped ? ["control group: all that is in it can be ended at once"] : [];
  if (facts.plan.level === "isolated") return { mechanism: "pid namespace", missing: [], evidence };
  if (!grouped)
    return { mechanism: "launcher", missing: ["processes may outlive a crash of both launchers"] };
  return {
    mechanism: "launcher, control group",
    missing: ["processes may outlive a crash until the next start of the appliance"],
    evidence,
  };
}

/** From which version on Landlock has rules for TCP. */
const LANDLOCK_TRUNCATE = 3;
const LANDLOCK_TCP = 4;

/** Before it was looked for, it is taken to be there: nothing is confirmed then. */
function landlockAbi(probed: ProbeOutcome | undefined): number {
  return probed === undefined ? Number.POSITIVE_INFINITY : (probed.landlockAbi ?? 0);
}

function landlock(probed: ProbeOutcome | undefined): string {
  return probed === undefined ? "Landlock" : `Landlock ABI ${landlockAbi(probed)}`;
}

function none(missing: string): Claim {
  return { mechanism: "none", missing: [missing] };
}

function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}

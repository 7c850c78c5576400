// What an answer of the probe means: the kinds of attempts that probe-plan.ts is made of, and the reading of what the
// probe printed. Pure.

import type { CageAxis } from "../model/cage-report.ts";
import type { Finding } from "./findings.ts";
import type { LaunchPlan, ResourceLimit } from "./launch-plan.ts";

export interface Attempt {
  /** As the probe takes it. */
  readonly text: string;
  readonly judge: (result: Result) => readonly Finding[];
}

/** One line of the probe. */
export interface Result {
  /** As it was asked for, without control characters. */
  readonly text: string;
  /** `ok`, the name or number of an errno, or `killed N`. */
  readonly outcome: string;
  readonly detail: string;
}

/** How the probe ended, as whoever ran it saw it. */
export interface ProbeRun {
  readonly stdout: string;
  /** Undefined when it did not end by itself. */
  readonly exitCode: number | undefined;
  /** Why the launcher started nothing. */
  readonly refused?: string | undefined;
}

export interface Verdict {
  readonly findings: readonly Finding[];
  /** Of the kernel; undefined where it has none or was not asked. */
  readonly landlockAbi: number | undefined;
}

/** A cage whose probe does not tell everything is no better than one that lets something through. */
export function judge(attempts: readonly Attempt[], run: ProbeRun): Verdict {
  if (run.refused !== undefined) {
    return {
      findings: [broken("files", `The probe could not be started: ${run.refused}.`)],
      landlockAbi: undefined,
    };
  }
  const results = resultsOf(attempts, run.stdout);
  const findings = attempts.flatMap((attempt, index) => {
    const result = results[index];
    return result === undefined ? [] : attempt.judge(result);
  });
  const untold = attempts.length - results.length;
  if (untold > 0 || run.exitCode !== 0) {
    const told = `${results.length} of ${attempts.length} attempts`;
    findings.push(
      broken("files", `The probe ended with code ${run.exitCode} after ${told}: nobody knows the rest.`),
    );
  }
  const landlock = results.find(({ text, outcome }) => text === "landlock" && outcome === "ok");
  return { findings, landlockAbi: landlock === undefined ? undefined : Number(landlock.detail) };
}

/** Those that were told, in order, up to the first that is not of these attempts. */
function resultsOf(attempts: readonly Attempt[], stdout: string): readonly Result[] {
  // What stands behind the last line break is part of a line.
  const lines = stdout.split("\n").slice(0, -1);
  const results = attempts.map(({ text }, index) => {
    const [told, outcome, detail] = (lines[index] ?? "").split("\t");
    const shown = text.replace(/[\x00-\x1f\x7f]/g, "?");
    return told === shown && outcome !== undefined && detail !== undefined
      ? { text: shown, outcome, detail }
      : undefined;
  });
  const end = results.indexOf(undefined);
  return results.slice(0, end < 0 ? undefined : end).filter((result) => result !== undefined);
}

// ---- Kinds of attempts

/**
 * Success is a hole. With `by`, so is every other answer: then the kernel was reached, and what it said depends on
 * chance.
 * @param could ends the sentence "It could …"
 */
export function refused(axis: CageAxis, text: string, could: string, by?: readonly string[]): Attempt {
  return {
    text,
    judge: (result) => {
      const { outcome } = result;
      if (by?.includes(outcome) ?? !isThrough(outcome)) return [holds(axis, result)];
      const reached = isThrough(outcome)
        ? ""
        : `: nothing kept it from the kernel, which answered ${outcome}`;
      return [broken(axis, `It could ${could}${reached}.`)];
    },
  };
}

/** Success is told as what this kind of cage does not enforce. */
export function gap(axis: CageAxis, text: string, missing: string): Attempt {
  return {
    text,
    judge: (result) => [
      isThrough(result.outcome) ? { axis, kind: "gap", words: missing } : holds(axis, result),
    ],
  };
}

/** Refusal is no danger, but somebody has to know. */
export function works(axis: CageAxis, text: string): Attempt {
  return {
    text,
    judge: (result) => [
      isThrough(result.outcome)
        ? holds(axis, result)
        : { axis, kind: "amiss", words: `cannot ${result.text}: ${result.outcome}` },
    ],
  };
}

/** Success shows something; `wrong` says so when that is too much. */
export function finds(axis: CageAxis, text: string, wrong: (result: Result) => string | undefined): Attempt {
  return {
    text,
    judge: (result) => {
      const words = result.outcome === "ok" ? wrong(result) : undefined;
      return [words === undefined ? holds(axis, result) : broken(axis, words)];
    },
  };
}

/** A connection that is still on its way was not refused. */
function isThrough(outcome: string): boolean {
  return outcome === "ok" || outcome === "EINPROGRESS";
}

function holds(axis: CageAxis, { text, outcome, detail }: Result): Finding {
  return { axis, kind: "holds", words: `probe: ${text}: ${outcome}${detail === "" ? "" : ` (${detail})`}` };
}

function broken(axis: CageAxis, words: string): Finding {
  return { axis, kind: "broken", words };
}

// ---- What the probe says of itself

/** All of them are the server's own, but for those that this kind of cage has not. */
export function judgeNamespaces(
  plan: LaunchPlan,
  ofAppliance: readonly string[],
  result: Result,
): readonly Finding[] {
  // NB: a control group namespace is no part of the promise, and as root there is no user namespace.
  const spared = plan.identity.kind === "user-namespace" ? ["cgroup"] : ["cgroup", "user"];
  const shared = result.detail
    .split(" ")
    .filter((link) => ofAppliance.includes(link))
    .map((link) => link.slice(0, link.indexOf(":")))
    .filter((name) => !spared.includes(name));
  if (shared.length > 0) {
    return shared.map((name) => broken("processes", `It shares the ${name} namespace with the appliance.`));
  }
  return [holds("processes", result), ...(result.outcome === "ok" ? [holds("kill-tree", result)] : [])];
}

export function judgeIdentity({ identity }: LaunchPlan, result: Result): readonly Finding[] {
  const facts = factsOf(result.detail);
  const differ = (names: readonly string[], wanted: string): boolean =>
    names.some((name) => facts.get(name) !== wanted);
  const sets = ["effective", "permitted", "inheritable", "ambient"];
  const users = ["uid", "effective-uid", "saved-uid"];
  const groups = ["gid", "effective-gid", "saved-gid"];
  const ids = identity.kind === "appliance" ? undefined : identity;
  const checks: readonly (readonly [wrong: boolean, axis: CageAxis, words: string])[] = [
    [
      ids !== undefined && differ(users, String(ids.uid)),
      "identity",
      "It runs as another user than its own.",
    ],
    [
      ids !== undefined && differ(groups, String(ids.gid)),
      "identity",
      "It runs as another group than its own.",
    ],
    [
      identity.kind === "own-uid" && differ(["groups"], "0"),
      "identity",
      "It is a member of the appliance's groups.",
    ],
    [differ(sets, "0"), "identity", "It has capabilities."],
    [differ(["no-new-privileges"], "1"), "identity", "It can gain privileges."],
    [differ(["seccomp"], "2"), "syscalls", "It runs without a filter of system calls."],
  ];
  const found = checks.flatMap(([wrong, axis, words]) => (wrong ? [broken(axis, words)] : []));
  if (found.length > 0) return found;
  return [
    {
      axis: "identity",
      kind: "holds",
      words: `probe: uid ${facts.get("uid")}, no capabilities, no new privileges`,
    },
    { axis: "syscalls", kind: "holds", words: "probe: seccomp filter in force" },
  ];
}

/** Which axis a limit of the plan is about; those of other resources are about none. */
export const AXIS_OF_LIMIT: Readonly<Partial<Record<ResourceLimit["resource"], CageAxis>>> = {
  "address-space": "memory",
  data: "memory",
  processes: "pids",
};

/** Those of the plan are in force; others belong to the host. */
export function judgeLimits({ rlimits }: LaunchPlan, { detail }: Result): readonly Finding[] {
  const facts = factsOf(detail);
  return rlimits.flatMap(({ resource, value }) => {
    const axis = AXIS_OF_LIMIT[resource];
    const found = facts.get(resource);
    if (axis === undefined) return [];
    // NB: a hard limit of the host may be lower.
    if (Number(found) <= value)
      return [{ axis, kind: "holds" as const, words: `probe: limit of ${resource}: ${found}` }];
    return [broken(axis, `Its limit of ${resource} is ${found ?? "unknown"}, and should be ${value}.`)];
  });
}

/** "uid=1000 gid=1000": a name and a value each. */
function factsOf(detail: string): ReadonlyMap<string, string> {
  return new Map(
    detail.split(" ").map((fact) => {
      const [name = "", value = ""] = fact.split("=");
      return [name, value];
    }),
  );
}

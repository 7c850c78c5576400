// Tries a cage before a server is started in it: runs the probe with exactly the server's plan and says what it got
// through to. Called by cages.ts before the first start and after each change of a plan.

import type { Finding } from "./findings.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import { attemptsFor, type ProbeTargets } from "./probe-plan.ts";
import { judge, type ProbeRun } from "./probe-verdict.ts";

export interface ProbeOptions {
  /** Of the server. */
  readonly plan: LaunchPlan;
  readonly targets: ProbeTargets;
  /** What installProbe returned. */
  readonly program: string;
  /**
   * Starts a plan and waits for its end, some milliseconds; ends it at a deadline of its own. Keeps as much of stdout
   * as there are attempts: some 100 bytes each, and the paths that are granted.
   */
  readonly run: (plan: LaunchPlan) => Promise<ProbeRun>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface ProbeOutcome {
  readonly at: number;
  /** Where one is `broken`, the server must not start. */
  readonly findings: readonly Finding[];
  /** The version that the kernel has; undefined where it has none or was not asked. */
  readonly landlockAbi: number | undefined;
}

/** A plan without a cage is not tried. Rejects only where `run` does. */
export async function probeCage({ plan, targets, program, run, now }: ProbeOptions): Promise<ProbeOutcome> {
  const bare = probePlan(plan, program, []);
  const attempts = attemptsFor(bare, targets);
  if (attempts.length === 0) return { at: now(), findings: [], landlockAbi: undefined };
  const ended = await run({ ...bare, argv: [program, ...attempts.map(({ text }) => text)] });
  return { at: now(), ...judge(attempts, ended) };
}

/** The server's plan with the probe in its place: it sees itself in addition, and no variables, which hold secrets. */
export function probePlan(plan: LaunchPlan, program: string, attempts: readonly string[]): LaunchPlan {
  const probe = { ...plan, argv: [program, ...attempts], env: {}, terminal: false };
  if (plan.level === "off") return probe;
  if (plan.level === "confined")
    return { ...probe, paths: [...plan.paths, { path: program, access: "read" }] };
  return {
    ...probe,
    mounts: [
      ...plan.mounts,
      { kind: "bind", source: program, target: program, write: false, mapOwner: false },
    ],
  };
}

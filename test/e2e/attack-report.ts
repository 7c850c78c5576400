// What `toolcrib cage --json` says, as far as these tests rely on it, and whether it is the truth: compared with what
// attempts came to.

import * as v from "valibot";
import type { Crib } from "./appliance.ts";
import { type Attack, type Expected, gotThrough, isAsExpected } from "./attack-table.ts";
import { landlockVersion } from "./attack-host.ts";

const Level = v.picklist(["isolated", "confined", "off"]);
const Axis = v.looseObject({
  axis: v.string(),
  mechanism: v.string(),
  enforced: v.picklist(["yes", "partial", "no"]),
  evidence: v.array(v.string()),
  missing: v.array(v.string()),
});
const Cage = v.looseObject({
  server: v.string(),
  mode: v.picklist(["on", "off"]),
  minimum: Level,
  report: v.optional(v.looseObject({ requested: Level, level: Level, axes: v.array(Axis) })),
  network: v.array(v.string()),
  read: v.array(v.string()),
  write: v.array(v.string()),
  refused: v.array(
    v.looseObject({
      what: v.string(),
      reason: v.string(),
      count: v.number(),
      grant: v.optional(v.string()),
    }),
  ),
});
export type Cage = v.InferOutput<typeof Cage>;
export type Axis = v.InferOutput<typeof Axis>;

export async function cageOf(crib: Crib, name: string): Promise<Cage> {
  return v.parse(Cage, await crib.json("cage", name));
}

/** Of a server that was started. */
export function axisOf({ report, server }: Cage, name: string): Axis {
  const axis = report?.axes.find((each) => each.axis === name);
  if (axis === undefined) throw new Error(`nothing is known of ${name} of ${server}`);
  return axis;
}

/** What an attempt should have come to and did not; undefined where all is well. */
export function surprise({ attack, outcome }: Tried, expected: Expected, cage: Cage): string | undefined {
  if (!isMeant(attack, expected.on, cage) || isAsExpected(outcome, expected)) return undefined;
  return `${attack.words}: ${outcome} instead of ${expected.outcome}`;
}

/** Whether the host has what the line of the table is about. */
function isMeant({ axis }: Attack, on: string | undefined, cage: Cage): boolean {
  if (on === undefined) return true;
  if (on.startsWith("landlock")) return landlockVersion() >= Number(on.slice("landlock".length));
  return axisOf(cage, axis).mechanism.startsWith(on);
}

export interface Tried {
  readonly attack: Attack;
  readonly outcome: string;
}

/**
 * Where the report is not what the attempts show, as sentences: something got through an axis that it calls enforced,
 * or through a partial one in a way that it does not name; or nothing gets through what it calls open. Axes that nobody
 * attacked are left out.
 */
export function lies({ report }: Cage, tried: readonly Tried[]): readonly string[] {
  return (report?.axes ?? []).flatMap((axis) => {
    const attacks = tried.filter(({ attack }) => attack.axis === axis.axis);
    return attacks.length === 0 ? [] : [...tooGood(axis, attacks), ...tooBad(axis, attacks)];
  });
}

function tooGood({ axis, enforced, missing }: Axis, tried: readonly Tried[]): readonly string[] {
  if (enforced === "no") return [];
  return tried.flatMap(({ attack: { words, told }, outcome }) => {
    if (!gotThrough(outcome)) return [];
    if (enforced === "partial" && told !== "" && missing.some((words_) => words_.includes(told))) return [];
    return [
      `${axis} is said to be enforced (${enforced}: ${missing.join("; ")}), and "${words}" got through`,
    ];
  });
}

function tooBad({ axis, enforced, missing }: Axis, tried: readonly Tried[]): readonly string[] {
  const through = tried.filter(({ outcome }) => gotThrough(outcome));
  if (enforced === "no" && through.length === 0)
    return [`${axis} is said to be open, and nothing got through`];
  if (enforced !== "partial") return [];
  return missing.flatMap((words) => {
    const shown = through.some(({ attack: { told } }) => told !== "" && words.includes(told));
    return shown ? [] : [`${axis} is said to lack "${words}", and nothing shows it`];
  });
}

// How the probe is run in a server's place: with which plan, and what comes of its end.

import { describe, expect, test } from "bun:test";
import { wordsOf } from "../../src/cage/findings.ts";
import type { LaunchPlan } from "../../src/cage/launch-plan.ts";
import { probeCage, probePlan } from "../../src/cage/probe.ts";
import type { ProbeRun } from "../../src/cage/probe-verdict.ts";
import { printed } from "./answers.ts";
import { bind, CONFINED, ISOLATED, OFF, TARGETS } from "./example-plans.ts";

const PROGRAM = "/srv/toolcrib/programs/probe-0123456789abcdef";

async function tried(plan: LaunchPlan, end: Partial<ProbeRun> = {}) {
  const ran: LaunchPlan[] = [];
  const outcome = await probeCage({
    plan,
    targets: TARGETS,
    program: PROGRAM,
    run: (given) => {
      ran.push(given);
      return Promise.resolve({ stdout: printed(probePlan(plan, PROGRAM, [])), exitCode: 0, ...end });
    },
    now: () => 1_234,
  });
  return { ran, outcome };
}

describe("it is run by the server's own plan", () => {
  test("isolated: with itself in sight", async () => {
    const { ran, outcome } = await tried(ISOLATED);
    const [plan] = ran;
    expect(ran).toHaveLength(1);
    expect({ ...plan, argv: [] }).toEqual({
      ...ISOLATED,
      argv: [],
      env: {},
      mounts: [...ISOLATED.mounts, bind(PROGRAM)],
    });
    expect(plan?.argv[0]).toBe(PROGRAM);
    expect(plan?.argv).toContain("read /srv/toolcrib/toolcrib.db");
    expect(outcome.at).toBe(1_234);
    expect(outcome.landlockAbi).toBe(7);
    expect(wordsOf(outcome.findings, "broken")).toEqual([]);
  });

  test("confined: with leave to run", async () => {
    const { ran } = await tried(CONFINED);
    expect(ran[0]?.paths).toEqual([...CONFINED.paths, { path: PROGRAM, access: "read" }]);
    expect(ran[0]?.mounts).toEqual([]);
  });

  test("also below a file system of the server's own, where it would be gone", () => {
    const program = "/tmp/home/programs/probe";
    expect(probePlan(ISOLATED, program, []).mounts.at(-1)).toEqual(bind(program));
  });

  test("no secret and no terminal goes with it", () => {
    for (const plan of [ISOLATED, CONFINED, OFF]) {
      const given = probePlan({ ...plan, terminal: true }, PROGRAM, ["uid"]);
      expect(JSON.stringify(given)).not.toContain("hunter2");
      expect(given).toMatchObject({ env: {}, terminal: false, argv: [PROGRAM, "uid"] });
    }
  });
});

test("a plan without a cage runs nothing", async () => {
  const { ran, outcome } = await tried(OFF);
  expect(ran).toEqual([]);
  expect(outcome).toEqual({ at: 1_234, findings: [], landlockAbi: undefined });
});

test("a probe that was refused or ended early is no proof", async () => {
  const refused = await tried(ISOLATED, { stdout: "", exitCode: 125, refused: "no user namespace" });
  expect(wordsOf(refused.outcome.findings, "broken")).toEqual([
    "The probe could not be started: no user namespace.",
  ]);
  const early = await tried(ISOLATED, { stdout: "", exitCode: 137 });
  expect(wordsOf(early.outcome.findings, "broken")).toHaveLength(1);
});

test("what goes wrong while it is run is the caller's", async () => {
  const run = () => Promise.reject(new Error("no process left"));
  const attempt = probeCage({ plan: ISOLATED, targets: TARGETS, program: PROGRAM, run, now: () => 0 });
  expect(attempt).rejects.toThrow("no process left");
});

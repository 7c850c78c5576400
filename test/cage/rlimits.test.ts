// What stands in for control groups, and in which words it is told.

import { describe, expect, test } from "bun:test";
import { noSites, type Sites } from "../../src/cage/cgroup-sites.ts";
import type { ResourceLimit } from "../../src/cage/launch-plan.ts";
import { rlimitsFor } from "../../src/cage/rlimits.ts";

const MIB = 1024 ** 2;
const LIMITS = { memoryBytes: 1024 * MIB, processes: 256, cpus: 2 };
const NONE = noSites("not here").means;
const HAS = { mechanism: "cgroup v2", because: undefined } as const;
const ALL: Sites["means"] = { memory: HAS, pids: HAS, cpu: HAS };
const ALWAYS: readonly ResourceLimit[] = [
  { resource: "core", value: 0 },
  { resource: "files", value: 65_536 },
];

test("with control groups for everything nothing stands in", () => {
  expect(rlimitsFor(LIMITS, ALL, "own-uid")).toEqual({ rlimits: ALWAYS, instead: {} });
});

describe("without", () => {
  test.each(["own-uid", "user-namespace"] as const)(
    "%s: memory in part, processes whole, time not",
    (identity) => {
      const { rlimits, instead } = rlimitsFor(LIMITS, NONE, identity);
      expect(rlimits.slice(2)).toEqual([
        { resource: "data", value: 1024 * MIB },
        { resource: "processes", value: 256 },
      ]);
      expect(instead.memory).toMatchObject({
        enforced: "partial",
        missing: "memory limit per process, not per tree",
      });
      expect(instead.pids).toMatchObject({ mechanism: "rlimit", enforced: "yes", missing: undefined });
      expect(instead.cpu).toMatchObject({
        mechanism: "none",
        enforced: "no",
        missing: "no limit of processor time",
      });
    },
  );

  test("with the appliance's own user its other processes would count: no limit of them", () => {
    const { rlimits, instead } = rlimitsFor(LIMITS, NONE, "appliance");
    expect(rlimits.map(({ resource }) => resource)).toEqual(["core", "files", "data"]);
    expect(instead.pids).toMatchObject({ enforced: "no" });
  });

  test("less memory than a runtime counts before its first line is raised, and told", () => {
    const { rlimits, instead } = rlimitsFor({ ...LIMITS, memoryBytes: 64 * MIB }, NONE, "own-uid");
    expect(rlimits).toContainEqual({ resource: "data", value: 512 * MIB });
    expect(instead.memory?.missing).toBe("memory limit per process, not per tree, and 512 MiB is the least");
  });

  test("only what is missing is replaced", () => {
    const { rlimits, instead } = rlimitsFor(LIMITS, { ...ALL, pids: NONE.pids }, "own-uid");
    expect(rlimits.map(({ resource }) => resource)).toEqual(["core", "files", "processes"]);
    expect(Object.keys(instead)).toEqual(["pids"]);
  });
});

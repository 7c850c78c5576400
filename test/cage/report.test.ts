// What a report says for each kind of cage, and for each thing that is missing or found broken: golden/reports.txt has
// every case, a line an axis.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Means } from "../../src/cage/cgroup-sites.ts";
import type { LimitFacts } from "../../src/cage/cgroup.ts";
import type { Evidence } from "../../src/cage/evidence.ts";
import type { Finding } from "../../src/cage/findings.ts";
import type { LaunchPlan } from "../../src/cage/launch-plan.ts";
import type { ProbeOutcome } from "../../src/cage/probe.ts";
import { attemptsFor } from "../../src/cage/probe-plan.ts";
import { judge } from "../../src/cage/probe-verdict.ts";
import { cageReport, type ReportFacts } from "../../src/cage/report.ts";
import { rlimitsFor } from "../../src/cage/rlimits.ts";
import type { CageAxis, CageReport } from "../../src/model/cage-report.ts";
import { type Answers, printed } from "./answers.ts";
import { CONFINED, ISOLATED, OFF, TARGETS } from "./example-plans.ts";

const GROUPS = ["/sys/fs/cgroup/toolcrib/cage-files-1/cgroup.procs"];
const GROUP: LimitFacts = {
  memory: { mechanism: "cgroup v2", limit: 1_073_741_824 },
  pids: { mechanism: "cgroup v1", limit: 256 },
  cpu: { mechanism: "cgroup v2", limit: 2 },
  killable: true,
};
const NO_GROUP: LimitFacts = { killable: false };
const NONE: Means = { mechanism: undefined, because: "not delegated" };
const UNPRIVILEGED: LaunchPlan = { ...ISOLATED, identity: { kind: "user-namespace", uid: 1000, gid: 1000 } };
const AS_ROOT_WITHOUT_ID: LaunchPlan = { ...ISOLATED, identity: { kind: "appliance" } };
const OWN_UID: LaunchPlan = {
  ...CONFINED,
  cgroups: GROUPS,
  identity: { kind: "own-uid", uid: 2_000_000_001, gid: 2_000_000_001 },
};
const WITH_PROXY: LaunchPlan = { ...CONFINED, cgroups: GROUPS, network: { kind: "ports", ports: [41_873] } };
const UNFILTERED: LaunchPlan = { ...ISOLATED, seccomp: undefined };

/** As on a host without control groups. */
function ungrouped(plan: LaunchPlan, answers: Answers, evidence?: Evidence): ReportFacts {
  const limits = { memoryBytes: 1_073_741_824, processes: 256, cpus: 2 };
  const fallback = rlimitsFor(limits, { memory: NONE, pids: NONE, cpu: NONE }, plan.identity.kind);
  const limited = { ...plan, cgroups: [], rlimits: plan.level === "off" ? [] : fallback.rlimits };
  const { instead } = fallback;
  return { plan: limited, probed: probed(limited, answers), evidence, limits: NO_GROUP, instead };
}

function probed(plan: LaunchPlan, own: Answers = {}): ProbeOutcome {
  return { at: 1_000, ...judge(attemptsFor(plan, TARGETS), { stdout: printed(plan, own), exitCode: 0 }) };
}

function seen(...findings: readonly (readonly [CageAxis, Finding["kind"], string])[]): Evidence {
  return { at: 2_000, pid: 4712, findings: findings.map(([axis, kind, words]) => ({ axis, kind, words })) };
}

function facts(plan: LaunchPlan, some: Partial<ReportFacts> = {}): ReportFacts {
  return { plan, probed: probed(plan), evidence: undefined, limits: GROUP, instead: {}, ...some };
}

const ALIVE = seen(
  ["files", "holds", "/proc: mount namespace of its own"],
  ["processes", "holds", "/proc: process namespace of its own"],
  ["network", "holds", "/proc: network namespace of its own"],
  ["syscalls", "holds", "/proc: seccomp filter in force"],
  ["identity", "holds", "/proc: uid 2000000001, no capabilities, no new privileges"],
  ["memory", "holds", "/proc: in its control group"],
);

const CASES: Readonly<Record<string, ReportFacts>> = {
  "isolated, own uid, cgroups, running": facts(ISOLATED, { evidence: ALIVE }),
  "isolated, own uid, cgroups, only probed": facts(ISOLATED),
  "isolated, own uid, only running": facts(ISOLATED, { probed: undefined, evidence: ALIVE }),
  "isolated, own uid, before its first start": facts(ISOLATED, { probed: undefined, limits: undefined }),
  "isolated, user namespace, no cgroup": ungrouped(UNPRIVILEGED, {
    namespaces: "ok\tmnt:[9] pid:[9] net:[9] user:[9]",
  }),
  "isolated, as root without a uid of its own": facts(AS_ROOT_WITHOUT_ID),
  "isolated, no /proc inside": facts(ISOLATED, {
    probed: probed(ISOLATED, { pids: "ENOENT", namespaces: "ENOENT" }),
  }),
  "isolated, no filter": facts(UNFILTERED),
  "isolated, reads the database": facts(ISOLATED, {
    probed: probed(ISOLATED, { "read /srv/toolcrib/toolcrib.db": "ok" }),
  }),
  "isolated, cannot write what it was granted": facts(ISOLATED, {
    probed: probed(ISOLATED, { "write /srv/out": "EACCES" }),
  }),
  "isolated, shares a namespace when it runs": facts(ISOLATED, {
    evidence: seen(["network", "broken", "It shares the network namespace with the appliance."]),
  }),
  "isolated, moved out of its control group": facts(ISOLATED, {
    evidence: seen(["memory", "broken", "It is not in its control group /sys/fs/cgroup/x."]),
  }),
  "confined, own uid, no network, cgroups": facts(OWN_UID),
  "confined, appliance's user, proxy, no cgroup": ungrouped(
    WITH_PROXY,
    { "kill 4711": "ok", "listen-tcp": "ok" },
    seen(["kill-tree", "holds", "/proc: child of launcher 4711"]),
  ),
  "confined, proxy, Landlock without TCP": facts(WITH_PROXY, {
    probed: probed(WITH_PROXY, { landlock: "ok\t3" }),
  }),
  "confined, no Landlock": facts(OWN_UID, { probed: probed(OWN_UID, { landlock: "ENOSYS" }) }),
  "off, stopped": facts(OFF),
  "off, no cgroup, running": ungrouped(
    OFF,
    {},
    seen(["kill-tree", "holds", "/proc: child of launcher 4711"]),
  ),
};

function summary({ requested, level, axes }: CageReport): string {
  const lines = axes.map(({ axis, mechanism, enforced, missing }) => {
    return `  ${axis.padEnd(10)} ${enforced.padEnd(8)} ${mechanism}${missing.length > 0 ? `; missing: ${missing.join("; ")}` : ""}\n`;
  });
  return `${requested} was asked for, ${level} is what it is\n${lines.join("")}`;
}

// After a change that is wanted, UPDATE_GOLDEN=1 writes it anew; the diff is what has to be reviewed.
test("every case", async () => {
  const golden = Bun.file(join(import.meta.dir, "golden/reports.txt"));
  const all = Object.entries(CASES)
    .map(([name, given]) => `# ${name}\n${summary(cageReport(given))}`)
    .join("\n");
  if (process.env["UPDATE_GOLDEN"] === "1") await golden.write(all);
  expect(all).toBe(await golden.text());
});

describe("in every case", () => {
  test.each(Object.entries(CASES))("%s", (_name, given) => {
    const report = cageReport(given);
    expect(report.axes.map(({ axis }) => axis)).toHaveLength(9);
    for (const { enforced, missing, evidence, mechanism } of report.axes) {
      expect(missing.length > 0).toBe(enforced !== "yes");
      if (enforced !== "no") expect([evidence.length > 0, mechanism !== "none"]).toEqual([true, true]);
    }
    const decisive = report.axes.slice(0, 5);
    if (report.level === "isolated") expect(decisive.every(({ enforced }) => enforced === "yes")).toBe(true);
    if (decisive.some(({ enforced }) => enforced === "no")) expect(report.level).toBe("off");
    if (report.requested !== "isolated") expect(report.level).not.toBe("isolated");
  });
});

test("evidence says where it comes from, each fact once", () => {
  const { axes, probedAt, seenAt } = cageReport(facts(ISOLATED, { evidence: ALIVE }));
  expect({ probedAt, seenAt }).toEqual({ probedAt: 1_000, seenAt: 2_000 });
  const files = axes.find(({ axis }) => axis === "files")?.evidence ?? [];
  expect(files).toContain("probe: read /etc/shadow: EPERM");
  expect(files).toContain("/proc: mount namespace of its own");
  expect(new Set(files).size).toBe(files.length);
  expect(axes.find(({ axis }) => axis === "memory")?.evidence).toEqual([
    "cgroup v2: limit of 1073741824 bytes",
    "/proc: in its control group",
  ]);
});

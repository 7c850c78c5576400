// What a server is given or made to give up before it runs, beside its files and its network: limits, control groups,
// a filter of system calls, an identity. At each level that has them.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import type { LaunchPlan } from "../../../src/cage/launch-plan.ts";
import { seccompFilter } from "../../../src/cage/seccomp.ts";
import { toAppError } from "../../../src/errors.ts";
import { launch } from "../../../src/process/launch.ts";
import { attempt, isolationObstacle, landlockVersion, type Outcome, users } from "./attempts.ts";
import { childOf, procFile, status } from "./family.ts";
import { confinedPlan, isolatedPlan, OWN_ID } from "./plans.ts";
import { openScene, type Scene } from "./scene.ts";

const PIPES = { stdin: "pipe", stdout: "pipe", stderr: "pipe" } as const;
const [user = { name: "", uid: 0 }, other] = users();
const levels: readonly (readonly [string, typeof confinedPlan])[] = [
  ...(landlockVersion() > 0 ? [["confined", confinedPlan] as const] : []),
  ...(isolationObstacle(user) === undefined ? [["isolated", isolatedPlan] as const] : []),
];

let scene: Scene;
beforeAll(async () => {
  scene = await openScene(user, user.uid === 0 ? OWN_ID : user.uid);
});
afterAll(() => scene.close());

async function one(plan: LaunchPlan, who = user): Promise<Outcome> {
  const [outcome] = await attempt(who, [plan]);
  if (outcome === undefined) throw new Error("no outcome");
  return outcome;
}

describe.each(levels)("%s:", (_, planOf) => {
  const sh = (script: string): LaunchPlan => planOf(scene, user.uid, ["/bin/sh", "-c", script]);

  test("limits hold, soft and hard, and none is raised", async () => {
    const plan: LaunchPlan = {
      ...sh("cat /proc/self/limits"),
      rlimits: [
        { resource: "core", value: 0 },
        { resource: "files", value: 100 },
        { resource: "file-size", value: 4096 },
        { resource: "data", value: 2 ** 32 },
        { resource: "address-space", value: 2 ** 33 },
        { resource: "processes", value: Number.MAX_SAFE_INTEGER },
      ],
    };
    const { out } = await one(plan);
    const limit = (name: string, text: string): readonly string[] =>
      new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(text)?.slice(1) ?? [];
    expect(limit("Max core file size", out)).toEqual(["0", "0"]);
    expect(limit("Max open files", out)).toEqual(["100", "100"]);
    expect(limit("Max file size", out)).toEqual(["4096", "4096"]);
    expect(limit("Max data size", out)).toEqual([String(2 ** 32), String(2 ** 32)]);
    expect(limit("Max address space", out)).toEqual([String(2 ** 33), String(2 ** 33)]);
    const [, ours = ""] = limit("Max processes", readFileSync("/proc/self/limits", "utf8"));
    const most = ours === "unlimited" ? String(Number.MAX_SAFE_INTEGER) : ours;
    expect(limit("Max processes", out)).toEqual([most, most]);
  });

  test("a filter is there before the program, and no namespace can be made", async () => {
    const arch = process.arch === "arm64" ? "arm64" : "x64";
    const seccomp = seccompFilter({
      arch,
      inet: true,
      udp: true,
      unix: true,
      alone: true,
      namespaces: false,
    });
    const plan = { ...sh("grep Seccomp: /proc/self/status; unshare -U true && echo GOT THROUGH"), seccomp };
    const { process: outer, started } = launch(plan, PIPES);
    await started;
    expect(await outer.stdout.text()).toBe("Seccomp:\t2\n");
    await outer.exited;
  });

  test("a filter that the kernel does not take is refused", async () => {
    const plan = { ...sh("echo it ran"), seccomp: new Uint8Array(8).fill(255) };
    const { process: outer, started } = launch(plan, PIPES);
    const error = await started.then(() => undefined, toAppError);
    expect(error?.message).toContain("cannot filter system calls: Invalid argument");
    expect(await outer.stdout.text()).toBe("");
    expect(await outer.exited).toBe(125);
  });

  test("a control group that is not there is refused", async () => {
    const outcome = await one({ ...sh("echo it ran"), cgroups: ["/sys/fs/cgroup/none/cgroup.procs"] });
    expect(outcome).toMatchObject({ code: 125, out: "" });
    expect(outcome.refused).toContain("cannot join the group /sys/fs/cgroup/none/cgroup.procs: No such file");
  });

  const group = `/sys/fs/cgroup/pids/launcher-test-${process.pid}`;
  const canGroup = user.uid === 0 && made(group);
  test.skipIf(!canGroup)(
    "inner and all below it are in the groups, outer is not (skipped without cgroup v1 pids)",
    async () => {
      mkdirSync(group, { recursive: true });
      const plan = { ...planOf(scene, user.uid, ["/bin/cat"]), cgroups: [`${group}/cgroup.procs`] };
      const { process: outer, started } = launch(plan, PIPES);
      const { innerPid = 0 } = await started;
      const members = readFileSync(`${group}/cgroup.procs`, "utf8").trim().split("\n").map(Number);
      expect(members.toSorted()).toEqual([innerPid, childOf(innerPid)].toSorted());
      expect(procFile(outer.pid, "cgroup")).not.toContain("launcher-test");
      await outer.stdin.end();
      await outer.exited;
      rmdirSync(group);
    },
  );

  test("its own process above it cannot be looked into, by root's files or its own", async () => {
    const { process: outer, started } = launch(planOf(scene, user.uid, ["/bin/cat"]), PIPES);
    const { innerPid = 0 } = await started;
    // Not dumpable: what is in /proc of it is root's.
    expect(Bun.spawnSync(["stat", "-c", "%u", `/proc/${innerPid}/environ`]).stdout.toString()).toBe("0\n");
    const server = childOf(innerPid);
    for (const set of ["CapPrm", "CapEff", "CapInh", "CapAmb"])
      expect(status(server, set)).toBe("0000000000000000");
    expect(status(server, "Groups")).toBe(user.uid === 0 ? "" : status(process.pid, "Groups"));
    await outer.stdin.end();
    await outer.exited;
  });
});

/** True where a directory could be made, and it is gone again. */
function made(path: string): boolean {
  try {
    mkdirSync(path);
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

test.skipIf(user.uid !== 0 || isolationObstacle(user) !== undefined)(
  "inner keeps one capability: to end what is in its namespace (skipped unless root may isolate)",
  async () => {
    const { process: outer, started } = launch(isolatedPlan(scene, 0, ["/bin/cat"]), PIPES);
    const { innerPid = 0 } = await started;
    for (const set of ["CapPrm", "CapEff"]) expect(status(innerPid, set)).toBe("0000000000000020");
    await outer.stdin.end();
    await outer.exited;
  },
);

describe("an identity that cannot be is refused:", () => {
  test.skipIf(user.uid !== 0)("a user namespace for root (skipped unless root)", async () => {
    const plan = isolatedPlan(scene, 1, ["/bin/echo", "it ran"]);
    expect(await one(plan)).toMatchObject({
      code: 125,
      out: "",
      refused: expect.stringContaining("a user namespace for root"),
    });
  });

  const ordinary = user.uid === 0 ? other : user;
  test.skipIf(ordinary === undefined)(
    "a user of its own for a server of an ordinary user (skipped where there is none)",
    async () => {
      const plan = confinedPlan(scene, 0, ["/bin/echo", "it ran"]);
      expect(await one(plan, ordinary)).toMatchObject({
        code: 125,
        out: "",
        refused: expect.stringContaining("only root can"),
      });
    },
  );
});

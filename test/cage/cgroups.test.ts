// Control groups of the real kernel, in whichever versions this host has them: limits hold, nothing survives, nothing
// is left. Where a resource cannot be limited here, the test says so and is skipped.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Group } from "../../src/cage/cgroup.ts";
import { kernelFiles } from "../../src/cage/cgroup-files.ts";
import { hierarchies } from "../../src/cage/cgroup-mounts.ts";
import { type Cgroups, cgroupName, lookAtCgroups, openCgroups } from "../../src/cage/cgroups.ts";
import { until } from "../e2e/wait.ts";
import { FakeCgroups, OWN_PID } from "./fake-cgroups.ts";
import { firstLine, inGroup, lives } from "./cgroup-group.ts";

setDefaultTimeout(60_000);

const MIB = 1024 ** 2;
const LIMITS = { memoryBytes: 64 * MIB, processes: 32, cpus: 0.5 };

const here = lookAtCgroups();
const lacks = Object.entries(here).flatMap(([resource, { because }]) =>
  because === undefined ? [] : `${resource}: ${because}`,
);
/** The reason is printed once, in the name of the first test. */
const why = lacks.length === 0 ? "" : ` [this host: ${lacks.join("; ")}]`;

/** Another test file may be at work at the same moment. */
const name = `toolcrib-test-${crypto.randomUUID().slice(0, 8)}`;
let cgroups: Cgroups;
const groups: Group[] = [];

function create(id: string, limits = LIMITS): Group {
  const group = cgroups.create(id, limits);
  groups.push(group);
  return group;
}

/** Directories of groups that this host shows, with these names. */
function left(named: string): readonly string[] {
  return hierarchies(kernelFiles).flatMap(({ own }) =>
    [join(own, named), join(dirname(own), named)].filter((path) => existsSync(path)),
  );
}

beforeAll(async () => {
  cgroups = await openCgroups({ name });
});
afterEach(async () => {
  for (const group of groups.splice(0)) {
    await group.kill();
    await group.remove();
  }
});
afterAll(async () => {
  await cgroups.close();
  expect(left(name)).toEqual([]);
});

test(`means are what a look says${why}`, () => {
  expect(cgroups.means).toEqual(here);
});

test.skipIf(lacks.length > 0)("limits are read back, and figures begin at nothing", () => {
  const group = create("files");
  expect(group.facts()).toEqual({
    memory: { mechanism: here.memory.mechanism ?? "", limit: 64 * MIB },
    pids: { mechanism: here.pids.mechanism ?? "", limit: 32 },
    cpu: { mechanism: here.cpu.mechanism ?? "", limit: 0.5 },
    killable: true,
  });
  expect(group.usage()).toMatchObject({ processes: 0 });
  expect(group.oomKills()).toBe(0);
});

test.skipIf(here.pids.mechanism === undefined)(
  "no more processes than allowed, however they detach",
  async () => {
    const group = create("bomb");
    const child = inGroup(
      group,
      "i=0; while [ $i -lt 100 ]; do setsid sleep 60 >/dev/null 2>&1 & i=$((i+1)); done; echo all; wait",
    );
    expect(await child.exited).not.toBe(0);
    expect(await child.stdout.text()).not.toContain("all");
    expect(group.usage().processes ?? 0).toBeLessThanOrEqual(32);
    expect(group.usage().processes ?? 0).toBeGreaterThan(10);
  },
);

test.skipIf(here.memory.mechanism === undefined)(
  "out of memory is told apart, and spares everybody else",
  async () => {
    const group = create("hungry");
    const other = create("modest");
    const modest = inGroup(other, "exec sleep 60");
    // Keeps its last line in memory, which never ends.
    const hungry = inGroup(group, "exec tail /dev/zero");
    await hungry.exited;
    expect(hungry.signalCode).toBe("SIGKILL");
    expect(group.oomKills()).toBeGreaterThan(0);
    expect(group.usage().memoryPeakBytes ?? 0).toBeLessThanOrEqual(64 * MIB);
    expect(other.oomKills()).toBe(0);
    expect(lives(modest.pid)).toBe(true);
    await other.kill();
    await modest.exited;
  },
);

test.skipIf(here.memory.mechanism === undefined)("what it uses is seen while it runs", async () => {
  const group = create("busy");
  const child = inGroup(
    group,
    "head -c 20000000 /dev/zero | tail -c 20000000 > /dev/null; echo done; exec sleep 60",
  );
  expect(await firstLine(child.stdout)).toBe("done");
  const { memoryPeakBytes = 0, processes, cpuSeconds } = group.usage();
  expect(memoryPeakBytes).toBeGreaterThan(15_000_000);
  expect(processes).toBeGreaterThan(0);
  expect(cpuSeconds).toBeGreaterThan(0);
  await group.kill();
  await child.exited;
});

test.skipIf(left(name).length === 0 && here.pids.mechanism === undefined)(
  "kill ends all of it: detached, deaf to SIGTERM, forking on",
  async () => {
    const group = create("storm");
    const script = `
      trap '' TERM HUP INT
      (trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 1 & sleep 0.01; done' &)
      setsid sleep 60 & (setsid sleep 60 &)
      echo $$; while :; do sleep 1; done`;
    const child = inGroup(group, script);
    const pid = Number(await firstLine(child.stdout));
    expect(await group.kill()).toBe(true);
    await child.exited;
    expect(lives(pid)).toBe(false);
    await until("nobody is counted any more", () => (group.usage().processes ?? 0) === 0);
    expect(await group.remove()).toBe(true);
    for (const file of group.procsFiles) expect(existsSync(dirname(file))).toBe(false);
    // What is gone has no limits, no figures, and can be ended again.
    expect(group.facts()).toEqual({ killable: false });
    expect(group.oomKills()).toBe(0);
    expect([await group.kill(), await group.remove()]).toEqual([true, true]);
  },
);

test.skipIf(lacks.length > 0)("a limit that somebody takes away is seen", () => {
  const group = create("changed");
  for (const file of group.procsFiles) {
    const max = join(dirname(file), "pids.max");
    if (existsSync(max)) writeFileSync(max, "max");
  }
  expect(group.facts().pids).toBeUndefined();
  expect(group.facts().memory).toBeDefined();
});

test.skipIf(here.pids.mechanism === undefined)(
  "what an earlier appliance left is swept out, and what others have is not",
  async () => {
    const swept = `${name}-earlier`;
    const earlier = await openCgroups({ name: swept });
    const orphan = inGroup(
      earlier.create("files", LIMITS),
      "trap '' TERM; setsid sleep 60 & echo $!; exec sleep 60",
    );
    const detached = Number(await firstLine(orphan.stdout));
    earlier.create("empty", LIMITS);
    const other = create("of-another");
    const kept = inGroup(other, "echo ready; exec sleep 60");
    await firstLine(kept.stdout);

    // Without a close: killed, as far as its groups know.
    const next = await openCgroups({ name: swept });
    expect(await orphan.exited).not.toBe(0);
    await until("the detached process is gone", () => !lives(detached));
    expect(
      left(swept).flatMap((path) =>
        readdirSync(path, { withFileTypes: true }).filter((e) => e.isDirectory()),
      ),
    ).toEqual([]);
    expect(lives(kept.pid)).toBe(true);
    await next.close();
    expect(left(swept)).toEqual([]);
    await other.kill();
    await kept.exited;
  },
);

test("groups of one server have each a name of its own", () => {
  const names = [create("files"), create("files"), create("files-1")].map((group) => group.name);
  expect(new Set(names).size).toBe(3);
  for (const each of names) expect(each).toStartWith("cage-files");
});

test.each([["../../up"], ["a/b"], [""], [".."], ["a\nb"], ["a\0b"], ["x".repeat(300)]])(
  "%j is no name",
  (id) => {
    expect(() => cgroups.create(id, LIMITS)).toThrow(/Not the name of a group/);
  },
);

test("names of data directories are their own and fit", () => {
  expect(cgroupName("/var/lib/toolcrib")).toMatch(/^toolcrib-[0-9a-f]{12}$/);
  expect(cgroupName("/var/lib/toolcrib")).not.toBe(cgroupName("/srv/toolcrib"));
});

test("switched off: nothing is limited, nothing is made, and everything still works", async () => {
  const off = await openCgroups({ name: `${name}-off`, off: true });
  expect(off.means.memory).toEqual({ mechanism: undefined, because: "switched off by cage_without" });
  const group = off.create("files", LIMITS);
  expect(group.procsFiles).toEqual([]);
  expect(group.facts()).toEqual({ killable: false });
  expect(group.usage()).toEqual({
    memoryBytes: undefined,
    memoryPeakBytes: undefined,
    processes: undefined,
    cpuSeconds: undefined,
  });
  expect([group.oomKills(), await group.kill(), await group.remove()]).toEqual([0, true, true]);
  await off.close();
  expect(left(`${name}-off`)).toEqual([]);
});

describe("without root", () => {
  const UID = 64_999;
  const isRoot = process.getuid?.() === 0;

  test.skipIf(!isRoot || lacks.length > 0)(
    "a subtree that was given to the appliance's user is enough",
    async () => {
      const scratch = mkdtempSync(join(tmpdir(), "cgroup-user-"));
      const given = hierarchies(kernelFiles)
        .filter(
          ({ version, controllers }) =>
            version === 2 || controllers.some((each) => /^(memory|pids|cpu|cpuacct)$/.test(each)),
        )
        .map(({ own }) => join(basename(own) === "appliance" ? dirname(own) : own, `${name}-given`));
      try {
        for (const directory of given) {
          mkdirSync(directory);
          // As systemd does for Delegate=.
          for (const file of ["", "cgroup.procs", "tasks", "cgroup.subtree_control", "cgroup.threads"]) {
            if (existsSync(join(directory, file))) chownSync(join(directory, file), UID, UID);
          }
        }
        const built = await Bun.build({
          entrypoints: [join(import.meta.dir, "cgroups-as-user.ts")],
          target: "bun",
          outdir: scratch,
        });
        expect(built.success).toBe(true);
        const files = given.map((directory) => join(directory, "cgroup.procs"));
        const child = Bun.spawn(
          [process.execPath, join(scratch, "cgroups-as-user.js"), String(UID), ...files],
          {
            stdout: "pipe",
            stderr: "inherit",
          },
        );
        const said: unknown = JSON.parse((await child.stdout.text()) || "null");
        expect(said).toMatchObject({
          uid: UID,
          means: JSON.parse(JSON.stringify(here)),
          facts: { memory: { limit: 64 * MIB }, pids: { limit: 32 }, cpu: { limit: 0.5 }, killable: true },
          usage: { processes: 2 },
          killed: true,
          removed: true,
        });
        await child.exited;
      } finally {
        // An appliance stays in its leaf until it ends, and a moment longer.
        for (const directory of given.flatMap((path) => [join(path, "appliance"), path])) {
          await until(`${directory} is gone`, () => kernelFiles.removeDirectory(directory) !== "EBUSY");
        }
        rmSync(scratch, { recursive: true, force: true });
      }
    },
  );

  test("a user with nothing is refused by name, and nothing is left", async () => {
    const files = new FakeCgroups([
      {
        point: "/cg",
        version: 2,
        controllers: ["memory", "pids", "cpu"],
        group: "/user.slice",
        foreign: true,
      },
    ]);
    const none = await openCgroups({ name: "crib", files, pid: OWN_PID });
    expect(none.means.memory.because).toBe("the group /user.slice was not given to this user");
    expect(none.create("files", LIMITS).procsFiles).toEqual([]);
    expect(files.paths()).toEqual(["/cg", "/cg/user.slice"]);
  });
});

describe("what the kernel refuses later", () => {
  const unified = () =>
    new FakeCgroups([{ point: "/cg", version: 2, controllers: ["memory", "pids", "cpu"], group: "/unit" }]);
  const patience = { deadlineMs: 20, sleep: () => Promise.resolve(), now: performance.now.bind(performance) };

  test("a limit: the start fails with the reason, and the group is gone", async () => {
    const files = unified();
    const made = await openCgroups({ name: "crib", files, pid: OWN_PID, patience });
    files.refuses.set("pids.max", "EINVAL");
    expect(() => made.create("files", LIMITS)).toThrow(/control group of files.*pids.*EINVAL/);
    expect(files.paths().filter((path) => path.includes("cage-"))).toEqual([]);
    files.refuses.clear();
    expect(made.create("files", LIMITS).facts().pids?.limit).toBe(32);
  });

  test("an end: whoever asked is told, and is not kept for ever", async () => {
    const files = unified();
    const signalled: number[] = [];
    const signal = (pid: number): void => void signalled.push(pid);
    const made = await openCgroups({ name: "crib", files, pid: OWN_PID, patience, signal });
    const group = made.create("files", LIMITS);
    const [procs = ""] = group.procsFiles;
    files.enter(dirname(procs), 99);
    files.refuses.set("cgroup.kill", "EIO");
    expect(await group.kill()).toBe(false);
    expect(await group.remove()).toBe(false);
    // Nothing new may begin in it, and each process got its signal.
    expect(files.read(join(dirname(procs), "pids.max"))).toBe("0");
    expect(new Set(signalled)).toEqual(new Set([99]));
    expect(await made.sweep()).toEqual({ removed: 0, stuck: 1 });
    files.leave(99);
    expect([await group.kill(), await group.remove()]).toEqual([true, true]);
  });

  test("a group with the appliance in it, or with init, or with strangers' numbers, is not their end", async () => {
    const files = unified();
    const signalled: number[] = [];
    const signal = (pid: number): void => void signalled.push(pid);
    const made = await openCgroups({ name: "crib", files, pid: OWN_PID, patience, signal });
    const [procs = ""] = made.create("files", LIMITS).procsFiles;
    files.refuses.set("cgroup.kill", "ENOENT");
    for (const pid of [OWN_PID, 1, 0]) files.enter(dirname(procs), pid);
    await made.sweep();
    expect(signalled).toEqual([]);
  });
});

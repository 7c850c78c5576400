// What the report says of the end of a process tree, tried by killing what holds it together all at once; and what a
// cage's processes carry with them: no secret where others can see it, and no descriptor of the appliance's.

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { because, lacking, obstacleTo, uidOf } from "./attack-host.ts";
import { axisOf } from "./attack-report.ts";
import { AttackScene } from "./attack-scene.ts";
import { LEVELS, type Level, type User, USERS } from "./attack-table.ts";
import { below, groupsOf, type Process, processesOf, signal, stillThere } from "./processes.ts";
import { small } from "./servers.ts";
import { serverOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(60_000);

const MISSING = lacking(LEVELS, []);
if (MISSING !== "") console.log(MISSING);

const SECRET = "a-secret-of-the-server";

let scene: AttackScene;
let seen: readonly Process[] = [];
afterEach(async () => {
  for (const { pid } of await stillThere(seen)) signal(pid, "SIGKILL");
  seen = [];
  await scene.close();
});

function open(level: Level, user: User, without: readonly string[] = []): Promise<AttackScene> {
  return AttackScene.open({
    uid: uidOf(user),
    without: [...without, ...(level === "confined" ? ["namespaces"] : [])],
  });
}

function optionsOf(level: Level): readonly string[] {
  return level === "confined" ? ["--minimum", "confined"] : [];
}

async function look(): Promise<readonly Process[]> {
  const now = await processesOf(scene.crib.directory);
  seen = [...seen, ...now];
  return now;
}

/** Outer stands still, so that it cannot clean up; then inner is gone, then the appliance and outer. */
async function killLaunchersAndAppliance(): Promise<readonly Process[]> {
  const { pid: outer = 0 } = await serverOf(scene.crib, "attacker");
  const all = await look();
  const tree = below(outer, all);
  const inner = tree.find(({ parent }) => parent === outer);
  if (inner === undefined) throw new Error("no launcher inside");
  signal(outer, "SIGSTOP");
  signal(inner.pid, "SIGKILL");
  signal(scene.appliance.pid, "SIGKILL");
  signal(outer, "SIGKILL");
  await until("the launchers are gone", async () => {
    const left = await stillThere(all.filter(({ pid }) => [outer, inner.pid].includes(pid)));
    return left.length === 0;
  });
  return tree.filter(({ command }) => command.includes("lingerer"));
}

describe("the appliance and both launchers are killed at once:", () => {
  for (const user of USERS) {
    const obstacle = obstacleTo("isolated", user);
    test.skipIf(obstacle !== undefined)(
      `nothing is left, isolated as ${user}${because(obstacle)}`,
      async () => {
        scene = await open("isolated", user);
        await scene.add("attacker");
        expect(await scene.attempt("attacker", "linger")).toBe("ok");
        expect(axisOf(await scene.cage("attacker"), "kill-tree")).toMatchObject({
          enforced: "yes",
          missing: [],
        });

        const lingering = await killLaunchersAndAppliance();

        expect(lingering.length).toBe(1);
        await until("it is gone, too", async () => (await stillThere(lingering)).length === 0);
      },
    );
  }

  const cases: readonly { user: User; without: readonly string[] }[] = [
    { user: "root", without: [] },
    { user: "root", without: ["cgroups"] },
    { user: "user", without: ["cgroups"] },
  ];
  for (const { user, without } of cases) {
    const obstacle = obstacleTo("confined", user);
    const title = ["confined as", user, ...without.map((name) => `without ${name}`)].join(" ");
    test.skipIf(obstacle !== undefined)(
      `what is left is what the report says, ${title}${because(obstacle)}`,
      async () => {
        scene = await open("confined", user, without);
        await scene.add("attacker", "--minimum", "confined");
        expect(await scene.attempt("attacker", "linger")).toBe("ok");
        const { enforced, mechanism, missing } = axisOf(await scene.cage("attacker"), "kill-tree");
        const isGrouped = mechanism.includes("control group");
        expect(enforced).toBe("partial");
        expect(missing.join()).toMatch(
          isGrouped ? /until the next start of the appliance/ : /outlive a crash of both/,
        );

        const lingering = await killLaunchersAndAppliance();

        expect((await stillThere(lingering)).length).toBe(1);
        await scene.serve();
        // The next start sweeps out what control groups hold, and nothing else.
        if (isGrouped) expect(await stillThere(lingering)).toEqual([]);
        else expect((await stillThere(lingering)).length).toBe(1);
      },
    );
  }
});

const rootless = obstacleTo("isolated", "root");
test.skipIf(rootless !== undefined)(
  `control groups of a killed appliance go with its next start${because(rootless)}`,
  async () => {
    scene = await open("isolated", "root");
    await scene.add("attacker");
    const before = await groupsOf(scene.crib.directory);
    // On a host that has none, there is nothing to be left.
    expect(before.length > 0).toBe(
      axisOf(await scene.cage("attacker"), "memory").mechanism.startsWith("cgroup"),
    );

    await scene.appliance.stop("SIGKILL");
    expect(await groupsOf(scene.crib.directory)).toEqual(before);
    await scene.serve();

    const after = await groupsOf(scene.crib.directory);
    expect(after.filter((group) => before.includes(group))).toEqual([]);
  },
);

for (const level of ["isolated", "confined"] as const) {
  for (const user of USERS) {
    const obstacle = obstacleTo(level, user);
    describe.skipIf(obstacle !== undefined)(`${level} as ${user}${because(obstacle)}`, () => {
      test("secrets of a server are in its own environment, and in nothing else that can be seen", async () => {
        scene = await open(level, user);
        await scene.add("attacker", "--env", `TOKEN=${SECRET}`, ...optionsOf(level));
        expect(await scene.attempt("attacker", "environment TOKEN")).toBe(`ok ${SECRET}`);

        const { pid: outer = 0 } = await serverOf(scene.crib, "attacker");
        const all = await look();
        const server = below(outer, all).at(-1);
        const carriers: number[] = [];
        for (const { pid, command } of all) {
          expect(command).not.toContain(SECRET);
          const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
          if (environment.includes(SECRET)) carriers.push(pid);
        }
        expect(carriers).toEqual([server?.pid ?? -1]);
        expect(scene.appliance.output).not.toContain(SECRET);
      });

      test("a server gets three descriptors, and no other", async () => {
        scene = await open(level, user);
        const [, script = ""] = small();
        // A shell that looks at its own, and is a server then. What it looked through is closed again by then.
        const list =
          'for each in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$each ] && seen="$seen $each"; done';
        const add = [
          "add",
          "--yes",
          "--name",
          "attacker",
          "--env",
          "PATH=/usr/bin:/bin",
          ...optionsOf(level),
        ];
        const run = ["/bin/sh", "-c", `${list}; echo $seen > descriptors; exec sh "$0"`, script];
        await scene.crib.ok(...add, "--read", script, ...run);
        const descriptors = await readFile(join(scene.crib.home, "data/work/attacker/descriptors"), "utf8");
        expect(descriptors.trim()).toBe("0 1 2");
      });
    });
  }
}

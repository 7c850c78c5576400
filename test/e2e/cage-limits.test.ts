// A server that wants everything gets what its limits say: a fork bomb, a memory hog, a burner of processor time. The
// appliance and its other servers go on, and the end of it says why.

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { because, lacking, obstacleTo, uidOf } from "./attack-host.ts";
import { axisOf } from "./attack-report.ts";
import { AttackScene } from "./attack-scene.ts";
import { LEVELS, USERS } from "./attack-table.ts";
import { below, groupsOf, processesOf } from "./processes.ts";
import { serverOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(60_000);

const MISSING = lacking(LEVELS, []);
if (MISSING !== "") console.log(MISSING);

/** The bun of the attacker has a dozen threads. */
const PROCESSES = 64;

let scene: AttackScene;
afterEach(() => scene.close());

/** Whoever is not the attacker is as well as before. */
async function othersWork(): Promise<void> {
  expect(await within("the victim answers", scene.crib.ok("call", "victim__pong"), 20_000)).toStartWith(
    "pong ",
  );
  expect((await fetch(`${scene.appliance.url}/healthz`)).status).toBe(200);
}

async function processesOfAttacker(): Promise<number> {
  const { pid = 0 } = await serverOf(scene.crib, "attacker");
  return below(pid, await processesOf(scene.crib.directory)).length;
}

for (const user of USERS) {
  const obstacle = obstacleTo("isolated", user);
  describe.skipIf(obstacle !== undefined)(`isolated as ${user}${because(obstacle)}`, () => {
    test("a fork bomb stops at its limit, and goes with its server", async () => {
      scene = await AttackScene.open({ uid: uidOf(user) });
      await scene.addVictim();
      await scene.add("attacker", "--processes", String(PROCESSES), "--cpus", "0.5");
      expect(axisOf(await scene.cage("attacker"), "pids").enforced).toBe("yes");

      expect(await scene.attempt("attacker", "bomb")).toBe("ok");
      const counts: number[] = [];
      await until("it has gone off", async () => {
        counts.push(await processesOfAttacker());
        return counts.filter((count) => count > PROCESSES / 4).length >= 3;
      });
      await othersWork();
      counts.push(await processesOfAttacker());
      expect(Math.max(...counts)).toBeLessThanOrEqual(PROCESSES + 1);

      await within("it is disabled", scene.crib.ok("disable", "attacker"), 20_000);
      await until("nothing of it is left", async () => {
        const { pid } = await serverOf(scene.crib, "attacker");
        const left = (await processesOf(scene.crib.directory)).filter(({ command }) => /bomb/.test(command));
        return pid === undefined && left.length === 0;
      });
      await othersWork();
    });
  });
}

const unlimited = obstacleTo("isolated", "user");
test.skipIf(unlimited !== undefined)(
  `where a limit of data stands in for control groups, Bun has its compiler${because(unlimited)}`,
  async () => {
    scene = await AttackScene.open({ uid: uidOf("user"), without: ["cgroups"] });
    // It ends at once where it cannot have FFI, which needs the compiler; JavaScript is 20 times slower then.
    const program = scene.path("attacker/attacker.js");
    const added = await scene.crib.run(["add", "--yes", "--name", "compiled", process.execPath, program]);
    expect(added.code).toBe(0);
    expect(axisOf(await scene.cage("compiled"), "memory").mechanism).toStartWith("rlimit");
    expect(await scene.attempt("compiled", "pid")).toMatch(/^ok \d+$/);
  },
);

describe("with control groups", () => {
  const obstacle = obstacleTo("isolated", "root");

  test.skipIf(obstacle !== undefined)(
    `a memory hog ends for want of memory, and says so${because(obstacle)}`,
    async () => {
      scene = await AttackScene.open();
      await scene.addVictim();
      await scene.add("attacker");
      if (!axisOf(await scene.cage("attacker"), "memory").mechanism.startsWith("cgroup")) return;

      const { error } = await (await scene.agent()).call("attacker__try", { words: "hog" });
      expect(error?.message).toContain("ran out of memory");
      expect(error?.message).toContain("512 MiB");
      await othersWork();

      const server = await serverOf(scene.crib, "attacker");
      expect(server.exits).toBe(1);
      expect(`${server.reason} ${server.lastCrash}`).toContain("ran out of memory");
      expect((await serverOf(scene.crib, "victim")).exits).toBe(0);
      // It is as any other that crashed: it comes back.
      await until("it works again", async () =>
        (await scene.attempt("attacker", "pid").catch(() => "")).startsWith("ok"),
      );
    },
  );

  test.skipIf(obstacle !== undefined)(
    `a burner gets its share of processor time${because(obstacle)}`,
    async () => {
      scene = await AttackScene.open();
      await scene.add("attacker", "--cpus", "0.1");
      if (!axisOf(await scene.cage("attacker"), "cpu").mechanism.startsWith("cgroup")) return;

      expect(await scene.attempt("attacker", "burn 2")).toBe("ok");
      const groups = await groupsOf(scene.crib.directory);
      // The kernel counts how often it had to wait for its next share.
      await until("it is held back", () => groups.some((group) => throttled(group) > 2), 20_000);
    },
  );
});

function throttled(group: string): number {
  try {
    return Number(/^nr_throttled (\d+)/m.exec(readFileSync(join(group, "cpu.stat"), "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

// An attacker in each kind of cage, as root and as an ordinary user, tries all of attack-table.ts by MCP calls to the
// compiled executable. Every attempt comes to what the table says, and the report says no more and no less.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { because, lacking, obstacleTo, obstacleToAttack, uidOf } from "./attack-host.ts";
import { type Cage, lies, surprise, type Tried } from "./attack-report.ts";
import { AttackScene } from "./attack-scene.ts";
import { ATTACKS, expectedOf, LEVELS, type Level, USERS } from "./attack-table.ts";

setDefaultTimeout(60_000);

const MISSING = lacking(LEVELS, ATTACKS);
if (MISSING !== "") console.log(MISSING);

const OPTIONS: Readonly<Record<Level, { add: readonly string[]; without: readonly string[] }>> = {
  isolated: { add: [], without: [] },
  confined: { add: ["--minimum", "confined"], without: ["namespaces"] },
  off: { add: ["--cage", "off"], without: [] },
};

for (const level of LEVELS) {
  for (const user of USERS) {
    const obstacle = obstacleTo(level, user);
    describe.skipIf(obstacle !== undefined)(`${level} as ${user}${because(obstacle)}`, () => {
      const tried: Tried[] = [];
      let scene: AttackScene;
      let cage: Cage;

      beforeAll(async () => {
        const { add, without } = OPTIONS[level];
        scene = await AttackScene.open({ uid: uidOf(user), without });
        await scene.addVictim(...(level === "off" ? [] : add));
        await scene.add("attacker", ...add);
        cage = await scene.cage("attacker");
      });
      afterAll(() => scene.close());

      test("is what was asked for", () => {
        expect(cage.report?.requested).toBe(level);
        expect(cage.report?.level).toBe(level);
      });

      for (const attack of ATTACKS) {
        const expected = expectedOf(attack, level, user);
        if (expected.outcome === "-") continue;
        const lacks = obstacleToAttack(attack);
        test.skipIf(lacks !== undefined)(`${attack.act}: ${attack.words}${because(lacks)}`, async () => {
          const one = { attack, outcome: await scene.attempt("attacker", attack.words) };
          tried.push(one);
          expect(surprise(one, expected, cage)).toBeUndefined();
        });
      }

      test("the report is the truth", () => {
        expect(lies(cage, tried)).toEqual([]);
      });
    });
  }
}

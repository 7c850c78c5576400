// Servers that do everything wrong, started and stopped over and over on one appliance: afterwards there is no
// process, no mount, no control group, no descriptor and no memory more than before. TOOLCRIB_CHAOS_CYCLES says how
// often (2,000 for the whole), TOOLCRIB_CHAOS_LEVEL in which cages (isolated, confined, off).

import { chmod } from "node:fs/promises";
import { expect, setDefaultTimeout, test } from "bun:test";
import { Crib } from "./appliance.ts";
import { Crew, LIMITS, WAYS } from "./chaos.ts";
import { levelCases, titleOf } from "./levels.ts";
import { groupsOf } from "./processes.ts";
import { type Residue, residueOf } from "./residue.ts";
import { seeded } from "./seeded.ts";
import { until } from "./wait.ts";

const CYCLES = Number(process.env["TOOLCRIB_CHAOS_CYCLES"] ?? 70);
const LEVEL = process.env["TOOLCRIB_CHAOS_LEVEL"] ?? "isolated";
const IS_LONG = CYCLES >= 1000;
/** All at once: some of each way. */
const CREW = (IS_LONG ? 3 : 2) * WAYS.length;
/** Before anything is counted: code is compiled, rings of output are full, pools and buffers have their size. */
const WARM_UP = IS_LONG ? 400 : 2 * WAYS.length;
/** The long run tells how it grows on the way. */
const STAGES = IS_LONG ? 8 : 1;
/**
 * NB: the heap takes some three hundred cycles to its full size, which a short run does not have: that one finds what
 * is lost in pieces of 200 KiB, the long one what is lost in pieces of 3.
 */
const MAX_GROWTH_KIB = (IS_LONG ? 5 : 16) * 1024;
/**
 * The collector runs in idle moments, and what it frees goes back to the system some seconds later: the lowest figure
 * of so long counts, and the appliance may take some time more to come down to it.
 */
const IDLE_MS = IS_LONG ? 10_000 : 3_000;
const SETTLE_MS = 30_000;

const NOTHING = { processes: "", zombies: [], groups: [], mounts: [] };

setDefaultTimeout(CYCLES * 3_000 + 300_000);

const level = (await levelCases()).find(({ title }) => title === LEVEL);
if (level === undefined) throw new Error(`TOOLCRIB_CHAOS_LEVEL is no level: ${LEVEL}`);
const { env, uid, missing } = level;

test.skipIf(missing !== undefined)(`${CYCLES} starts and stops, ${titleOf(level)}`, async () => {
  const crib = await Crib.create(uid === undefined ? {} : { uid });
  try {
    await chmod(crib.directory, 0o711);
    const appliance = await crib.serve({ env: { ...LIMITS, ...env } });
    const look = (): Promise<Residue> => residueOf(crib, appliance.pid);
    const crew = await Crew.add(crib, appliance, level, CREW, seeded(20_261_123));
    await crew.run(WARM_UP);
    const before = await atRest(look);
    expect(before).toMatchObject(NOTHING);
    const startsBefore = await crew.starts();

    for (let stage = 1; stage <= STAGES; stage++) {
      const began = performance.now();
      await crew.run(CYCLES / STAGES);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const now = await atRest(look);
      const starts = (await crew.starts()) - startsBefore;
      console.log(`stage ${stage}, ${seconds} s: ${starts} starts by now, ${difference(before, now)}`);
    }
    console.log([...crew.outcomes].map(([outcome, count]) => `${count} × ${outcome}`).join(", "));

    expect((await crew.starts()) - startsBefore).toBeGreaterThanOrEqual(CYCLES);
    const most = before.anonymousKib + MAX_GROWTH_KIB;
    await until("the memory is given back", async () => (await look()).anonymousKib <= most, SETTLE_MS);
    const { descriptors, ...after } = await look();
    expect(after).toMatchObject(NOTHING);
    expect(descriptors).toEqual(before.descriptors);
    expect(await appliance.stop()).toBe(0);
    await crib.nothingRuns();
    expect(await groupsOf(crib.directory)).toEqual([]);
  } finally {
    await crib.remove();
  }
});

/** The lowest of its figures while it has nothing to do. */
async function atRest(look: () => Promise<Residue>): Promise<Residue> {
  let lowest = await look();
  for (const end = performance.now() + IDLE_MS; performance.now() < end;) {
    await Bun.sleep(200);
    const now = await look();
    if (now.anonymousKib <= lowest.anonymousKib) lowest = now;
  }
  return lowest;
}

function difference(before: Residue, now: Residue): string {
  const kib = now.anonymousKib - before.anonymousKib;
  return `${kib} KiB, ${now.descriptors.length - before.descriptors.length} descriptors and ${now.threads - before.threads} threads more`;
}

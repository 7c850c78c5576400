// The watch itself: a check that cannot see a process cannot fail. A server that left its group, session, environment
// and directory is found in every kind of cage by every trace that the cage leaves, and reported until it is gone.

import { chmod } from "node:fs/promises";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Crib } from "./appliance.ts";
import { type Level, type LevelCase, levelCases, titleOf } from "./levels.ts";
import { groupsOf, nothingLeft, processesOf, runs, signal, stillThere, type Trace } from "./processes.ts";
import { stray } from "./servers.ts";
import { until } from "./wait.ts";

setDefaultTimeout(60_000);

/** Of a process that shows nothing by itself. Where control groups cannot be had, one less. */
const TRACES: Readonly<Record<Level, readonly Trace[]>> = {
  isolated: ["mounts", "group", "parent"],
  confined: ["group", "parent"],
  off: ["parent"],
};

for (const level of await levelCases()) {
  describe.skipIf(level.missing !== undefined)(titleOf(level), () => {
    test("a lost process is found by every trace, and missed when it is gone", () => lost(level));
  });
}

async function lost({ level, env, options, uid }: LevelCase): Promise<void> {
  const crib = await Crib.create(uid === undefined ? {} : { uid });
  try {
    await chmod(crib.directory, 0o711);
    const appliance = await crib.serve({ env });
    await crib.ok("add", "--yes", "--name", "stray", "--env", "PATH=/usr/bin:/bin", ...options, ...stray());
    const sleeper = await until("it is lost", async () =>
      (await processesOf(crib.directory)).find(({ command }) => command === "sleep 600"),
    );
    const hasGroups = (await groupsOf(crib.directory)).length > 0;
    if (uid === undefined && level !== "off") expect(hasGroups).toBe(true);
    expect(sleeper.traces).toEqual(TRACES[level].filter((trace) => trace !== "group" || hasGroups));

    // Each of the two ways to be left, one after the other: below something, and known from before.
    const failure = await nothingLeft(crib.directory, 100).catch(String);
    expect(failure).toContain("left running after 100 ms");
    expect(failure).toContain(`  ${sleeper.pid} below ${sleeper.parent}: sleep 600 (`);
    const elsewhere = await nothingLeft(`${crib.directory}-2`, 100, [sleeper]).catch(String);
    expect(elsewhere).toContain("sleep 600");
    expect(await stillThere([{ ...sleeper, began: sleeper.began + 1 }])).toEqual([]);

    await appliance.stop("SIGKILL");
    await nothingLeft(crib.directory, 20_000, [sleeper]);
    expect(await runs(sleeper.pid)).toBe(false);
  } finally {
    await crib.remove();
  }
}

test("a process that names nothing and that nobody looked for is not found", async () => {
  const crib = await Crib.create();
  const child = Bun.spawn(["/bin/sleep", "60"], { cwd: "/", env: {} });
  try {
    expect(await processesOf(crib.directory)).toEqual([]);
    await nothingLeft(crib.directory, 100);
  } finally {
    signal(child.pid, "SIGKILL");
    await child.exited;
    await crib.remove();
  }
});

// Nothing of a server is left after any end of the server, of its launchers or of the appliance: for each level, with
// servers that do what they can to stay.

import { afterEach, afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CageLevel } from "../../../src/model/cage.ts";
import { type LaunchPlan, uncaged } from "../../../src/cage/launch-plan.ts";
import { launch } from "../../../src/process/launch.ts";
import { isolationObstacle, landlockVersion, type User, users } from "./attempts.ts";
import {
  childOf,
  exterminate,
  family,
  linesWith,
  MARK,
  procFile,
  restOf,
  server,
  status,
  until,
} from "./family.ts";
import { bind, confinedPlan, isolatedPlan } from "./plans.ts";
import { openScene, type Scene } from "./scene.ts";

const TEST_TIMEOUT_MS = 30_000;
const SERVERS = join(import.meta.dir, "servers");

const [self = { name: "", uid: 0 }, ...others] = users();
const LEVELS: readonly CageLevel[] = [
  "off",
  ...(landlockVersion() > 0 ? (["confined"] as const) : []),
  ...(isolationObstacle(self) === undefined ? (["isolated"] as const) : []),
];
if (LEVELS.length < 3) console.log(`this host has no more levels than ${LEVELS.join(", ")}`);

let scene: Scene;
let marks: string[] = [];

beforeAll(async () => {
  scene = await openScene(self);
  chmodSync(scene.work, 0o777);
});
afterEach(() => {
  for (const mark of marks) exterminate(mark);
  marks = [];
});
afterAll(() => scene.close());

function planFor(
  level: CageLevel,
  { uid }: User,
  argv: readonly string[],
): LaunchPlan & { readonly mark: string } {
  const mark = crypto.randomUUID();
  marks.push(mark);
  const env = { PATH: "/usr/bin:/bin", [MARK]: mark };
  if (level === "off") return { ...uncaged({ launcher: scene.launcher, argv, env, cwd: scene.work }), mark };
  if (level === "isolated") {
    const plan = isolatedPlan(scene, uid, argv);
    return { ...plan, env, mounts: [...plan.mounts, bind(SERVERS)], mark };
  }
  const plan = confinedPlan(scene, uid, argv);
  return { ...plan, env, paths: [...plan.paths, { path: SERVERS, access: "read" }], mark };
}

async function start(level: CageLevel, ...argv: string[]) {
  const { mark, ...plan } = planFor(level, self, argv);
  const { process: outer, started } = launch(plan, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const { innerPid: inner = 0 } = await started;
  return { mark, outer, inner };
}

function isGone(mark: string, ...launchers: readonly number[]): boolean {
  return family(mark).length === 0 && launchers.every((pid) => procFile(pid, "cmdline") === "");
}

describe.each(LEVELS.map((level) => [level] as const))("of a server that is %s, nothing is left", (level) => {
  const sh = (name: string, ...args: string[]) => start(level, "/bin/sh", server(name), ...args);

  test(
    "after it ended and left a detached process",
    async () => {
      const { mark, outer, inner } = await sh("leaver.sh");
      await linesWith(outer.stdout, "here", 2);
      await outer.stdin.end();
      expect(await outer.exited).toBe(3);
      expect(isGone(mark, inner)).toBe(true);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "after SIGUSR1, though it ignores end of input and SIGTERM",
    async () => {
      const { mark, outer, inner } = await sh("stubborn.sh");
      await linesWith(outer.stdout, "here", 4);
      await outer.stdin.end();
      outer.kill("SIGTERM");
      expect(family(mark).length).toBeGreaterThanOrEqual(4);
      outer.kill("SIGUSR1");
      expect(await outer.exited).toBe(137);
      expect(isGone(mark, inner)).toBe(true);
    },
    TEST_TIMEOUT_MS,
  );

  test.each(["outer", "inner", "the server"] as const)(
    "after kill -9 of %s",
    async (victim) => {
      const { mark, outer, inner } = await sh("stubborn.sh");
      await linesWith(outer.stdout, "here", 4);
      const pids = { outer: outer.pid, inner, "the server": childOf(inner) };
      process.kill(pids[victim], "SIGKILL");
      await outer.exited;
      await until("every process is gone", () => isGone(mark, inner));
    },
    TEST_TIMEOUT_MS,
  );

  const able = [self, ...others].filter(
    (user) => level !== "isolated" || isolationObstacle(user) === undefined,
  );
  test.each(able.map((user) => [user.name, user] as const))(
    "after kill -9 of the appliance, run by %s",
    async (_, user) => {
      const { mark, ...plan } = planFor(level, user, ["/bin/sh", server("stubborn.sh")]);
      const file = join(scene.root, `${mark}.json`);
      // The launcher's owner is root here, and so is its own directory.
      const mounts = plan.mounts.map((mount) =>
        mount.kind === "bind" ? { ...mount, mapOwner: false } : mount,
      );
      writeFileSync(file, JSON.stringify({ ...plan, mounts }));
      const spawner = Bun.spawn([process.execPath, join(import.meta.dir, "plan-spawner.ts"), file], {
        ...(process.getuid?.() === 0 ? { uid: user.uid, gid: user.uid } : {}),
        env: { HOME: "/nonexistent" },
        cwd: "/",
        stdin: "ignore",
        stdout: "pipe",
        stderr: "inherit",
      });
      const told = await linesWith(spawner.stdout, "here", 4);
      const launchers = (told.split("\n")[0] ?? "").split(" ").map(Number);
      expect(family(mark).length).toBeGreaterThanOrEqual(4);
      spawner.kill("SIGKILL");
      await spawner.exited;
      await until("every process is gone", () => isGone(mark, ...launchers));
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "of a storm of forks, while it rises",
    async () => {
      const { mark, outer, inner } = await sh("storm.sh", "8");
      await linesWith(outer.stdout, "here", 20);
      outer.kill("SIGUSR1");
      expect(await outer.exited).toBe(137);
      expect(isGone(mark, inner)).toBe(true);
    },
    TEST_TIMEOUT_MS,
  );

  test("SIGTERM reaches every descendant, once each time", async () => {
    const { outer } = await sh("polite.sh", "3");
    await linesWith(outer.stdout, "here", 3);
    for (const _ of [1, 2]) {
      outer.kill("SIGTERM");
      expect(await linesWith(outer.stdout, "asked", 3)).toBe("asked\n".repeat(3));
    }
    outer.kill("SIGUSR1");
    expect(await restOf(outer.stdout)).toBe("");
    await outer.exited;
  });

  test("the launchers hold nothing, and take little", async () => {
    const { outer, inner } = await start(level, "/bin/cat");
    const sizes = [outer.pid, inner].map((pid) => Number.parseInt(status(pid, "VmRSS") ?? "", 10));
    console.log(`${level}: resident memory of outer and inner launcher: ${sizes.join(" + ")} kB`);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(300);
    for (const pid of [outer.pid, inner]) {
      await until(
        "no descriptor is open",
        () => Bun.spawnSync(["ls", `/proc/${pid}/fd`]).stdout.length === 0,
      );
    }
    await outer.stdin.end();
    expect(await outer.exited).toBe(0);
  });
});

test("what a start costs", async () => {
  const rounds = 15;
  const took = async (run: () => Promise<unknown>): Promise<string> => {
    const times: number[] = [];
    // The first few are of a cold runtime.
    for (let round = -5; round < rounds; round++) {
      const begun = performance.now();
      await run();
      if (round >= 0) times.push(performance.now() - begun);
    }
    return `${(times.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0).toFixed(1)} ms`;
  };
  const costs = [
    `plain ${await took(() => Bun.spawn(["/bin/true"], { stdio: ["ignore", "ignore", "ignore"] }).exited)}`,
  ];
  for (const level of LEVELS) {
    const cost = await took(async () => {
      const { outer } = await start(level, "/bin/true");
      return outer.exited;
    });
    costs.push(`${level} ${cost}`);
  }
  console.log(`from spawn to the end of /bin/true, median of ${rounds}: ${costs.join(", ")}`);
});

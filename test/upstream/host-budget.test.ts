// Servers on a host that has not enough for all of them: who starts, who waits, who is stopped for it, and what is
// shown of all that.

import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { FIRST_SHARE, LEAST_SHARE } from "../../src/upstream/server-entry.ts";
import { configured, MIB, openPool, remote, type PoolLab, type PoolLabOptions } from "./pool-lab.ts";
import { turns } from "./scripted-connector.ts";

const NAMES = ["a", "b", "c", "d"];
const FIRST_MIB = FIRST_SHARE.memoryBytes / MIB;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  const timers = jest.getTimerCount();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

/** Servers `a` to `d`, never pinged, on a host with room for so many that were not measured yet. */
function open(rooms: number, options: PoolLabOptions = {}): PoolLab {
  const limits = { memoryBytes: rooms * FIRST_SHARE.memoryBytes, ...options.limits };
  const lab = openPool({ ...options, limits });
  lab.pool.apply(NAMES.map((name) => configured(name, { with: { health: false } })));
  return lab;
}

const usage = (mebibytes: number, processes = 3, cpuSeconds = 0.5) => ({
  memoryBytes: mebibytes * MIB,
  processes,
  cpuSeconds,
});

describe("a host that is full", () => {
  test("stops the idle server that was used longest ago, and starts when that is gone", async () => {
    const lab = open(2);
    const [a, b] = [await lab.start("a"), await lab.start("b")];
    lab.clock += 1_000;
    a.begun++;
    await lab.pass(1_000);
    b.ignoresClose = true;
    const c = lab.pool.acquire("c");
    await turns();
    expect([a.closeCalls, b.closeCalls]).toEqual([0, 1]);
    expect(lab.pool.status("b")).toMatchObject({
      state: "stopped",
      reason: "It was stopped while nobody used it, to make room for others; the next call starts it.",
    });
    expect(lab.connector("c").attempts).toHaveLength(0);
    expect(lab.pool.status("c")).toMatchObject({
      state: "starting",
      reason: "It waits for its turn to start.",
    });
    expect(lab.pool.host()).toMatchObject({ waiting: 1 });
    b.crash("ended");
    await turns();
    const started = lab.connector("c").last.connect();
    expect<unknown>(await c).toBe(started);
    // Nobody more than had to be.
    expect(a.closeCalls).toBe(0);
    await lab.pool.close();
  });

  test("takes nothing from who is in use: the others wait in order, and in the end are told", async () => {
    const lab = open(2);
    const [a, b] = [await lab.start("a"), await lab.start("b")];
    a.inFlight = 1;
    b.inFlight = 1;
    lab.clock += 60_000;
    const [c, d] = ["c", "d"].map((name) => lab.pool.acquire(name).catch((thrown: unknown) => thrown));
    await turns();
    await lab.pass(30_000);
    expect([a.closeCalls, b.closeCalls]).toEqual([0, 0]);
    b.inFlight = 0;
    await lab.pass(2_000);
    expect([a.closeCalls, b.closeCalls]).toEqual([0, 1]);
    expect(lab.connector("c").attempts).toHaveLength(1);
    expect(lab.connector("d").attempts).toHaveLength(0);
    lab.connector("c").last.connect().inFlight = 1;
    await c;
    jest.advanceTimersByTime(60_000);
    const told = await d;
    expect(told).toMatchObject({ code: "server-busy" });
    expect(String(told)).toContain(`it needs ${FIRST_MIB} MiB, and of the ${2 * FIRST_MIB} MiB`);
    expect(String(told)).toContain(`most of all a (${FIRST_MIB} MiB), c (${FIRST_MIB} MiB)`);
    expect(lab.pool.status("d")).toMatchObject({ state: "stopped", exits: 0 });
    await lab.pool.close();
  });

  test("does not end who has just become ready: its caller's first call is on the way", async () => {
    const lab = open(1);
    const a = await lab.start("a");
    const b = lab.pool.acquire("b").catch((thrown: unknown) => thrown);
    await turns();
    expect(a.closeCalls).toBe(0);
    await lab.pass(1_000);
    expect(a.closeCalls).toBe(1);
    await lab.pool.close();
    await b;
  });

  test("lets a remote server start: it takes nothing here", async () => {
    const lab = open(1);
    lab.pool.apply([configured("a"), configured("b"), remote("r")]);
    const a = await lab.start("a");
    a.inFlight = 1;
    const waits = lab.pool.acquire("b").catch((thrown: unknown) => thrown);
    await turns();
    await lab.start("r");
    expect(lab.pool.host().used).toEqual(FIRST_SHARE);
    await lab.pool.close();
    await waits;
  });

  test("is full by the number of processes, too", async () => {
    const lab = open(100, { limits: { instances: 1 } });
    const a = await lab.start("a");
    lab.clock += 1_000;
    const b = lab.pool.acquire("b");
    await turns();
    expect(a.closeCalls).toBe(1);
    const upstream = lab.connector("b").last.connect();
    expect<unknown>(await b).toBe(upstream);
    await lab.pool.close();
  });
});

describe("what a server takes", () => {
  test("is measured, and shown beside what it asks for", async () => {
    const lab = open(100);
    expect(lab.pool.status("a")).toMatchObject({
      usage: undefined,
      asksMemoryBytes: FIRST_SHARE.memoryBytes,
    });
    const starting = lab.pool.acquire("a");
    await turns();
    lab.connector("a").onSpawn(11);
    lab.usages.set(11, usage(40));
    lab.connector("a").last.connect();
    await starting;
    await lab.pass(1_000);
    expect(lab.pool.status("a")).toMatchObject({
      usage: usage(40),
      // The estimate is over: it was seen what it needs.
      asksMemoryBytes: 40 * MIB,
    });
    expect(lab.pool.host().used).toEqual({ memoryBytes: 40 * MIB, processes: 3, instances: 1 });

    lab.usages.set(11, usage(300, 20));
    await lab.pass(5_000);
    lab.usages.set(11, usage(50));
    await lab.pass(5_000);
    expect(lab.pool.status("a")).toMatchObject({ usage: usage(50), asksMemoryBytes: 300 * MIB });
    expect(lab.pool.host().used.memoryBytes).toBe(50 * MIB);
    await lab.pool.close();
  });

  test("is known from its first moment on; a little is kept for what comes after that", async () => {
    const lab = open(100);
    const starting = lab.pool.acquire("a");
    await turns();
    lab.connector("a").onSpawn(11);
    lab.usages.set(11, usage(5, 2));
    lab.connector("a").last.connect();
    await starting;
    expect(lab.pool.status("a")).toMatchObject({
      usage: usage(5, 2),
      asksMemoryBytes: LEAST_SHARE.memoryBytes,
    });
    expect(lab.pool.host().used.memoryBytes).toBe(5 * MIB);
    await lab.pool.close();
  });

  test("is the sum of its processes", async () => {
    const lab = open(100);
    lab.pool.apply([configured("a", { specHash: "another", with: { isolation: "caller" } })]);
    for (const [index, callerId] of ["alice", "bob"].entries()) {
      const starting = lab.pool.acquire("a", { callerId, sessionId: undefined });
      await turns();
      lab.connector("a").onSpawn(index + 1);
      lab.usages.set(index + 1, usage(10 + index, 2, 1.25));
      lab.connector("a").last.connect();
      await starting;
    }
    await lab.pass(1_000);
    expect(lab.pool.status("a")).toMatchObject({ instances: 2, usage: usage(21, 4, 2.5) });
    await lab.pool.close();
  });

  test("counts for as long as it is there, and its next start asks for the most that it took", async () => {
    const lab = open(3);
    const starting = lab.pool.acquire("a");
    await turns();
    lab.connector("a").onSpawn(11);
    lab.usages.set(11, usage(2 * FIRST_MIB));
    const a = lab.connector("a").last.connect();
    await starting;
    await lab.pass(1_000);
    a.crash("gone");
    await turns();
    expect(lab.pool.status("a")).toMatchObject({ state: "backing-off", usage: undefined });
    expect(lab.pool.host().used.memoryBytes).toBe(0);
    lab.clock += 250;
    jest.advanceTimersByTime(250);
    await turns();
    expect(lab.pool.host().used.memoryBytes).toBe(2 * FIRST_SHARE.memoryBytes);
    await lab.pool.close();
  });

  test("that has grown beyond the host's budget ends idle ones, and never busy ones", async () => {
    const lab = open(3);
    const pids = new Map([
      ["a", 1],
      ["b", 2],
    ]);
    const upstreams = [];
    for (const [name, pid] of pids) {
      const starting = lab.pool.acquire(name);
      await turns();
      lab.connector(name).onSpawn(pid);
      lab.usages.set(pid, usage(50));
      upstreams.push(lab.connector(name).last.connect());
      await starting;
    }
    await lab.pass(6_000);
    const [a, b] = upstreams;
    if (a === undefined || b === undefined) throw new Error("two were started");
    a.inFlight = 1;
    lab.usages.set(1, usage(4 * FIRST_MIB));
    await lab.pass(6_000);
    expect([a.closeCalls, b.closeCalls]).toEqual([0, 1]);
    await lab.pool.close();
  });
});

test("a hundred servers on the room of twenty: each is started when it is called, and the room is kept", async () => {
  const names = Array.from({ length: 100 }, (_, index) => `s${index}`);
  const lab = openPool({ limits: { memoryBytes: 20 * FIRST_SHARE.memoryBytes, parallelStarts: 4 } });
  lab.pool.apply(names.map((name) => configured(name, { with: { health: false } })));
  const answered = new Set<string>();
  const failed: unknown[] = [];
  for (const name of names) {
    lab.pool.acquire(name).then(
      () => answered.add(name),
      (thrown: unknown) => failed.push(thrown),
    );
  }
  let most = 0;
  for (let second = 0; second < 60 && answered.size < names.length; second++) {
    for (let step = 0; step < 10; step++) {
      for (const each of lab.made) if (each.isOpen) each.last.connect();
      await turns();
      most = Math.max(most, lab.pool.host().used.memoryBytes);
    }
    await lab.pass(1_000);
  }
  expect(failed).toEqual([]);
  expect(answered.size).toBe(100);
  expect(most).toBe(20 * FIRST_SHARE.memoryBytes);
  const running = names.filter((name) => lab.pool.status(name)?.state === "ready");
  expect(running.length).toBeLessThanOrEqual(20);
  await lab.pool.close();
  expect(lab.made.reduce((sum, { alive }) => sum + alive, 0)).toBe(0);
});

// A server that nobody needs is stopped, and one that somebody needs is not: by the clock of the pool.

import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { HEARTBEAT } from "../../src/upstream/activity.ts";
import { AppError } from "../../src/errors.ts";
import { configured, openPool, remote, type PoolLab } from "./pool-lab.ts";
import { turns } from "./scripted-connector.ts";

const ALICE = { callerId: "alice", sessionId: "s1" };
const MINUTE = 60_000;
const IDLE = { idleStopMs: 15 * MINUTE };
const CALL = { method: "tools/call", params: undefined, progressToken: undefined, timeoutMs: 1 };
const NOBODY = {
  result: () => undefined,
  error: () => undefined,
  progress: () => undefined,
  lost: () => undefined,
};

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  const timers = jest.getTimerCount();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

/** A pool whose servers are never pinged, so that nothing but calls happens to them. */
function open(...servers: readonly ReturnType<typeof configured>[]): PoolLab {
  const lab = openPool(IDLE);
  lab.pool.apply(servers);
  return lab;
}
const quiet = (name: string, more: object = {}) => configured(name, { with: { health: false, ...more } });

describe("an idle server", () => {
  test("is stopped when its time is over, and started by the next call", async () => {
    const lab = open(quiet("a"));
    const first = await lab.start("a");
    await lab.pass(15 * MINUTE - 1_000);
    expect(lab.pool.ready("a")).toBe(first);
    await lab.pass(1_000);
    expect(first.closeCalls).toBe(1);
    expect(lab.pool.ready("a")).toBeUndefined();
    expect(lab.pool.status("a")).toMatchObject({
      state: "stopped",
      reason: "Nobody needed it for 15 min; the next call starts it.",
      exits: 0,
      instances: 0,
      pid: undefined,
    });
    expect(lab.events).toEqual(["a stopped", "a starting", "a ready", "a stopped"]);
    expect(await lab.start("a")).not.toBe(first);
    await lab.pool.close();
  });

  test("may be a remote one: its session is closed", async () => {
    const lab = openPool(IDLE);
    lab.pool.apply([remote("r", { health: false })]);
    const upstream = await lab.start("r");
    await lab.pass(15 * MINUTE);
    expect(upstream.closeCalls).toBe(1);
    await lab.pool.close();
  });

  test("has a time of its own, or is never stopped", async () => {
    const lab = open(quiet("short", { idleStopMs: 1_000 }), quiet("never", { idleStopMs: 0 }));
    const [short, never] = [await lab.start("short"), await lab.start("never")];
    await lab.pass(2_000);
    expect(short.closeCalls).toBe(1);
    expect(lab.pool.status("short")?.reason).toBe("Nobody needed it for 1 s; the next call starts it.");
    await lab.pass(60 * MINUTE);
    expect(never.closeCalls).toBe(0);
    await lab.pool.close();
  });

  test("that is pinged is idle all the same", async () => {
    const lab = open(configured("a"));
    const upstream = await lab.start("a");
    for (let minute = 0; minute < 16; minute++) {
      await lab.pass(MINUTE);
      while (upstream.sinks.length > 0) upstream.settle();
    }
    expect(upstream.requests.length).toBeGreaterThan(10);
    expect(upstream.requests.every(({ method }) => method === "ping")).toBe(true);
    expect(upstream.closeCalls).toBe(1);
    await lab.pool.close();
  });

  test("of one caller is let go of altogether", async () => {
    const lab = open(quiet("a", { isolation: "caller" }));
    await lab.start("a", ALICE);
    await lab.pass(15 * MINUTE + 1_000);
    expect(lab.gone).toHaveLength(1);
    expect(lab.pool.status("a")).toMatchObject({ state: "stopped", instances: 0 });
    await lab.pool.close();
  });

  test("of one caller that cannot start is let go of too, when the caller comes no more", async () => {
    const lab = open(quiet("a", { isolation: "caller" }));
    const asked = lab.pool.acquire("a", ALICE).catch((thrown: unknown) => thrown);
    await turns();
    lab.connector("a").last.fail(new AppError("blocked", "no user name spaces"));
    expect(await asked).toMatchObject({ code: "blocked" });
    await lab.pass(15 * MINUTE - 1_000);
    expect(lab.pool.status("a")?.state).toBe("blocked");
    await lab.pass(2_000);
    expect(lab.pool.status("a")?.state).toBe("stopped");
    expect(lab.gone).toHaveLength(1);
    await lab.pool.close();
  });
});

describe("a server is not idle", () => {
  test("with a call in flight, however long that takes", async () => {
    const lab = open(quiet("a"));
    const upstream = await lab.start("a");
    upstream.begin(CALL, NOBODY);
    await lab.pass(60 * MINUTE);
    expect(upstream.closeCalls).toBe(0);
    upstream.settle();
    await lab.pass(15 * MINUTE - 2_000);
    expect(upstream.closeCalls).toBe(0);
    await lab.pass(3_000);
    expect(upstream.closeCalls).toBe(1);
    await lab.pool.close();
  });

  test("when calls come and go between two looks", async () => {
    const lab = open(quiet("a"));
    const upstream = await lab.start("a");
    for (let minute = 0; minute < 30; minute += 10) {
      upstream.begin(CALL, NOBODY);
      upstream.settle();
      await lab.pass(10 * MINUTE);
    }
    expect(upstream.closeCalls).toBe(0);
    await lab.pool.close();
  });

  test("while somebody listens on its own endpoint, or in the session whose process it is", async () => {
    const lab = open(quiet("a"), quiet("own", { isolation: "session" }));
    const [a, own] = [await lab.start("a"), await lab.start("own", ALICE)];
    lab.leases = { servers: new Set(["a"]), sessions: new Set(["s1"]) };
    await lab.pass(60 * MINUTE);
    expect([a.closeCalls, own.closeCalls]).toEqual([0, 0]);
    lab.leases = { servers: new Set(["own"]), sessions: new Set(["s2"]) };
    await lab.pass(1_000);
    expect([a.closeCalls, own.closeCalls]).toEqual([1, 1]);
    await lab.pool.close();
  });

  test("while it starts and callers wait", async () => {
    const lab = open(quiet("a", { isolation: "caller" }));
    const waiting = lab.pool.acquire("a", ALICE).catch((thrown: unknown) => thrown);
    await turns();
    await lab.pass(60 * MINUTE);
    expect(lab.connector("a").last.signal.aborted).toBe(false);
    await lab.pool.close();
    expect(await waiting).toMatchObject({ code: "server-lost" });
  });
});

describe("a server that answers no ping", () => {
  test("is ended and started again, with the reason", async () => {
    const lab = open(configured("a"));
    const upstream = await lab.start("a");
    for (let misses = 1; misses <= HEARTBEAT.misses; misses++) {
      expect(upstream.closeCalls).toBe(0);
      await lab.pass(HEARTBEAT.quietMs);
      expect(upstream.requests).toHaveLength(misses);
      upstream.settle((sink) => sink.lost(new AppError("server-timeout", "no answer")));
      await turns();
    }
    expect(upstream.closeCalls).toBe(1);
    expect(lab.pool.status("a")).toMatchObject({
      state: "backing-off",
      reason: "The server did not answer 3 pings in a row within 10 s each",
      exits: 1,
    });
    expect(lab.pool.lastCrash("a")).toContain("did not answer 3 pings");
    await lab.pool.close();
  });

  test("is left alone where its specification says so", async () => {
    const lab = open(quiet("a", { idleStopMs: 0 }));
    const upstream = await lab.start("a");
    await lab.pass(10 * MINUTE);
    expect(upstream.requests).toEqual([]);
    await lab.pool.close();
  });
});

test("there is one timer while something runs, and none while nothing does", async () => {
  const lab = open(quiet("a"), quiet("b"));
  expect(jest.getTimerCount()).toBe(0);
  await lab.start("a");
  await lab.start("b");
  expect(jest.getTimerCount()).toBe(1);
  await lab.pass(15 * MINUTE);
  expect(lab.pool.status("a")?.state).toBe("stopped");
  expect(jest.getTimerCount()).toBe(0);
  await lab.start("a");
  // It looks by itself.
  lab.clock += 20 * MINUTE;
  jest.advanceTimersByTime(1_000);
  expect(lab.pool.status("a")?.state).toBe("stopped");
  await lab.pool.close();
});

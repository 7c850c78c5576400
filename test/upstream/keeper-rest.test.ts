// What ends a life from outside: nobody needs it, it does not do its work, it cannot start at all, the host has no room.

import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { NO_SHARE, type Place } from "../../src/process/budget.ts";
import { admission, advance, keep, startFailed, watch } from "./kept.ts";
import { turns } from "./scripted-connector.ts";

const open = new AbortController().signal;

beforeEach(() => {
  jest.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  const timers = jest.getTimerCount();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

describe("rest", () => {
  test("ends what nobody needs; who needs it meanwhile waits for its end and gets a new one", async () => {
    const { keeper, connector, states, crashes } = keep();
    void keeper.acquire();
    await turns();
    const first = connector.last.connect();
    await turns();
    first.ignoresClose = true;
    keeper.rest("Nobody needed it.");
    // From this moment on no call gets the one that ends.
    expect(keeper.ready).toBeUndefined();
    expect(first.closeCalls).toBe(1);
    expect(keeper.status()).toMatchObject({ state: "stopped", reason: "Nobody needed it." });

    const waiter = watch(keeper.acquire());
    await turns();
    expect(connector.attempts).toHaveLength(1);
    expect(waiter.settled).toBe(false);
    first.crash("The server exited with code 0");
    await turns();
    expect(connector.attempts).toHaveLength(2);
    const second = connector.last.connect();
    await turns();
    expect(waiter.value).toBe(second);
    expect(states).toEqual(["starting", "ready", "stopped", "starting", "ready"]);
    expect([crashes, keeper.exits]).toEqual([[], 0]);
    await keeper.close();
    expect(connector.alive).toBe(0);
  });

  test("of what does not run changes nothing", async () => {
    const { keeper, connector, states } = keep();
    keeper.rest("Nobody needed it.");
    void keeper.acquire().catch(() => undefined);
    await turns();
    keeper.rest("Nobody needed it.");
    expect(connector.attempts[0]?.signal.aborted).toBe(false);
    expect(states).toEqual(["starting"]);
    await keeper.close();
  });

  test("and close waits for the end", async () => {
    const { keeper, connector } = keep();
    void keeper.acquire();
    await turns();
    const upstream = connector.last.connect();
    await turns();
    upstream.ignoresClose = true;
    keeper.rest("Nobody needed it.");
    const closed = watch(keeper.close());
    await turns();
    expect(closed.settled).toBe(false);
    upstream.crash("ended");
    await turns();
    expect(closed.settled).toBe(true);
  });
});

describe("a server that runs and does not do its work", () => {
  test("is ended and started again by the table, with the reason; never two at once", async () => {
    const { keeper, connector, crashes, states } = keep();
    void keeper.acquire();
    await turns();
    const first = connector.last.connect();
    await turns();
    first.ignoresClose = true;
    keeper.fail(new AppError("server-lost", "The server did not answer 3 pings"));
    keeper.fail(new AppError("server-lost", "again"));
    expect(keeper.ready).toBeUndefined();
    expect(keeper.status()).toMatchObject({
      state: "backing-off",
      reason: "The server did not answer 3 pings",
    });
    expect([crashes, keeper.exits]).toEqual([["The server did not answer 3 pings"], 1]);
    const waiter = watch(keeper.acquire());
    // Its end takes longer than the wait for the next start.
    await advance(5_000);
    expect(connector.attempts).toHaveLength(1);
    first.crash("did not end when it was asked to");
    await turns();
    const second = connector.last.connect();
    await turns();
    expect(waiter.value).toBe(second);
    expect(states).toEqual(["starting", "ready", "backing-off", "starting", "ready"]);
    expect(keeper.exits).toBe(1);
    await keeper.close();
  });
});

describe("a start that cannot be", () => {
  const blocked = new AppError("blocked", "The cage is below its minimum: no user name spaces");

  test("is not tried again until somebody says so, and tells everybody why", async () => {
    const { keeper, connector, crashes } = keep();
    const waiter = watch(keeper.acquire());
    await turns();
    connector.last.fail(blocked);
    await turns();
    const sentence =
      "Server files is blocked: The cage is below its minimum: no user name spaces. " +
      "When that is mended, `toolcrib restart files` starts it.";
    expect(waiter.error).toMatchObject({ code: "blocked", message: sentence });
    expect(keeper.status()).toMatchObject({
      state: "blocked",
      nextStartAt: undefined,
      reason: blocked.message,
    });
    expect([crashes, keeper.exits]).toEqual([[blocked.message], 0]);

    await advance(24 * 3_600_000);
    const later = watch(keeper.acquire());
    keeper.wake();
    await turns();
    expect(later.error).toMatchObject({ code: "blocked", message: sentence });
    expect(connector.attempts).toHaveLength(1);

    const restarted = watch(keeper.restart());
    await turns();
    const upstream = connector.last.connect();
    await turns();
    expect(restarted.value).toBe(upstream);
    expect(keeper.status()).toMatchObject({ state: "ready", reason: undefined });
    await keeper.close();
  });
});

describe("wake", () => {
  test("starts what is stopped, and nobody waits for it", async () => {
    const { keeper, connector } = keep();
    keeper.wake();
    keeper.wake();
    await turns();
    expect([connector.attempts.length, keeper.waiting]).toEqual([1, 0]);
    connector.last.fail(startFailed("no"));
    await turns();
    keeper.wake();
    await turns();
    expect(connector.attempts).toHaveLength(1);
    await keeper.close();
    keeper.wake();
    expect(keeper.phase).toBe("stopped");
  });
});

describe("the host", () => {
  test("is asked before each start, and has its room back when nothing of it is left", async () => {
    const told: string[] = [];
    const place: Place = {
      share: NO_SHARE,
      started: () => told.push("started"),
      measured: () => undefined,
      leaving: () => told.push("leaving"),
      gone: () => told.push("gone"),
    };
    const { keeper, connector } = keep({
      admit: () => {
        told.push("asked");
        return Promise.resolve(place);
      },
    });
    void keeper.acquire();
    expect(keeper.status().reason).toBe("It waits for its turn to start.");
    await turns();
    expect(told).toEqual(["asked"]);
    expect(keeper.status().reason).toBeUndefined();
    const upstream = connector.last.connect();
    await turns();
    expect(told).toEqual(["asked", "started"]);
    expect(keeper.place).toBe(place);
    upstream.ignoresClose = true;
    keeper.rest("Nobody needed it.");
    expect(told.slice(2)).toEqual(["leaving"]);
    upstream.crash("ended");
    await turns();
    expect(told.slice(2)).toEqual(["leaving", "gone"]);

    void keeper.acquire().catch(() => undefined);
    await turns();
    connector.last.fail(startFailed("no"));
    await turns();
    expect(told.slice(4)).toEqual(["asked", "started", "gone"]);
    await keeper.close();
    expect(told).toHaveLength(7);
  });

  test("that has no room is no fault of the server: it stays stopped, and the next who needs it asks again", async () => {
    const busy = new AppError("server-busy", "The server waited 60 s for its start: no memory.");
    let hasRoom = false;
    const admit = admission(1);
    const { keeper, connector, crashes } = keep({
      admit: (signal) => (hasRoom ? admit(signal) : Promise.reject(busy)),
    });
    const waiter = watch(keeper.acquire());
    await turns();
    expect(waiter.error).toBe(busy);
    expect(keeper.status()).toMatchObject({ state: "stopped", reason: busy.message });
    expect([crashes, keeper.exits, connector.attempts.length]).toEqual([[], 0, 0]);
    await advance(600_000);
    expect(connector.attempts).toHaveLength(0);
    hasRoom = true;
    const next = watch(keeper.acquire());
    await turns();
    connector.last.connect();
    await turns();
    expect(next.value).toBe(keeper.ready);
    await keeper.close();
  });

  test("lets others start after two seconds at most", async () => {
    const admit = admission(1);
    const [hanging, next] = [keep({ admit }), keep({ admit })];
    void hanging.keeper.acquire().catch(() => undefined);
    void next.keeper.acquire();
    await turns();
    await advance(1_999);
    expect(hanging.connector.attempts).toHaveLength(1);
    expect(next.connector.attempts).toHaveLength(0);
    await advance(1);
    expect(next.connector.attempts).toHaveLength(1);
    next.connector.last.connect();
    await turns();
    expect(next.keeper.ready).toBeDefined();
    await Promise.all([hanging.keeper.close(), next.keeper.close()]);
    // Its turn was given back once, not twice.
    (await admit(open)).gone();
  });

  test("is not asked for more by a start that was given up while it waited", async () => {
    const admit = admission(1);
    const other = await admit(open);
    const { keeper, connector } = keep({ admit });
    const waiter = watch(keeper.acquire());
    await turns();
    await keeper.close();
    expect(connector.attempts).toHaveLength(0);
    expect(waiter.error?.code).toBe("server-lost");
    other.gone();
    (await admit(open)).gone();
  });
});

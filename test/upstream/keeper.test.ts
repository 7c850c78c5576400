// The owner of one server's life, on a fake clock and with a scripted connector: when it starts, who hears what of
// it, and that there is never more than one life at a time.

import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { advance, keep, startFailed, watch } from "./kept.ts";
import { ScriptedUpstream, turns } from "./scripted-connector.ts";

beforeEach(() => {
  jest.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  const timers = jest.getTimerCount();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

describe("start on demand", () => {
  test("nothing runs until somebody asks; all who ask meanwhile get the one connection", async () => {
    const { keeper, connector, states, ready } = keep();
    expect(connector.attempts).toHaveLength(0);
    expect(keeper.status()).toMatchObject({ state: "stopped", reason: undefined });
    expect([keeper.exits, keeper.waiting]).toEqual([0, 0]);

    const [first, second] = [watch(keeper.acquire()), watch(keeper.acquire())];
    await turns();
    expect(connector.attempts).toHaveLength(1);
    expect(keeper.status().state).toBe("starting");
    expect(keeper.ready).toBeUndefined();
    expect(first.settled).toBe(false);

    const upstream = connector.last.connect();
    await turns();
    expect([first.value, second.value, keeper.ready]).toEqual([upstream, upstream, upstream]);
    expect(await keeper.acquire()).toBe(upstream);
    expect(ready).toEqual([upstream]);
    expect(states).toEqual(["starting", "ready"]);
    expect(keeper.status()).toMatchObject({ state: "ready", reason: undefined, since: 1_000_000 });
    await keeper.close();
  });

  test("onReady comes before any caller gets the connection", async () => {
    const order: string[] = [];
    const { keeper, connector } = keep({ onReady: () => order.push("ready") });
    void keeper.acquire().then(() => order.push("caller"));
    await turns();
    connector.last.connect();
    await turns();
    expect(order).toEqual(["ready", "caller"]);
    await keeper.close();
  });

  test("a start that fails tells all who waited, and is tried again by itself", async () => {
    const { keeper, connector, states, crashes } = keep();
    const waiters = [watch(keeper.acquire()), watch(keeper.acquire())];
    await turns();
    connector.last.fail(
      startFailed("The server exited with code 2; its last line on stderr: missing API key"),
    );
    await turns();
    for (const { error } of waiters) {
      expect(error?.code).toBe("start-failed");
      expect(error?.message).toContain("missing API key");
    }
    expect(crashes).toHaveLength(1);
    expect(keeper.status()).toMatchObject({ state: "backing-off", nextStartAt: 1_000_250 });
    expect(keeper.exits).toBe(1);
    expect(keeper.status().reason).toContain("missing API key");

    await advance(249);
    expect(connector.attempts).toHaveLength(1);
    await advance(1);
    expect(connector.attempts).toHaveLength(2);
    connector.last.connect();
    await turns();
    expect(states).toEqual(["starting", "backing-off", "starting", "ready"]);
    await keeper.close();
  });

  test("whatever a connector throws, callers hear start-failed", async () => {
    for (const thrown of [new TypeError("odd"), new AppError("server-lost", "gone"), "text", undefined]) {
      const { keeper, connector } = keep();
      const waiter = watch(keeper.acquire());
      await turns();
      connector.last.fail(thrown);
      await turns();
      expect(waiter.error).toBeInstanceOf(AppError);
      expect(waiter.error?.code).toBe("start-failed");
      await keeper.close();
    }
  });
});

describe("a session that is over", () => {
  test("is begun anew, and does not count against the server", async () => {
    const { keeper, connector, crashes } = keep();
    for (let session = 0; session < 20; session++) {
      const acquired = watch(keeper.acquire());
      await turns();
      const upstream = connector.last.connect();
      await turns();
      expect(acquired.value).toBe(upstream);
      await advance(10_000);
      upstream.expire();
      await turns();
      expect(keeper.status()).toMatchObject({ state: "backing-off", reason: "The session is over." });
      expect(keeper.exits).toBe(0);
      await advance(250);
      expect(keeper.status().state).toBe("starting");
    }
    expect(crashes).toEqual([]);
    await keeper.close();
  });

  test("after a moment waits for whoever needs the server, who gets a new one at once", async () => {
    const { keeper, connector, crashes } = keep();
    for (let session = 1; session <= 20; session++) {
      const acquired = watch(keeper.acquire());
      await turns();
      const upstream = connector.last.connect();
      await turns();
      expect(acquired.value).toBe(upstream);
      upstream.expire();
      await turns();
      await advance(600_000);
      expect([keeper.phase, keeper.exits]).toEqual(["stopped", 0]);
      expect(connector.attempts).toHaveLength(session);
    }
    expect(crashes).toEqual([]);
    await keeper.close();
  });
});

describe("a crash", () => {
  test("is followed by a restart; who asks meanwhile waits and gets the new connection", async () => {
    const { keeper, connector, states } = keep();
    void keeper.acquire();
    await turns();
    const first = connector.last.connect();
    await turns();
    first.crash("The server was ended by SIGKILL");
    await turns();
    expect(keeper.ready).toBeUndefined();
    expect(keeper.status()).toMatchObject({
      state: "backing-off",
      reason: "The server was ended by SIGKILL",
    });

    const waiter = watch(keeper.acquire());
    await turns();
    expect(waiter.settled).toBe(false);
    expect(connector.attempts).toHaveLength(1);
    await advance(250);
    const second = connector.last.connect();
    await turns();
    expect(waiter.value).toBe(second);
    expect(states).toEqual(["starting", "ready", "backing-off", "starting", "ready"]);
    expect(keeper.status()).toMatchObject({ state: "ready", reason: undefined });
    expect(keeper.exits).toBe(1);
    await keeper.close();
  });

  test("whose restart is far off is told at once, with the time and the way out", async () => {
    const { keeper, connector } = keep();
    keeper.acquire().catch(() => undefined);
    await turns();
    // 0.25, 0.5, 1, 2, 4 s, then the crash loop.
    for (const waitMs of [0, 250, 500, 1000, 2000, 4000]) {
      await advance(waitMs);
      connector.last.fail(startFailed("no API key"));
      await turns();
    }
    expect([keeper.phase, keeper.exits]).toEqual(["crash-loop", 6]);
    const told = watch(keeper.acquire());
    await turns();
    expect(told.error?.code).toBe("start-failed");
    expect(told.error?.message).toContain("crash-loop");
    expect(told.error?.message).toContain("in 300 s");
    expect(told.error?.message).toContain("no API key");
    expect(told.error?.message).toContain("toolcrib restart files");
    expect(told.error?.details).toEqual({ retryAfterSeconds: 300 });
    expect(connector.attempts).toHaveLength(6);

    // The probe: near enough, it is waited for; its failure is the loop again.
    await advance(295_000);
    const near = watch(keeper.acquire());
    await advance(5_000);
    expect(connector.attempts).toHaveLength(7);
    connector.last.fail(startFailed("still none"));
    await turns();
    expect(near.error?.message).toContain("still none");
    expect(keeper.status().state).toBe("crash-loop");
    await keeper.close();
  });

  test("does not leave the server down when the clock is set back", async () => {
    const { keeper, connector } = keep();
    void keeper.acquire();
    await turns();
    connector.last.connect().crash("gone");
    await turns();
    const waiter = watch(keeper.acquire());
    jest.setSystemTime(Date.now() - 3_600_000);
    await advance(250);
    expect(connector.attempts).toHaveLength(2);
    connector.last.connect();
    await turns();
    expect(waiter.value).toBeDefined();
    await keeper.close();
  });
});

describe("restart", () => {
  test("of a running server ends it first, forgets the past and starts it", async () => {
    const { keeper, connector } = keep();
    void keeper.acquire();
    await turns();
    const first = connector.last.connect();
    await turns();
    first.ignoresClose = true;
    const restarted = watch(keeper.restart());
    await turns();
    expect(first.closeCalls).toBe(1);
    expect(connector.attempts).toHaveLength(1);
    first.crash("The server exited with code 0");
    await turns();
    const second = connector.last.connect();
    await turns();
    expect(connector.attempts).toHaveLength(2);
    expect(restarted.value).toBe(second);
    expect([keeper.phase, keeper.exits]).toEqual(["ready", 0]);
    await keeper.close();
  });

  test("leaves a crash loop at once", async () => {
    const { keeper, connector } = keep();
    keeper.acquire().catch(() => undefined);
    await turns();
    for (const waitMs of [0, 250, 500, 1000, 2000, 4000]) {
      await advance(waitMs);
      connector.last.fail(startFailed("no"));
      await turns();
    }
    const restarted = watch(keeper.restart());
    await turns();
    const upstream = connector.last.connect();
    await turns();
    expect(restarted.value).toBe(upstream);
    // The timer of the loop is gone with it.
    await advance(600_000);
    expect(connector.attempts).toHaveLength(7);
    await keeper.close();
  });

  test("of a start that hangs gives it up, and tells who waited", async () => {
    const { keeper, connector } = keep();
    const waiter = watch(keeper.acquire());
    await turns();
    const restarted = watch(keeper.restart());
    await turns();
    expect(connector.attempts[0]?.signal.aborted).toBe(true);
    expect(waiter.error?.message).toBe("The server is being restarted.");
    connector.last.connect();
    await turns();
    expect(restarted.value).toBeDefined();
    await keeper.close();
  });

  test("twice at once never makes two lives", async () => {
    const { keeper, connector } = keep();
    void keeper.acquire();
    await turns();
    connector.last.connect();
    await turns();
    const both = [watch(keeper.restart()), watch(keeper.restart())];
    await turns();
    expect(connector.alive).toBe(1);
    connector.last.connect();
    await turns();
    expect(both.every(({ settled }) => settled)).toBe(true);
    expect(both[1]?.value).toBe(keeper.ready);
    await keeper.close();
    expect(connector.alive).toBe(0);
  });

  test("of a stopped server that somebody wants at that moment never makes two lives", async () => {
    const { keeper, connector } = keep();
    const [restarted, wanted] = [watch(keeper.restart()), watch(keeper.acquire())];
    await turns();
    expect(connector.alive).toBe(1);
    const upstream = connector.last.connect();
    await turns();
    expect([restarted.value, wanted.value]).toEqual([upstream, upstream]);
    await keeper.close();
  });

  test("that fails says why", async () => {
    const { keeper, connector } = keep();
    const restarted = watch(keeper.restart());
    await turns();
    connector.last.fail(startFailed("no API key"));
    await turns();
    expect(restarted.error?.message).toBe("no API key");
    await keeper.close();
  });
});

describe("close", () => {
  test("of a running server resolves when it is over, not before", async () => {
    const { keeper, connector, crashes } = keep();
    void keeper.acquire();
    await turns();
    const upstream = connector.last.connect();
    await turns();
    upstream.ignoresClose = true;
    const closed = watch(keeper.close());
    await turns();
    expect(upstream.closeCalls).toBe(1);
    expect(closed.settled).toBe(false);
    upstream.crash("ended");
    await turns();
    expect(closed.settled).toBe(true);
    expect(keeper.status().state).toBe("stopped");
    expect(crashes).toEqual([]);
    await advance(600_000);
    expect(connector.attempts).toHaveLength(1);
  });

  test.each([
    ["in the middle of connecting", 0],
    ["while waiting for the next start", 1],
  ] as const)("%s ends it and tells who waits", async (_about, crashes) => {
    const { keeper, connector } = keep();
    void keeper.acquire().catch(() => undefined);
    await turns();
    if (crashes > 0) {
      connector.last.connect().crash("gone");
      await turns();
    }
    const waiter = watch(keeper.acquire());
    await keeper.close();
    await turns();
    expect(waiter.error?.code).toBe("server-lost");
    expect(connector.alive).toBe(0);
    await advance(600_000);
    expect(connector.attempts).toHaveLength(1);
  });

  test("that comes just after the handshake closes the connection", async () => {
    const { keeper, connector } = keep();
    const waiter = watch(keeper.acquire());
    await turns();
    const upstream = new ScriptedUpstream();
    connector.last.connect(upstream);
    await keeper.close();
    expect(upstream.closeCalls).toBe(1);
    expect(keeper.ready).toBeUndefined();
    expect(waiter.settled).toBe(true);
    expect(connector.alive).toBe(0);
  });

  test("is for good", async () => {
    const { keeper, connector } = keep();
    await keeper.close();
    await expect(keeper.acquire()).rejects.toThrow("being stopped");
    await expect(keeper.restart()).rejects.toThrow("being stopped");
    await keeper.close();
    expect(connector.attempts).toHaveLength(0);
    expect(keeper.status().state).toBe("stopped");
  });

  test("during a restart leaves nothing running", async () => {
    const { keeper, connector } = keep();
    void keeper.acquire();
    await turns();
    const upstream = connector.last.connect();
    await turns();
    upstream.ignoresClose = true;
    const restarted = watch(keeper.restart());
    const closed = watch(keeper.close());
    await turns();
    upstream.crash("ended");
    await turns();
    expect(closed.settled).toBe(true);
    expect(restarted.error?.code).toBe("server-lost");
    expect(connector.attempts).toHaveLength(1);
    expect(connector.alive).toBe(0);
  });
});

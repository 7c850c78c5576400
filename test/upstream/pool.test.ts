// All servers together, with scripted connectors: what a change of the configuration touches and what it leaves alone.

import { describe, expect, test } from "bun:test";
import { turns } from "./scripted-connector.ts";
import { configured, openPool } from "./pool-lab.ts";

describe("apply", () => {
  test("makes servers known and starts none", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a"), configured("b", { enabled: false })]);
    expect(lab.made.map((each) => each.attempts.length)).toEqual([0]);
    expect(lab.pool.status("a")).toMatchObject({ state: "stopped", pid: undefined });
    expect(lab.pool.status("b")).toMatchObject({ state: "disabled", since: 1_000 });
    expect(lab.pool.status("c")).toBeUndefined();
    expect(lab.events).toEqual(["a stopped", "b disabled"]);
    await lab.pool.close();
  });

  test("does not touch what did not change", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a"), configured("b", { enabled: false })]);
    const upstream = await lab.start("a");
    const events = [...lab.events];
    lab.clock = 9_000;
    lab.pool.apply([configured("a"), configured("b", { enabled: false }), configured("new")]);
    expect(lab.pool.ready("a")).toBe(upstream);
    expect(upstream.closeCalls).toBe(0);
    expect(lab.pool.status("b")).toMatchObject({ since: 1_000 });
    expect(lab.events).toEqual([...events, "new stopped"]);
    await lab.pool.close();
  });

  test("replaces a server whose specification is another; the new one waits for the end of the old", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a")]);
    const old = await lab.start("a");
    old.ignoresClose = true;
    lab.pool.apply([configured("a", { specHash: "another" })]);
    expect(old.closeCalls).toBe(1);
    expect(lab.pool.ready("a")).toBeUndefined();
    expect(lab.pool.status("a")?.state).toBe("stopped");

    const acquired = lab.pool.acquire("a");
    await turns();
    const replacement = lab.made[1];
    expect(replacement?.server.specHash).toBe("another");
    expect(replacement?.attempts).toHaveLength(0);
    replacement?.onSpawn(77);
    old.crash("ended");
    await turns();
    expect(replacement?.attempts).toHaveLength(1);
    const upstream = replacement?.last.connect();
    expect<unknown>(await acquired).toBe(upstream);
    // The late word of the old one is not taken for one of the new.
    expect(lab.pool.status("a")).toMatchObject({ state: "ready", pid: 77 });
    expect(lab.events.at(-1)).toBe("a ready");
    await lab.pool.close();
  });

  test("disables: ends what runs, and refuses with the way out", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a")]);
    const upstream = await lab.start("a");
    lab.clock = 5_000;
    lab.pool.apply([configured("a", { enabled: false })]);
    await lab.pool.settled();
    expect(upstream.closeCalls).toBe(1);
    expect(lab.pool.status("a")).toMatchObject({
      state: "disabled",
      since: 5_000,
      inFlight: 0,
      pid: undefined,
    });
    expect(lab.events.at(-1)).toBe("a disabled");
    for (const attempt of [lab.pool.acquire("a"), lab.pool.restart("a")]) {
      const error: unknown = await attempt.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "server-disabled" });
      expect(String(error)).toContain("toolcrib enable a");
    }
    lab.pool.apply([configured("a")]);
    expect(lab.pool.status("a")?.state).toBe("stopped");
    await lab.pool.close();
  });

  test("drops what is gone, and settled waits for its end", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a"), configured("b")]);
    const [a, b] = [await lab.start("a"), await lab.start("b")];
    a.ignoresClose = true;
    lab.pool.apply([configured("b")]);
    expect(lab.pool.status("a")).toBeUndefined();
    const order: string[] = [];
    const settled = lab.pool.settled().then(() => order.push("settled"));
    await turns();
    order.push("ended");
    a.crash("ended");
    await settled;
    expect(order).toEqual(["ended", "settled"]);
    expect(b.closeCalls).toBe(0);
    await expect(lab.pool.acquire("a")).rejects.toMatchObject({ code: "not-found" });
    expect(() => lab.pool.output("a")).toThrow("no server a");
    await lab.pool.close();
  });
});

describe("what is told of a server", () => {
  test("its process while there is one, and not the one before", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a")]);
    void lab.pool.acquire("a");
    await turns();
    expect(lab.pool.status("a")).toMatchObject({ state: "starting", pid: undefined });
    lab.made[0]?.onSpawn(11);
    expect(lab.pool.status("a")?.pid).toBe(11);
    const upstream = lab.made[0]?.last.connect();
    await turns();
    expect(lab.pool.status("a")).toMatchObject({ state: "ready", pid: 11 });
    upstream?.crash("gone");
    await turns();
    expect(lab.pool.status("a")).toMatchObject({ state: "backing-off", pid: undefined, exits: 1 });
    await lab.pool.close();
  });

  test("the tail of its last crash, with the reason; kept over the next start", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a")]);
    const upstream = await lab.start("a");
    expect(lab.pool.lastCrash("a")).toBeUndefined();
    lab.pool.output("a").push(new TextEncoder().encode("stack trace\n"));
    upstream.crash("The server exited with code 4");
    await turns();
    expect(lab.pool.lastCrash("a")).toBe("stack trace\n[toolcrib] The server exited with code 4\n");
    lab.pool.output("a").push(new TextEncoder().encode("later"));
    expect(lab.pool.lastCrash("a")).not.toContain("later");
    await lab.pool.close();
  });

  test("the time for its calls: its own, or the appliance's", () => {
    const lab = openPool();
    lab.pool.apply([configured("a"), configured("b", { with: { callTimeoutMs: 1234 } })]);
    expect(["a", "b", "c"].map((name) => lab.pool.callTimeoutMs(name))).toEqual([600_000, 1234, 600_000]);
  });
});

describe("what a server says", () => {
  test("about its lists is passed on; anything else is not", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a")]);
    await lab.start("a");
    expect(lab.ready).toEqual(["a"]);
    const listener = lab.made[0]?.last.listener;
    for (const method of [
      "notifications/tools/list_changed",
      "notifications/prompts/list_changed",
      "notifications/message",
      "tools/list_changed",
      "",
    ]) {
      listener?.notification(method, undefined);
    }
    expect(lab.changed).toEqual(["a", "a"]);
    await lab.pool.close();
  });

  test("before its handshake is done does not count", async () => {
    const lab = openPool();
    lab.pool.apply([configured("a")]);
    void lab.pool.acquire("a").catch(() => undefined);
    await turns();
    lab.made[0]?.last.listener.notification("notifications/tools/list_changed", undefined);
    expect(lab.changed).toEqual([]);
    await lab.pool.close();
  });
});

test("close ends all, starting ones too, and nothing can be had afterwards", async () => {
  const lab = openPool();
  lab.pool.apply([configured("a"), configured("b"), configured("c")]);
  await lab.start("a");
  const starting = lab.pool.acquire("b").catch((thrown: unknown) => thrown);
  await turns();
  await lab.pool.close();
  expect(await starting).toMatchObject({ code: "server-lost" });
  expect(lab.made.map((each) => each.alive)).toEqual([0, 0, 0]);
  for (const name of ["a", "b", "c"]) {
    await expect(lab.pool.acquire(name)).rejects.toMatchObject({ code: "not-found" });
  }
});

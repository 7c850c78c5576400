// All servers together, with scripted connectors: what a change of the configuration touches and what it leaves alone.

import { describe, expect, test } from "bun:test";
import { createBus } from "../../src/events.ts";
import { nullLog } from "../../src/log.ts";
import type { ConfiguredServer, StdioSpec } from "../../src/model/server-spec.ts";
import type { OutputRing } from "../../src/process/output-ring.ts";
import { Pool } from "../../src/upstream/pool.ts";
import { type ScriptedConnector, scriptedConnector, turns } from "./scripted-connector.ts";

interface Made extends ScriptedConnector {
  readonly server: ConfiguredServer;
  readonly output: OutputRing;
  readonly onSpawn: (pid: number) => void;
}

interface Lab {
  readonly pool: Pool;
  /** Each connector that the pool asked for, in order. */
  readonly made: readonly Made[];
  /** `name state` of each event. */
  readonly events: string[];
  readonly ready: string[];
  readonly changed: string[];
  clock: number;
}

function openLab(): Lab {
  const made: Made[] = [];
  const bus = createBus();
  const events: string[] = [];
  const [ready, changed]: [string[], string[]] = [[], []];
  bus.on("server.state", ({ server, state }) => events.push(`${server} ${state}`));
  const lab: Lab = {
    pool: new Pool({
      connectorFor(server, output, onSpawn) {
        const scripted = scriptedConnector();
        made.push(Object.assign(scripted, { server, output, onSpawn }));
        return scripted;
      },
      parallelStarts: 4,
      defaultCallTimeoutMs: 600_000,
      bus,
      log: nullLog,
      now: () => lab.clock,
      random: () => 0.5,
      onReady: (server) => ready.push(server.name),
      onListChanged: (server) => changed.push(server.name),
    }),
    made,
    events,
    ready,
    changed,
    clock: 1_000,
  };
  return lab;
}

function configured(
  name: string,
  more: Partial<ConfiguredServer> & { callTimeoutMs?: number } = {},
): ConfiguredServer {
  const { callTimeoutMs, ...rest } = more;
  const spec: StdioSpec = {
    kind: "stdio",
    command: name,
    args: [],
    env: {},
    cage: { read: [], write: [], network: [] },
    extra: {},
    ...(callTimeoutMs === undefined ? {} : { callTimeoutMs }),
  };
  return {
    name,
    spec,
    package: undefined,
    enabled: true,
    specHash: `hash of ${name}`,
    createdAt: 0,
    ...rest,
  };
}

async function start(lab: Lab, name: string): Promise<ReturnType<ScriptedConnector["last"]["connect"]>> {
  const acquired = lab.pool.acquire(name);
  await turns();
  const connector = lab.made.findLast((each) => each.server.name === name);
  if (connector === undefined) throw new Error(`nothing was made for ${name}`);
  const upstream = connector.last.connect();
  expect(await acquired).toBe(upstream);
  return upstream;
}

describe("apply", () => {
  test("makes servers known and starts none", async () => {
    const lab = openLab();
    lab.pool.apply([configured("a"), configured("b", { enabled: false })]);
    expect(lab.made.map((each) => each.attempts.length)).toEqual([0]);
    expect(lab.pool.status("a")).toMatchObject({ state: "stopped", pid: undefined });
    expect(lab.pool.status("b")).toMatchObject({ state: "disabled", since: 1_000 });
    expect(lab.pool.status("c")).toBeUndefined();
    expect(lab.events).toEqual(["a stopped", "b disabled"]);
    await lab.pool.close();
  });

  test("does not touch what did not change", async () => {
    const lab = openLab();
    lab.pool.apply([configured("a"), configured("b", { enabled: false })]);
    const upstream = await start(lab, "a");
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
    const lab = openLab();
    lab.pool.apply([configured("a")]);
    const old = await start(lab, "a");
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
    const lab = openLab();
    lab.pool.apply([configured("a")]);
    const upstream = await start(lab, "a");
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
    const lab = openLab();
    lab.pool.apply([configured("a"), configured("b")]);
    const [a, b] = [await start(lab, "a"), await start(lab, "b")];
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
    const lab = openLab();
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
    const lab = openLab();
    lab.pool.apply([configured("a")]);
    const upstream = await start(lab, "a");
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
    const lab = openLab();
    lab.pool.apply([configured("a"), configured("b", { callTimeoutMs: 1234 })]);
    expect(["a", "b", "c"].map((name) => lab.pool.callTimeoutMs(name))).toEqual([600_000, 1234, 600_000]);
  });
});

describe("what a server says", () => {
  test("about its lists is passed on; anything else is not", async () => {
    const lab = openLab();
    lab.pool.apply([configured("a")]);
    await start(lab, "a");
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
    const lab = openLab();
    lab.pool.apply([configured("a")]);
    void lab.pool.acquire("a").catch(() => undefined);
    await turns();
    lab.made[0]?.last.listener.notification("notifications/tools/list_changed", undefined);
    expect(lab.changed).toEqual([]);
    await lab.pool.close();
  });
});

test("close ends all, starting ones too, and nothing can be had afterwards", async () => {
  const lab = openLab();
  lab.pool.apply([configured("a"), configured("b"), configured("c")]);
  await start(lab, "a");
  const starting = lab.pool.acquire("b").catch((thrown: unknown) => thrown);
  await turns();
  await lab.pool.close();
  expect(await starting).toMatchObject({ code: "server-lost" });
  expect(lab.made.map((each) => each.alive)).toEqual([0, 0, 0]);
  for (const name of ["a", "b", "c"]) {
    await expect(lab.pool.acquire(name)).rejects.toMatchObject({ code: "not-found" });
  }
});

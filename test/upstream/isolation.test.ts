// Which process serves whom: one for all, several for all, one for each caller, one for each session; how many there
// may be, and what becomes of them.

import { afterEach, describe, expect, test } from "bun:test";
import { configured, openPool, remote, type PoolLab, type PoolLabOptions } from "./pool-lab.ts";
import { turns } from "./scripted-connector.ts";

const ALICE = { callerId: "alice", sessionId: undefined };
const BOB = { callerId: "bob", sessionId: undefined };
const session = (callerId: string, sessionId: string) => ({ callerId, sessionId });

const labs: PoolLab[] = [];
afterEach(async () => {
  await Promise.all(labs.splice(0).map(({ pool }) => pool.close()));
});

function open(server: Parameters<typeof configured>[1], options: PoolLabOptions = {}): PoolLab {
  const lab = openPool(options);
  labs.push(lab);
  lab.pool.apply([configured("a", server)]);
  return lab;
}

const idsOf = (lab: PoolLab): string[] => lab.made.map(({ instance }) => instance.id);

describe("shared", () => {
  test("is one process for everybody, with the directory that it always had", async () => {
    const lab = open({});
    const upstream = await lab.start("a", ALICE);
    expect(lab.pool.ready("a", BOB)).toBe(upstream);
    expect(lab.pool.ready("a", session("bob", "s1"))).toBe(upstream);
    expect(await lab.pool.acquire("a")).toBe(upstream);
    expect(lab.made.map(({ instance }) => instance)).toEqual([{ id: "main", ephemeral: false }]);
    expect(lab.pool.status("a")).toMatchObject({ instances: 1 });
  });

  test("is what a remote server is: it knows its callers by itself", async () => {
    const lab = open({});
    lab.pool.apply([remote("r")]);
    const upstream = await lab.start("r", ALICE);
    expect(lab.pool.ready("r", BOB)).toBe(upstream);
  });
});

describe("several that serve everybody", () => {
  test("are started as all of them have a call, up to their number; calls go where the fewest are", async () => {
    const lab = open({ with: { instances: 3 } });
    const first = await lab.start("a");
    expect(lab.pool.ready("a", ALICE)).toBe(first);
    expect(lab.made).toHaveLength(1);

    first.inFlight = 1;
    // Nobody waits for the second one: it is for the next calls.
    expect(lab.pool.ready("a", ALICE)).toBe(first);
    expect(lab.pool.ready("a", ALICE)).toBe(first);
    await turns();
    expect(idsOf(lab)).toEqual(["main", "main-2"]);
    expect(lab.connector("a", "main-2").attempts).toHaveLength(1);
    const second = lab.connector("a", "main-2").last.connect();
    await turns();

    expect<unknown>(lab.pool.ready("a", ALICE)).toBe(second);
    second.inFlight = 2;
    expect(lab.pool.ready("a", ALICE)).toBe(first);
    first.inFlight = 3;
    expect<unknown>(lab.pool.ready("a", ALICE)).toBe(second);
    await turns();
    const third = lab.connector("a", "main-3").last.connect();
    await turns();
    third.inFlight = 9;
    expect<unknown>(lab.pool.ready("a", ALICE)).toBe(second);
    await turns();
    expect(idsOf(lab)).toEqual(["main", "main-2", "main-3"]);
    expect(lab.pool.status("a")).toMatchObject({ state: "ready", instances: 3, inFlight: 14 });
  });

  test("of each, what it says about its lists is heard", async () => {
    const lab = open({ with: { instances: 2 } });
    const first = await lab.start("a");
    first.inFlight = 1;
    lab.pool.ready("a", ALICE);
    await turns();
    lab.connector("a", "main-2").last.connect();
    await turns();
    expect(lab.ready).toEqual(["a", "a"]);
    for (const { last } of lab.made)
      last.listener.notification("notifications/tools/list_changed", undefined);
    expect(lab.changed).toEqual(["a", "a"]);
  });

  test("serve on while one of them is down, and the one that is down comes back", async () => {
    const lab = open({ with: { instances: 2 } });
    const first = await lab.start("a");
    first.inFlight = 1;
    lab.pool.ready("a", ALICE);
    await turns();
    const second = lab.connector("a", "main-2").last.connect();
    await turns();
    first.crash("The server was ended by SIGKILL");
    await turns();
    expect<unknown>(lab.pool.ready("a", ALICE)).toBe(second);
    expect(lab.pool.status("a")).toMatchObject({
      state: "backing-off",
      reason: "The server was ended by SIGKILL",
      exits: 1,
      instances: 1,
    });
    expect<unknown>(await lab.pool.acquire("a")).toBe(second);
  });

  test("are not grown where the host has no room for more", async () => {
    const lab = open({ with: { instances: 2 } }, { limits: { instances: 1 } });
    const first = await lab.start("a");
    first.inFlight = 5;
    expect(lab.pool.ready("a", ALICE)).toBe(first);
    await turns();
    expect(idsOf(lab)).toEqual(["main"]);
  });

  test("are let go of when they are idle, the first excepted", async () => {
    const lab = open({ with: { instances: 2, idleStopMs: 5_000, health: false } });
    const first = await lab.start("a");
    first.inFlight = 1;
    lab.pool.ready("a", ALICE);
    await turns();
    const second = lab.connector("a", "main-2").last.connect();
    await turns();
    await lab.pass(10_000);
    expect([first.closeCalls, second.closeCalls]).toEqual([0, 1]);
    expect(lab.gone).toEqual(["a main-2"]);
    expect(lab.pool.status("a")).toMatchObject({ state: "ready", instances: 1 });
    lab.pool.ready("a", ALICE);
    await turns();
    expect(idsOf(lab)).toEqual(["main", "main-2", "main-2"]);
  });
});

describe("one for each caller", () => {
  const caller = { with: { isolation: "caller" as const } };

  test("serves all sessions of that caller, and nobody else", async () => {
    const lab = open(caller);
    expect(lab.made).toEqual([]);
    expect(lab.pool.status("a")).toMatchObject({ state: "stopped", instances: 0 });
    const [alice, bob] = [await lab.start("a", session("alice", "s1")), await lab.start("a", BOB)];
    expect(alice).not.toBe(bob);
    expect(lab.pool.ready("a", session("alice", "s2"))).toBe(alice);
    expect(lab.pool.ready("a", ALICE)).toBe(alice);
    expect(lab.pool.ready("a", BOB)).toBe(bob);
    expect(lab.pool.ready("a", { callerId: "carol", sessionId: undefined })).toBeUndefined();
    const [first, second] = lab.made.map(({ instance }) => instance);
    expect(first?.id).toMatch(/^caller-[0-9a-f]{32}$/);
    expect(first?.id).not.toBe(second?.id);
    expect([first?.ephemeral, second?.ephemeral]).toEqual([false, false]);
    // Its name says nothing of the caller, and is the same the next time.
    expect(first?.id).not.toContain("alice");
    lab.pool.release("s1");
    expect(alice.closeCalls).toBe(0);
    lab.pool.release("alice");
    await turns();
    expect([alice.closeCalls, bob.closeCalls]).toEqual([1, 0]);
    expect<unknown>(lab.gone).toEqual([`a ${first?.id}`]);
    await lab.start("a", ALICE);
    expect(lab.made.at(-1)?.instance).toEqual({ id: first?.id ?? "", ephemeral: false });
  });

  test("crashes for that caller alone", async () => {
    const lab = open(caller);
    const [alice, bob] = [await lab.start("a", ALICE), await lab.start("a", BOB)];
    alice.crash("gone");
    await turns();
    expect(lab.pool.ready("a", ALICE)).toBeUndefined();
    expect(lab.pool.ready("a", BOB)).toBe(bob);
    expect(lab.pool.status("a")).toMatchObject({ state: "backing-off", instances: 1, exits: 1 });
    // What is gone for good has counted all the same.
    lab.pool.release("alice");
    await turns();
    expect(lab.pool.status("a")).toMatchObject({ state: "ready", instances: 1, exits: 1 });
  });

  test("one speaks for all: what it lists is what the server offers", async () => {
    const lab = open(caller);
    await lab.start("a", ALICE);
    expect(lab.ready).toEqual(["a"]);
    await lab.start("a", BOB);
    expect(lab.ready).toEqual(["a"]);
    lab.made[1]?.last.listener.notification("notifications/tools/list_changed", undefined);
    expect(lab.changed).toEqual([]);
    // The appliance's own has nobody's state: it speaks from now on.
    await lab.start("a");
    expect(lab.ready).toEqual(["a", "a"]);
    lab.made[0]?.last.listener.notification("notifications/tools/list_changed", undefined);
    expect(lab.changed).toEqual([]);
    lab.made[2]?.last.listener.notification("notifications/tools/list_changed", undefined);
    expect(lab.changed).toEqual(["a"]);
  });

  test("is started anew as one, the appliance's, by a restart", async () => {
    const lab = open(caller);
    const [alice, bob] = [await lab.start("a", ALICE), await lab.start("a", BOB)];
    const restarted = lab.pool.restart("a");
    await turns();
    expect([alice.closeCalls, bob.closeCalls]).toEqual([1, 1]);
    const fresh = lab.connector("a").last.connect();
    expect<unknown>(await restarted).toBe(fresh);
    expect(lab.pool.status("a")).toMatchObject({ instances: 1 });
    expect(lab.pool.ready("a", ALICE)).toBeUndefined();
  });

  test("keeps its output apart for the tail of its crash, and in one place for a reader", async () => {
    const lab = open(caller);
    const [alice] = [await lab.start("a", ALICE), await lab.start("a", BOB)];
    const write = (index: number, text: string): void =>
      lab.made[index]?.output.push(new TextEncoder().encode(text));
    write(0, "of alice\n");
    write(1, "of bob\n");
    expect(lab.pool.output("a").text()).toBe("of alice\nof bob\n");
    alice.crash("The server exited with code 4");
    await turns();
    expect(lab.pool.lastCrash("a")).toBe("of alice\n[toolcrib] The server exited with code 4\n");
  });
});

describe("one for each session", () => {
  const own = { with: { isolation: "session" as const } };

  test("ends with its session; a request without one counts as its caller's", async () => {
    const lab = open(own);
    const [first, second, none] = [
      await lab.start("a", session("alice", "s1")),
      await lab.start("a", session("alice", "s2")),
      await lab.start("a", ALICE),
    ];
    expect(new Set([first, second, none]).size).toBe(3);
    const kinds = lab.made.map(({ instance }) => [instance.id.split("-")[0], instance.ephemeral]);
    expect(kinds).toEqual([
      ["session", true],
      ["session", true],
      ["caller", false],
    ]);
    // The id of a session is a secret of its client.
    expect(idsOf(lab).join(" ")).not.toContain("s1");
    lab.pool.release("s1");
    await turns();
    expect([first, second, none].map(({ closeCalls }) => closeCalls)).toEqual([1, 0, 0]);
    expect<unknown>(lab.gone).toEqual([`a ${lab.made[0]?.instance.id}`]);
    expect(lab.pool.ready("a", session("alice", "s1"))).toBeUndefined();
  });

  test("that ends while its process starts leaves nothing, and who waited is told", async () => {
    const lab = open(own);
    const waiter = lab.pool.acquire("a", session("alice", "s1")).catch((thrown: unknown) => thrown);
    await turns();
    lab.pool.release("s1");
    expect(await waiter).toMatchObject({ code: "server-lost" });
    expect(lab.connector("a").alive).toBe(0);
    expect(lab.pool.status("a")).toMatchObject({ state: "stopped" });
  });

  test("where there are too many, the idle one of the same caller goes that was used longest ago", async () => {
    const lab = open(own, { limits: { instancesPerServer: 3 } });
    const bob = await lab.start("a", session("bob", "b1"));
    lab.clock += 1_000;
    const [first, second] = [
      await lab.start("a", session("alice", "s1")),
      await lab.start("a", session("alice", "s2")),
    ];
    lab.clock += 1_000;
    first.begun++;
    await lab.pass(1_000);
    const third = await lab.start("a", session("alice", "s3"));
    expect([bob, first, second].map(({ closeCalls }) => closeCalls)).toEqual([0, 0, 1]);
    lab.clock += 1_000;

    // Now one that has none of its own: the least recently used of all.
    await lab.start("a", session("carol", "c1"));
    expect([bob, first, third].map(({ closeCalls }) => closeCalls)).toEqual([1, 0, 0]);
    expect(lab.pool.status("a")).toMatchObject({ instances: 3 });
  });

  test("the next one starts when the one that makes room is gone, and not before", async () => {
    const lab = open(own, { limits: { instancesPerServer: 1 } });
    const first = await lab.start("a", session("alice", "s1"));
    first.ignoresClose = true;
    lab.clock += 1_000;
    const next = lab.pool.acquire("a", session("alice", "s2"));
    await turns();
    expect(first.closeCalls).toBe(1);
    expect(lab.connector("a").attempts).toHaveLength(0);
    first.crash("ended");
    await turns();
    const second = lab.connector("a").last.connect();
    expect<unknown>(await next).toBe(second);
  });

  test("and all are in use, the next is told so, and nobody loses a call", async () => {
    const lab = open(own, { limits: { instancesPerServer: 2 } });
    const busy = await lab.start("a", session("alice", "s1"));
    busy.inFlight = 1;
    const listening = await lab.start("a", session("alice", "s2"));
    lab.leases = { servers: new Set(), sessions: new Set(["s2"]) };
    lab.clock += 60_000;
    const refused: unknown = await lab.pool
      .acquire("a", session("bob", "s3"))
      .catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "server-busy" });
    expect(String(refused)).toContain(
      "Server a has 2 processes for as many callers or sessions, and all are in use",
    );
    expect(String(refused)).toContain("max_instances_per_server");
    expect([busy.closeCalls, listening.closeCalls]).toEqual([0, 0]);
  });
});

test("a new specification ends all of them, and the next waits for their end", async () => {
  const lab = open({ with: { isolation: "caller" } });
  const [alice, bob] = [await lab.start("a", ALICE), await lab.start("a", BOB)];
  alice.ignoresClose = true;
  lab.pool.apply([configured("a", { specHash: "another", with: { isolation: "caller" } })]);
  expect([alice.closeCalls, bob.closeCalls]).toEqual([1, 1]);
  const next = lab.pool.acquire("a", BOB);
  await turns();
  expect(lab.connector("a").attempts).toHaveLength(0);
  alice.crash("ended");
  await turns();
  const fresh = lab.connector("a").last.connect();
  expect<unknown>(await next).toBe(fresh);
});

test("what its cages refused is told of those that may have served the caller", async () => {
  const lab = open({ with: { isolation: "caller" } });
  await lab.start("a", ALICE);
  await lab.start("a", BOB);
  const [alice, bob] = idsOf(lab);
  const attempt = { at: 1, what: "x:1", reason: "no", count: 1, grant: "x:1" };
  lab.refused.set(`a ${alice}`, [attempt]);
  lab.refused.set(`a ${bob}`, [{ ...attempt, what: "y:1" }]);
  expect(lab.pool.refusals("a", ALICE, 0).map(({ what }) => what)).toEqual(["x:1"]);
  expect(lab.pool.refusals("a", { callerId: "carol", sessionId: undefined }, 0)).toEqual([]);
  expect(lab.pool.refusals("none", ALICE, 0)).toEqual([]);
});

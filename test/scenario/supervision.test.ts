// Which process serves whom, and when processes come and go: real ones, as agents see them.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until, within } from "../e2e/wait.ts";
import { Agent, call, type Headers, modernCall, modernHeaders } from "./agent.ts";
import { type Crib, OBEDIENT, openCrib, sawOnStderr } from "./appliance.ts";

let crib: Crib;
let alice: Agent;
let bob: Agent;

beforeAll(async () => {
  crib = await openCrib();
  alice = new Agent(crib.url, await crib.token("alice"));
  bob = new Agent(crib.url, await crib.token("bob"));
});
afterAll(() => crib.stop());

interface View {
  readonly state: string;
  readonly reason?: string;
  readonly exits: number;
  readonly instances: number;
  readonly inFlight: number;
  readonly usage?: { readonly memoryBytes: number };
}
const view = async (server: string): Promise<View> =>
  JSON.parse(await (await crib.admin("GET", `/servers/${server}`)).text());

/** Which process answers. */
async function who(agent: Agent, server: string, session: Headers): Promise<string> {
  const { messages } = await within("an answer", agent.post(call(`${server}__who`), session), 10_000);
  const result: { content?: { text: string }[] } = Object(messages[0]?.result);
  const text = result.content?.[0]?.text;
  if (text === undefined) throw new Error(JSON.stringify(messages));
  return text;
}

async function whoModern(agent: Agent, server: string): Promise<string> {
  const name = `${server}__who`;
  const { messages } = await agent.post(modernCall(name), modernHeaders("tools/call", name));
  const result: { content?: { text: string }[] } = Object(messages[0]?.result);
  return result.content?.[0]?.text ?? JSON.stringify(messages);
}

describe("one process for each session", () => {
  test("is not another session's, and ends with it", async () => {
    await crib.add("own", OBEDIENT, { with: { isolation: "session" } });
    const [first, second] = [await alice.open(), await alice.open()];
    const processes = [await who(alice, "own", first), await who(alice, "own", second)];
    expect(new Set(processes).size).toBe(2);
    expect(await who(alice, "own", first)).toBe(processes[0] ?? "");
    // Without a session: one for the caller.
    const modern = await whoModern(alice, "own");
    expect(processes).not.toContain(modern);
    expect(await whoModern(alice, "own")).toBe(modern);
    expect(await whoModern(bob, "own")).not.toBe(modern);
    const { instances } = await view("own");
    await fetch(alice.endpoint, { method: "DELETE", headers: alice.headers(first) });
    await until("its process has ended", async () => (await view("own")).instances === instances - 1);
    expect(await who(alice, "own", second)).toBe(processes[1] ?? "");
  });
});

describe("one process for each caller", () => {
  test("serves all of its sessions, and ends with its token", async () => {
    await crib.add("each", OBEDIENT, { with: { isolation: "caller" } });
    const carol = new Agent(crib.url, await crib.token("carol"));
    const [first, second] = [await alice.open(), await alice.open()];
    const mine = await who(alice, "each", first);
    expect(await who(alice, "each", second)).toBe(mine);
    expect(await whoModern(alice, "each")).toBe(mine);
    expect(await who(bob, "each", await bob.open())).not.toBe(mine);
    const hers = await who(carol, "each", await carol.open());
    expect(hers).not.toBe(mine);
    const { instances } = await view("each");
    await crib.admin("DELETE", "/tokens/carol");
    await until("her process has ended", async () => (await view("each")).instances === instances - 1);
    expect(await who(alice, "each", first)).toBe(mine);
  });
});

describe("several processes for everybody", () => {
  test("share the calls: what holds one up does not hold up the others", async () => {
    await crib.add("many", OBEDIENT, { with: { instances: 2 } });
    const session = await alice.open();
    const first = await who(alice, "many", session);
    const held = alice.post(call("many__hold", {}, "held"), session);
    await sawOnStderr(crib, "many", "holding 1");
    // The first is busy: the next call finds it so, and the second process comes for those after it.
    await until("the second one serves", async () => (await who(alice, "many", session)) !== first);
    expect(await view("many")).toMatchObject({ state: "ready", instances: 2, inFlight: 1 });
    await alice.post(call("many__release"), session);
    expect((await view("many")).exits).toBe(0);
    await crib.admin("POST", "/servers/many/restart");
    expect((await held).messages).toHaveLength(1);
    await until("one is left", async () => (await view("many")).instances === 1);
  });
});

describe("a server that nobody needs", () => {
  test("is stopped, with the reason; the next call starts it, and nobody notices more", async () => {
    await crib.add("brief", OBEDIENT, { with: { idleStopMs: 1_000 } });
    const session = await alice.open();
    const first = await who(alice, "brief", session);
    const held = alice.post(call("brief__hold"), session);
    await sawOnStderr(crib, "brief", "holding 1");
    expect((await view("brief")).state).toBe("ready");
    await alice.post(call("brief__release"), session);
    await held;
    await until("it is stopped", async () => (await view("brief")).state === "stopped");
    expect(await view("brief")).toMatchObject({
      reason: "Nobody needed it for 1 s; the next call starts it.",
      instances: 0,
      exits: 0,
    });
    expect((await alice.post(call("brief__raw"), session)).messages[0]?.result).toBeDefined();
    expect(await who(alice, "brief", session)).not.toBe(first);
  });
});

describe("a server that cannot run", () => {
  test("is blocked, says why, and is not tried again until somebody says so", async () => {
    const argv = ["/bin/sh", "-c", "echo no such interpreter >&2; exit 127"];
    await crib.add("unrunnable", argv, { isReady: false });
    const session = await alice.open();
    for (let time = 0; time < 2; time++) {
      const { messages } = await alice.post(call("unrunnable__x"), session);
      expect(messages[0]?.error).toMatchObject({
        code: 5031,
        data: { server: "unrunnable", code: "blocked", retry: "safe" },
      });
      expect(messages[0]?.error?.message).toContain("exited with code 127");
      expect(messages[0]?.error?.message).toContain("toolcrib restart unrunnable");
    }
    expect(await view("unrunnable")).toMatchObject({ state: "blocked", exits: 0 });
    expect((await crib.logs("unrunnable")).match(/^no such interpreter$/gm)).toHaveLength(1);
  });
});

test("what all of them take is measured", async () => {
  await until("it is", async () => (await view("own")).usage !== undefined, 10_000);
  const metrics = await (await fetch(`${crib.url}/metrics`)).text();
  expect(metrics).toMatch(/^toolcrib_server_memory_bytes\{server="own"\} \d{6,}$/m);
  expect(metrics).toMatch(/^toolcrib_host_memory_bytes \d{6,}$/m);
});

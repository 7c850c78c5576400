// What agents see while servers start, end, hang, lie and are changed under their hands.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until, within } from "../e2e/wait.ts";
import { Agent, call, type Headers, modernCall, modernHeaders, request } from "./agent.ts";
import { type Crib, OBEDIENT, openCrib, raw, sawOnStderr } from "./appliance.ts";

let crib: Crib;
let agent: Agent;
let session: Headers = {};

beforeAll(async () => {
  crib = await openCrib({ startTimeoutMs: "1s" });
  await crib.add("good", OBEDIENT);
  agent = new Agent(crib.url, await crib.token("all"));
  session = await agent.open();
});
afterAll(() => crib.stop());

async function isGoodServed(): Promise<void> {
  const answer = await within("an answer of the good server", agent.post(call("good__raw"), session), 1_000);
  expect(answer.messages[0]?.result).toBeDefined();
}

const view = async (
  server: string,
): Promise<{ state: string; reason?: string; exits: number; nextStartAt?: string }> =>
  JSON.parse(await (await crib.admin("GET", `/servers/${server}`)).text());

describe("a server that dies in the middle of a call", () => {
  test("answers that call with its last words; the same session goes on with the next process", async () => {
    await crib.add("mortal", OBEDIENT);
    const held = agent.post(call("mortal__hold", {}, "held"), session);
    await sawOnStderr(crib, "mortal", "holding 1");
    const died = await agent.post(call("mortal__die", {}, "died"), session);
    for (const [answer, id] of [
      [await held, "held"],
      [died, "died"],
    ] as const) {
      expect(answer.status).toBe(200);
      expect(answer.messages).toMatchObject([
        { id, error: { code: 5021, data: { server: "mortal", code: "server-lost", retry: "unknown" } } },
      ]);
      expect(answer.messages[0]?.error?.message).toBe(
        "mortal: The server exited with code 3; its last line on stderr: told to die. " +
          "The call may have been carried out and was not repeated: find out before you make it again.",
      );
    }
    const next = await within("the next process", agent.post(call("mortal__raw", { x: 1 }), session), 5_000);
    expect(next.messages[0]?.result).toMatchObject({ params: { arguments: { x: 1 } } });
    expect(await view("mortal")).toMatchObject({ state: "ready", exits: 1 });
    // What was lost is nobody's to repeat: neither process got it a second time.
    const said = await crib.logs("mortal");
    expect(said.match(/^(holding 1|told to die)$/gm)).toEqual(["holding 1", "told to die"]);
    await isGoodServed();
  });
});

describe("a server that does not start", () => {
  test("is kept, says why, and its calls do too; the others do not notice", async () => {
    await crib.add("keyless", raw("exit-at-once"), { isReady: false });
    const answer = await agent.post(call("keyless__anything"), session);
    expect(answer.messages[0]?.error).toMatchObject({
      code: 5020,
      data: { server: "keyless", code: "start-failed" },
    });
    expect(answer.messages[0]?.error?.message).toContain("missing API key");
    expect((await view("keyless")).reason).toContain("missing API key");
    await isGoodServed();
  });

  test("because it hangs: the others are listed and called meanwhile", async () => {
    const adding = crib.add("hanging", raw("hang-initialize"), { isReady: false });
    await until(
      "it is starting",
      async () => (await view("hanging").catch(() => ({ state: "" }))).state === "starting",
    );
    const list = await within("the list", agent.post(request("tools/list"), session), 1_000);
    expect(list.text).toContain("good__raw");
    await isGoodServed();
    await adding;
    expect((await view("hanging")).reason).toContain("did not answer initialize within 1 s");
  });
});

describe("a server whose lists are not what they should be", () => {
  const listing = (tools: string): readonly string[] => [
    "/bin/sh",
    "-c",
    `while read -r line; do id=$(printf %s "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
     case $line in
       *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":tru}}}\\n' "$id";;
       *'"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":${tools}}}\\n' "$id";;
     esac; done`,
  ];

  test.each([
    ["no JSON", '[{"name":"x","inputSchema":tru}]'],
    ["another encoding", String.raw`[{"name":"caf\351"}]`],
    ["no list", '{"name":"x"}'],
  ])("%s: does not spoil the list of all", async (about, tools) => {
    const name = `liar-${about.replaceAll(" ", "-").toLowerCase()}`;
    await crib.add(name, listing(tools));
    for (const body of [request("tools/list"), request("server/discover")]) {
      const answer = await agent.post(body, session);
      expect(answer.status).toBe(200);
    }
    const list = await agent.post(request("tools/list"), session);
    expect(list.text).toContain("good__raw");
    expect(list.text).not.toContain(`${name}__`);
    // Nor the administrator's.
    const servers: { servers: { name: string }[] } = JSON.parse(
      await (await crib.admin("GET", "/servers")).text(),
    );
    expect(servers.servers.map((server) => server.name)).toContain(name);
    const own = new Agent(
      crib.url,
      await crib.token(`for ${about}`.replaceAll(" ", "-")),
      `/mcp/-/server/${name}`,
    );
    await own.open();
    expect(crib.log.join("")).toContain("lists not read");
    await isGoodServed();
  });

  test("pages without end: the server answers calls all the same", async () => {
    await crib.add("endless", raw("endless-pages"));
    expect((await agent.post(request("tools/list"), session)).text).not.toContain("endless__");
    await isGoodServed();
  });
});

describe("a server that is changed under an agent's hands", () => {
  test("disabled: its calls say so and how it is mended; enabled, they go on", async () => {
    await crib.add("switch", OBEDIENT);
    const held = agent.post(call("switch__hold"), session);
    await sawOnStderr(crib, "switch", "holding 1");
    await crib.admin("POST", "/servers/switch/disable");
    expect((await held).messages[0]?.error).toMatchObject({ data: { code: "server-lost" } });
    expect((await agent.post(request("tools/list"), session)).text).not.toContain("switch__");
    const told = (await agent.post(call("switch__raw"), session)).messages[0]?.error;
    expect(told).toMatchObject({ code: 4091, data: { code: "server-disabled" } });
    expect(told?.message).toContain("toolcrib enable switch");

    await crib.admin("POST", "/servers/switch/enable");
    expect((await agent.post(call("switch__raw"), session)).messages[0]?.result).toBeDefined();
    expect((await agent.post(request("tools/list"), session)).text).toContain("switch__raw");
  });

  test("replaced by another: the old process's call is answered, the new one's tools are there", async () => {
    await crib.add("changing", OBEDIENT);
    const held = agent.post(call("changing__hold"), session);
    await sawOnStderr(crib, "changing", "holding 1");
    const [command = "", ...args] = raw("echo");
    const spec = { kind: "stdio", command, args };
    const replaced = await crib.admin("POST", "/servers", { name: "changing", spec, replace: true });
    expect(await replaced.text()).toContain('"event":"done"');
    expect((await held).messages[0]?.error).toMatchObject({ data: { code: "server-lost" } });
    const list = (await agent.post(request("tools/list"), session)).text;
    expect(list).toContain("changing__odd");
    expect(list).not.toContain("changing__hold");
  });

  test("replaced while its lists are being read: the new lists are the ones that stay", async () => {
    const abort = new AbortController();
    const adding = crib
      .add("slowlist", raw("hang", "tools/list"), { signal: abort.signal })
      .catch(() => "given up");
    await until(
      "it is ready",
      async () => (await view("slowlist").catch(() => ({ state: "" }))).state === "ready",
    );
    abort.abort();
    expect(await adding).toBe("given up");
    const [other = "", ...more] = raw("echo");
    const spec = { kind: "stdio", command: other, args: more };
    await until("the first add is given up, and the second is done", async () => {
      const replaced = await crib.admin("POST", "/servers", { name: "slowlist", spec, replace: true });
      return (await replaced.text()).includes('"event":"done"');
    });
    expect((await agent.post(request("tools/list"), session)).text).toContain("slowlist__odd");
  });

  test("removed: its own endpoint and the sessions there are gone, the merged ones are not", async () => {
    await crib.add("passing", OBEDIENT);
    const own = new Agent(crib.url, await crib.token("passing"), "/mcp/-/server/passing");
    const ownSession = await own.open();
    const held = own.post(call("hold"), ownSession);
    await sawOnStderr(crib, "passing", "holding 1");
    await crib.admin("DELETE", "/servers/passing");
    // The session ended under it: no answer, and no hanging request either.
    expect([200, 202]).toContain((await within("the end of the call", held)).status);
    expect((await own.post(request("ping"), ownSession)).status).toBe(404);
    expect((await agent.post(call("passing__raw"), session)).messages[0]?.error?.code).toBe(-32602);
    await isGoodServed();
  });
});

describe("cancelling in the legacy era", () => {
  const cancelled = (id: unknown): string =>
    JSON.stringify({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: id, reason: "enough" },
    });

  test("reaches the server, and the request ends without an answer", async () => {
    const held = agent.post(call("good__hold", {}, "mine"), session);
    await sawOnStderr(crib, "good", "holding");
    expect((await agent.post(cancelled("someone else's"), session)).status).toBe(202);
    expect((await agent.post(cancelled("mine"), session)).status).toBe(202);
    const answer = await within("the end of the request", held);
    expect([answer.status, answer.messages]).toEqual([200, []]);
    await sawOnStderr(crib, "good", "cancelled");
    expect((await agent.post(call("good__cancelled"), session)).text).toContain("cancelled by the client");
  });

  test("by DELETE of the session ends all that is in flight", async () => {
    const brief = await agent.open();
    const before = (await crib.logs("good")).split("holding").length;
    const held = [1, 2].map((id) => agent.post(call("good__hold", {}, id), brief));
    await until(
      "both are held",
      async () => (await crib.logs("good")).split("holding").length === before + 2,
    );
    await fetch(agent.endpoint, { method: "DELETE", headers: agent.headers(brief) });
    for (const answer of await Promise.all(held)) expect(answer.messages).toEqual([]);
    await isGoodServed();
  });
});

describe("a restart by the administrator", () => {
  test("in the middle of a modern call: it is told, and the next one is served", async () => {
    const held = agent.post(modernCall("good__hold"), modernHeaders("tools/call", "good__hold"));
    await sawOnStderr(crib, "good", "holding");
    await crib.admin("POST", "/servers/good/restart");
    expect((await held).messages[0]?.error).toMatchObject({ code: 5021 });
    await isGoodServed();
  });

  test("twice at once leaves one process", async () => {
    await Promise.allSettled([
      crib.admin("POST", "/servers/good/restart"),
      crib.admin("POST", "/servers/good/restart"),
    ]);
    await isGoodServed();
    expect(await view("good")).toMatchObject({ state: "ready" });
  });
});

test("nothing that was refused or lost left an error of the appliance's own in its log", () => {
  expect(crib.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});

// The two eras of the protocol on one URL, on bare HTTP: sessions of the legacy revisions, and the requests of
// 2026-07-28 that carry everything with them.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ACCEPT_BOTH, Agent, initializeBody, only, post } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { sdk, small } from "./servers.ts";
import { serverOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(60_000);

const MODERN = "2026-07-28";
const META = "io.modelcontextprotocol";

let crib: Crib;
let appliance: Appliance;
let url: URL;
let token: string;
let bearer: Readonly<Record<string, string>>;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "one", ...small());
  await crib.ok("add", "--yes", "--name", "two", ...small());
  await crib.ok("add", "--yes", "--name", "sdk", ...sdk());
  token = (await crib.ok("token", "create", "agent")).trim();
  bearer = { authorization: `Bearer ${token}` };
  url = appliance.mcp();
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

describe("legacy sessions", () => {
  test("each revision is spoken as asked; an unknown one gets the newest", async () => {
    for (const revision of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
      const answer = await post(url, initializeBody(revision), bearer);
      expect(only(answer).result).toMatchObject({ protocolVersion: revision });
      expect(answer.headers.get("mcp-session-id")).toMatch(/^[\x21-\x7e]{16,}$/);
    }
    expect(only(await post(url, initializeBody("1999-01-01"), bearer)).result).toMatchObject({
      protocolVersion: "2025-11-25",
    });
  });

  test("without a session 400, with an unknown one 404, after DELETE 404", async () => {
    const ping = JSON.stringify({ jsonrpc: "2.0", id: 5, method: "ping" });
    expect((await post(url, ping, bearer)).status).toBe(400);
    expect((await post(url, ping, { ...bearer, "mcp-session-id": "never-was" })).status).toBe(404);
    const agent = await Agent.open(url, token);
    expect((await agent.request("ping")).result).toEqual({});
    expect([200, 204]).toContain((await agent.close()).status);
    expect((await agent.send({ jsonrpc: "2.0", id: 6, method: "ping" })).status).toBe(404);
    expect((await agent.close()).status).toBe(404);
  });

  test("notifications and answers are taken with 202 and an empty body", async () => {
    const agent = await Agent.open(url, token);
    const messages = [
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 4711 } },
      { jsonrpc: "2.0", method: "notifications/unheard-of" },
      { jsonrpc: "2.0", id: 3, result: {} },
      { jsonrpc: "2.0", id: 4, error: { code: -1, message: "no" } },
    ];
    for (const message of messages)
      expect(await agent.send(message)).toMatchObject({ status: 202, text: "" });
  });

  test("an unknown protocol version in the header: 400", async () => {
    const agent = await Agent.open(url, token);
    const answer = await agent.send(
      { jsonrpc: "2.0", id: 2, method: "ping" },
      { "mcp-protocol-version": "1999-01-01" },
    );
    expect(answer.status).toBe(400);
  });

  test("ids come back exactly as they were sent", async () => {
    const agent = await Agent.open(url, token);
    for (const id of ['"text"', "0", "-1", "9007199254740993", '"\\u00e9\\"\\\\"', '""']) {
      const { text } = await post(url, `{"jsonrpc":"2.0","id":${id},"method":"ping"}`, agent.headers);
      expect(text).toContain(`"id":${id}`);
    }
  });

  test("several messages at once in a session of the one revision that has it, and in no other", async () => {
    const batch = [
      { jsonrpc: "2.0", id: "a", method: "tools/call", params: { name: "one__pong", arguments: {} } },
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", id: 7, method: "ping" },
    ];
    for (const revision of ["2025-03-26", "2025-06-18"]) {
      const opened = await post(url, initializeBody(revision), bearer);
      const session = { ...bearer, "mcp-session-id": opened.headers.get("mcp-session-id") ?? "" };
      const answer = await post(url, JSON.stringify(batch), session);
      if (revision !== "2025-03-26") {
        expect(answer.status).toBe(400);
        expect(only(answer).error?.message).toContain("one message at a time");
        continue;
      }
      expect(JSON.parse(answer.text)).toEqual([
        { jsonrpc: "2.0", id: 7, result: {} },
        { jsonrpc: "2.0", id: "a", result: expect.objectContaining({ content: [expect.anything()] }) },
      ]);
      const notified = await post(url, JSON.stringify([batch[1]]), session);
      expect(notified).toMatchObject({ status: 202, text: "" });
    }
  });

  test("unknown methods are -32601, unknown tools an error that names them", async () => {
    const agent = await Agent.open(url, token);
    expect((await agent.request("nothing/here")).error?.code).toBe(-32601);
    const { error } = await agent.call("one__nothing");
    expect(error?.code).toBe(-32602);
    expect(error?.message).toContain("one__nothing");
  });
});

describe("modern requests", () => {
  interface Modern {
    readonly method: string;
    readonly params?: Readonly<Record<string, unknown>>;
    readonly meta?: Readonly<Record<string, unknown>>;
    readonly headers?: Readonly<Record<string, string>>;
  }
  /** A correct request of 2026-07-28, save for what the test changes. A header "" is left out. */
  function modern({ method, params, meta, headers }: Modern) {
    const full = {
      [`${META}/protocolVersion`]: MODERN,
      [`${META}/clientCapabilities`]: {},
      [`${META}/clientInfo`]: { name: "bare", version: "1" },
      ...meta,
    };
    const all = { "mcp-protocol-version": MODERN, "mcp-method": method, ...bearer, ...headers };
    return post(
      url,
      JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: full } }),
      Object.fromEntries(Object.entries(all).filter(([, value]) => value !== "")),
    );
  }
  const call = { method: "tools/call", params: { name: "one__pong", arguments: {} } };

  test("discover, list and call without a session", async () => {
    const discovered = await modern({ method: "server/discover" });
    expect(discovered.status).toBe(200);
    expect(discovered.headers.get("mcp-session-id")).toBeNull();
    expect(only(discovered).result).toMatchObject({
      resultType: "complete",
      supportedVersions: expect.arrayContaining([MODERN]),
    });
    const listed = only(await modern({ method: "tools/list" })).result;
    expect(listed).toMatchObject({ resultType: "complete" });
    expect(JSON.stringify(listed)).toMatch(/"one__pong".*"sdk__echo".*"two__pong"/);
    expect(listed).toHaveProperty("ttlMs");
    expect(listed).toHaveProperty("cacheScope");
    expect(only(await modern({ ...call, headers: { "mcp-name": "one__pong" } })).result).toMatchObject({
      resultType: "complete",
      content: [{ type: "text", text: expect.stringMatching(/^pong \d+$/) }],
    });
  });

  test("headers that do not say what the body says: 400 and -32020", async () => {
    const wrong: readonly Modern[] = [
      { method: "tools/list", headers: { "mcp-method": "tools/call" } },
      { method: "tools/list", headers: { "mcp-method": "" } },
      { method: "tools/list", headers: { "mcp-protocol-version": "2025-11-25" } },
      { method: "tools/list", headers: { "mcp-protocol-version": "" } },
      { ...call, headers: { "mcp-name": "two__pong" } },
      { ...call, headers: { "mcp-name": "" } },
    ];
    for (const request of wrong) {
      const answer = await modern(request);
      expect({ request, status: answer.status, code: only(answer).error?.code }).toEqual({
        request,
        status: 400,
        code: -32020,
      });
    }
  });

  test("a version that is not spoken: 400, -32022 and those that are", async () => {
    const version = "2099-01-01";
    const answer = await modern({
      method: "tools/list",
      meta: { [`${META}/protocolVersion`]: version },
      headers: { "mcp-protocol-version": version },
    });
    expect(answer.status).toBe(400);
    expect(only(answer).error).toMatchObject({
      code: -32022,
      data: { requested: version, supported: expect.arrayContaining([MODERN]) },
    });
  });

  test("a name outside of ASCII, as the sentinel demands", async () => {
    const name = "one__né";
    const answer = await modern({
      method: "tools/call",
      params: { name, arguments: {} },
      headers: { "mcp-name": `=?base64?${Buffer.from(name).toString("base64")}?=` },
    });
    // The tool is not there, but the headers are right.
    expect(only(answer).error?.code).not.toBe(-32020);
  });

  test("unknown methods: 404 and -32601", async () => {
    const answer = await modern({ method: "nothing/here" });
    expect({ status: answer.status, code: only(answer).error?.code }).toEqual({ status: 404, code: -32601 });
  });

  test("what only sessions have: 405", async () => {
    for (const method of ["GET", "DELETE"]) {
      const headers = { ...bearer, "mcp-protocol-version": MODERN, accept: "text/event-stream" };
      expect((await fetch(url, { method, headers })).status).toBe(405);
    }
  });
});

describe("a client that goes away in the middle of a call", () => {
  const slow = (ms: number) => ({ name: "sdk__slow", arguments: { ms } });

  test("legacy: the call goes on, for a lost connection is no cancellation", async () => {
    const agent = await Agent.open(url, token);
    const gone = new AbortController();
    const body = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/call", params: slow(3000) });
    const lost = fetch(url, {
      method: "POST",
      headers: { ...agent.headers, "content-type": "application/json", accept: ACCEPT_BOTH },
      body,
      signal: gone.signal,
    });
    await until("the call is at the server", async () => (await serverOf(crib, "sdk")).inFlight === 1);
    gone.abort();
    await expect(lost).rejects.toThrow();
    await until("the call has ended", async () => (await serverOf(crib, "sdk")).inFlight === 0);
    expect(await crib.ok("logs", "sdk")).not.toContain("slow: cancelled");
    expect((await agent.request("ping")).result).toEqual({});
  });

  test("legacy: notifications/cancelled is", async () => {
    const agent = await Agent.open(url, token);
    const call = agent.send({ jsonrpc: "2.0", id: "mine", method: "tools/call", params: slow(600_000) });
    await until("the call is at the server", async () => (await serverOf(crib, "sdk")).inFlight === 1);
    await agent.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "mine" } });
    expect((await within("the call ends", call)).messages).toEqual([]);
    await until("the server has heard of it", async () => (await cancellations()) === 1);
  });

  test("modern: the closed connection is the cancellation", async () => {
    const gone = new AbortController();
    const meta = { [`${META}/protocolVersion`]: MODERN, [`${META}/clientCapabilities`]: {} };
    const lost = fetch(url, {
      method: "POST",
      headers: {
        ...bearer,
        "content-type": "application/json",
        accept: ACCEPT_BOTH,
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": "sdk__slow",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { ...slow(600_000), _meta: meta },
      }),
      signal: gone.signal,
    });
    await until("the call is at the server", async () => (await serverOf(crib, "sdk")).inFlight === 1);
    gone.abort();
    await expect(lost).rejects.toThrow();
    await until("the server has heard of it", async () => (await cancellations()) === 2);
    expect((await serverOf(crib, "sdk")).inFlight).toBe(0);
  });
});

/** How often the server heard that nobody waits any more. */
async function cancellations(): Promise<number> {
  return (await crib.ok("logs", "sdk")).split("slow: cancelled").length - 1;
}

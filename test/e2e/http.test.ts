// /mcp on bare HTTP: each wrong request gets the status and the error that the specification names, and no more than
// that; tokens see what they were given. Requests here are written by hand, not by a client library.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Agent, initializeBody, only, post, read } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { small } from "./servers.ts";
import { tokensOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(60_000);

const MAX_BODY_BYTES = 65_536;

let crib: Crib;
let appliance: Appliance;
let url: URL;
let token: string;
let narrow: string;
let bearer: Readonly<Record<string, string>>;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve({ env: { TOOLCRIB_MAX_BODY_BYTES: String(MAX_BODY_BYTES) } });
  await crib.ok("add", "--yes", "--name", "one", ...small());
  await crib.ok("add", "--yes", "--name", "two", ...small());
  token = (await crib.ok("token", "create", "wide")).trim();
  narrow = (await crib.ok("token", "create", "narrow", "--server", "one")).trim();
  bearer = { authorization: `Bearer ${token}` };
  url = appliance.mcp();
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

describe("who is there", () => {
  const wrong: Readonly<Record<string, Record<string, string>>> = {
    "no token": {},
    "an unknown token": { authorization: `Bearer tc_${"A".repeat(43)}` },
    "no token at all behind the scheme": { authorization: "Bearer" },
    "another scheme": { authorization: "Basic dG9vbDpjcmli" },
    "a token in a cookie": { cookie: "token=tc_x" },
  };
  for (const [label, headers] of Object.entries(wrong)) {
    test(`${label}: 401 that says how, on every method and path of /mcp`, async () => {
      for (const target of [url, appliance.mcp("one"), appliance.mcp("nothing-here")]) {
        const answers = [
          await post(target, initializeBody(), headers),
          await read(await fetch(target, { headers })),
          await read(await fetch(target, { method: "DELETE", headers })),
        ];
        for (const answer of answers) {
          expect(answer.status).toBe(401);
          expect(answer.headers.get("www-authenticate")).toStartWith("Bearer");
          expect(answer.headers.get("mcp-session-id")).toBeNull();
          expect(answer.text).not.toContain("pong");
        }
      }
    });
  }

  test("a token in the URL does not count", async () => {
    const inQuery = new URL(`?token=${token}&access_token=${token}`, url);
    expect((await post(inQuery, initializeBody())).status).toBe(401);
  });

  test("a revoked token is 401 at once, in open sessions too", async () => {
    const secret = (await crib.ok("token", "create", "short")).trim();
    const agent = await Agent.open(url, secret);
    expect(await agent.toolNames()).toEqual(["one__pong", "two__pong"]);
    await crib.ok("token", "revoke", "short");
    expect((await agent.send({ jsonrpc: "2.0", id: 9, method: "tools/list" })).status).toBe(401);
    expect((await post(url, initializeBody(), { authorization: `Bearer ${secret}` })).status).toBe(401);
    expect((await tokensOf(crib)).map(({ name }) => name)).not.toContain("short");
  });

  test("an expired token is 401", async () => {
    const secret = (await crib.ok("token", "create", "brief", "--expires", "1s")).trim();
    const authorization = `Bearer ${secret}`;
    await until(
      "it has expired",
      async () => (await post(url, initializeBody(), { authorization })).status === 401,
    );
    expect((await tokensOf(crib)).find(({ name }) => name === "brief")).toMatchObject({ expired: true });
  });

  test("a token for one server sees and calls that server only", async () => {
    const agent = await Agent.open(url, narrow);
    expect(await agent.toolNames()).toEqual(["one__pong"]);
    expect((await agent.call("one__pong")).result).toBeDefined();
    const refused = await agent.call("two__pong");
    const unknown = await agent.call("two__nothing");
    expect(refused.result).toBeUndefined();
    // Not told apart: what there is beyond its reach is not its business.
    expect(refused.error?.code).toBe(unknown.error?.code ?? 0);

    const authorization = `Bearer ${narrow}`;
    expect((await post(appliance.mcp("one"), initializeBody(), { authorization })).status).toBe(200);
    const elsewhere = await post(appliance.mcp("two"), initializeBody(), { authorization });
    const nowhere = await post(appliance.mcp("nothing-here"), initializeBody(), { authorization });
    expect([403, 404]).toContain(elsewhere.status);
    expect(elsewhere.status).toBe(nowhere.status);
    expect(elsewhere.text.replaceAll("two", "…")).toBe(nowhere.text.replaceAll("nothing-here", "…"));
  });

  test("another token does not get into a session", async () => {
    const agent = await Agent.open(url, token);
    const stolen = await agent.send(
      { jsonrpc: "2.0", id: 2, method: "tools/list" },
      { authorization: `Bearer ${narrow}` },
    );
    expect(stolen.status).toBe(404);
    expect(stolen.text).not.toContain("pong");
  });
});

describe("requests that are none", () => {
  test("not JSON: 400 and -32700", async () => {
    for (const body of ["{", "", "hello", '{"jsonrpc":"2.0","id":1,"method":"ping"', "\u0000"]) {
      const answer = await post(url, body, bearer);
      expect(answer.status).toBe(400);
      expect(only(answer).error?.code).toBe(-32700);
    }
  });

  test("JSON, but no message: 400", async () => {
    const bodies = [
      "{}",
      "7",
      '"ping"',
      "null",
      '{"jsonrpc":"1.0","id":1,"method":"ping"}',
      '{"jsonrpc":"2.0","id":{},"method":"ping"}',
    ];
    for (const body of bodies) {
      const answer = await post(url, body, bearer);
      expect({ body, status: answer.status }).toEqual({ body, status: 400 });
      expect([-32600, -32700, -32602]).toContain(only(answer).error?.code ?? 0);
    }
  });

  test("over the limit: 413, declared or not, and the appliance goes on", async () => {
    const streamed = new Blob([initializeOf(MAX_BODY_BYTES * 4)]).stream();
    const answers = [
      await post(url, initializeOf(MAX_BODY_BYTES), bearer),
      await read(
        await fetch(url, {
          method: "POST",
          headers: {
            ...bearer,
            "content-type": "application/json",
            accept: "application/json, text/event-stream",
          },
          body: streamed,
        }),
      ),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(413);
      expect(answer.text).toContain(String(MAX_BODY_BYTES));
    }
    expect((await post(url, initializeOf(MAX_BODY_BYTES / 2), bearer)).status).toBe(200);
  });

  test("an Accept that we cannot serve: 406", async () => {
    expect((await post(url, initializeBody(), { ...bearer, accept: "text/html" })).status).toBe(406);
    const agent = await Agent.open(url, token);
    const stream = await fetch(url, { headers: { ...agent.headers, accept: "application/json" } });
    expect(stream.status).toBe(406);
  });

  test("either form of answer alone is served in that form", async () => {
    const json = await post(url, initializeBody(), { ...bearer, accept: "application/json" });
    expect([json.status, json.headers.get("content-type")]).toEqual([
      200,
      expect.stringContaining("application/json"),
    ]);
    const events = await post(url, initializeBody(), { ...bearer, accept: "text/event-stream" });
    expect([events.status, events.headers.get("content-type")]).toEqual([
      200,
      expect.stringContaining("text/event-stream"),
    ]);
    expect(only(events).result).toBeDefined();
  });

  test("another content type: 415", async () => {
    expect((await post(url, initializeBody(), { ...bearer, "content-type": "text/plain" })).status).toBe(415);
  });

  test("other methods: 405 and what is allowed", async () => {
    for (const method of ["PUT", "PATCH"]) {
      const answer = await fetch(url, { method, headers: bearer });
      expect(answer.status).toBe(405);
      expect(answer.headers.get("allow")).toContain("POST");
    }
  });

  test("a wrong Host or Origin: 403, with a good token too", async () => {
    const wrong: readonly Record<string, string>[] = [
      { host: "evil.example" },
      { host: "127.0.0.1.evil.example:7700" },
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "http://127.0.0.1.evil.example" },
    ];
    for (const headers of wrong) {
      for (const target of [url, appliance.mcp("one")]) {
        const answer = await post(target, initializeBody(), { ...bearer, ...headers });
        expect({ headers, status: answer.status }).toEqual({ headers, status: 403 });
        expect(answer.headers.get("mcp-session-id")).toBeNull();
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
      }
    }
    const { port } = url;
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`]) {
      const answer = await post(url, initializeBody(), { ...bearer, host, origin: `http://${host}` });
      expect({ host, status: answer.status }).toEqual({ host, status: 200 });
    }
  });
});

describe("other paths", () => {
  test("health and metrics", async () => {
    expect((await fetch(new URL("/healthz", url))).status).toBe(200);
    expect((await fetch(new URL("/readyz", url))).status).toBe(200);
    await crib.ok("call", "one__pong");
    const metrics = await (await fetch(new URL("/metrics", url))).text();
    expect(metrics).toMatch(/^# TYPE toolcrib_\w+ histogram$/m);
    expect(metrics).toMatch(/^toolcrib_\w*calls\w*\{[^}]*server="one"[^}]*\} [1-9]/m);
    expect(metrics).toMatch(/^process_resident_memory_bytes [1-9]|^toolcrib_\w*resident\w* [1-9]/m);
    expect(metrics).not.toContain("tc_");
  });

  test("the admin API is not there for the network without a right", async () => {
    for (const path of [
      "/api/v1/status",
      "/api/v1/servers",
      "/api/v1/tokens",
      "/api/v1/settings",
      "/api/v1/tools",
    ]) {
      for (const headers of [{}, bearer]) {
        const answer = await fetch(new URL(path, url), { headers });
        expect([401, 403, 404]).toContain(answer.status);
        const text = await answer.text();
        expect(text).not.toContain("narrow");
        expect(text).not.toContain(crib.home);
      }
    }
    const created = await fetch(new URL("/api/v1/tokens", url), {
      method: "POST",
      headers: { ...bearer, "content-type": "application/json" },
      body: '{"name":"mine"}',
    });
    expect([401, 403, 404]).toContain(created.status);
    expect((await tokensOf(crib)).map(({ name }) => name)).not.toContain("mine");
  });

  test("a repository or server that is not there: 404, no session", async () => {
    for (const path of ["/mcp/acme/web", "/mcp/-/server/nothing", "/mcp/-/nothing", "/mcp/"]) {
      const answer = await post(new URL(path, url), initializeBody(), bearer);
      expect({ path, status: answer.status }).toEqual({ path, status: 404 });
      expect(answer.headers.get("mcp-session-id")).toBeNull();
    }
    expect((await fetch(new URL("/nothing", url))).status).toBe(404);
  });
});

/** A correct initialize that is a little longer than this. */
function initializeOf(bytes: number): string {
  return initializeBody().replace("bare", "b".repeat(bytes));
}

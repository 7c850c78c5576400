// What the edge of /mcp refuses: the status, the code, the headers, and what must not appear in the answer.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Agent, answerOf, type Headers, MODERN, request } from "./agent.ts";
import { type Crib, OBEDIENT, openCrib, raw } from "./appliance.ts";
import { exchange, open, statusOf } from "./raw-http.ts";

const MIB = 1_048_576;

let crib: Crib;
let token = "";
let agent: Agent;
let session: Headers = {};

beforeAll(async () => {
  crib = await openCrib({ maxBodyBytes: "2MiB", maxQueuedBytes: "4MiB" });
  await crib.add("obedient", OBEDIENT);
  await crib.add("other", raw("echo"));
  token = await crib.token("all");
  agent = new Agent(crib.url, token);
  session = await agent.open();
});
afterAll(() => crib.stop());

describe("401: no right to be here", () => {
  const rows: readonly (readonly [string, () => Headers, string])[] = [
    ["no token", () => ({}), 'Bearer realm="toolcrib"'],
    ["an empty header", () => ({ authorization: "" }), "Bearer realm"],
    ["another scheme", () => ({ authorization: `Basic ${btoa(`user:${token}`)}` }), 'error="invalid_token"'],
    ["the scheme alone", () => ({ authorization: "Bearer" }), 'error="invalid_token"'],
    ["an unknown token", () => ({ authorization: `Bearer tc_${"A".repeat(43)}` }), 'error="invalid_token"'],
    ["a token with more behind it", () => ({ authorization: `Bearer ${token}x` }), 'error="invalid_token"'],
    ["the token without a scheme", () => ({ authorization: token }), 'error="invalid_token"'],
    ["the token in a cookie", () => ({ cookie: `token=${token}` }), 'Bearer realm="toolcrib"'],
    ["a session id alone", () => session, 'Bearer realm="toolcrib"'],
  ];
  for (const path of ["/mcp", "/mcp/-/server/obedient", "/mcp/-/server/none"]) {
    test.each(rows)(`${path}: %s`, async (_about, headers, challenge) => {
      const response = await fetch(crib.url + path, {
        method: "POST",
        body: request("tools/list"),
        headers: { "content-type": "application/json", ...headers() },
      });
      const answer = await answerOf(response);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toContain(challenge);
      expect(answer.messages).toMatchObject([{ jsonrpc: "2.0", id: null, error: { code: 4010 } }]);
      expect(answer.text).not.toContain(token);
      expect(answer.text).not.toContain("obedient");
    });
  }

  test("in the query a token is none", async () => {
    const response = await fetch(`${crib.url}/mcp?token=${token}&access_token=${token}`, { method: "POST" });
    expect(response.status).toBe(401);
    await response.body?.cancel();
  });

  test("the scheme may be written in any letters", async () => {
    const answer = await agent.post(request("ping"), { ...session, authorization: `bEARER  ${token} ` });
    expect(answer.status).toBe(200);
  });
});

describe("403: a page of somebody else's", () => {
  const hostile: readonly (readonly [string, Headers])[] = [
    ["another host", { host: "evil.example" }],
    ["a host that only begins well", { host: "localhost.evil.example" }],
    ["another origin", { origin: "https://evil.example" }],
    ["an origin without a name", { origin: "null" }],
    ["an origin that is none", { origin: "chrome-extension" }],
  ];
  test.each(hostile)("%s", async (_about, headers) => {
    for (const path of ["/mcp", "/mcp/-/server/obedient"]) {
      const response = await fetch(crib.url + path, {
        method: "POST",
        body: request("ping"),
        headers: agent.headers({ ...session, ...headers }),
      });
      const answer = await answerOf(response);
      expect(answer.status).toBe(403);
      expect(answer.messages).toMatchObject([{ error: { code: 4030 } }]);
      expect(answer.text).not.toContain("evil");
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    }
  });

  test.each([
    ["localhost", (port: number) => ({ host: `localhost:${port}` })],
    ["an IPv6 loopback", (port: number) => ({ host: `[::1]:${port}` })],
    ["its own page", (port: number) => ({ origin: `http://127.0.0.1:${port}` })],
  ])("but not %s", async (_about, headers) => {
    expect((await agent.post(request("ping"), { ...session, ...headers(crib.port) })).status).toBe(200);
  });

  test("comes before the token is looked at", async () => {
    const answer = await exchange(crib.port, [
      "POST /mcp HTTP/1.1",
      "Host: evil.example",
      "Content-Length: 0",
    ]);
    expect(statusOf(answer)).toBe(403);
    expect(answer.toLowerCase()).not.toContain("www-authenticate");
  });
});

describe("a request that cannot be read", () => {
  const rows: readonly (readonly [
    about: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Headers,
    status: number,
    code: number,
    sentence: string,
  ])[] = [
    ["no content type", request("ping"), { "content-type": "" }, 415, -32600, "application/json"],
    [
      "another content type",
      request("ping"),
      { "content-type": "text/plain" },
      415,
      -32600,
      "application/json",
    ],
    [
      "a content type that only begins well",
      request("ping"),
      { "content-type": "application/jsonp" },
      415,
      -32600,
      "application/json",
    ],
    [
      "an Accept of something else",
      request("ping"),
      { accept: "text/html" },
      406,
      -32600,
      "text/event-stream",
    ],
    ["nothing", "", {}, 400, -32700, "not JSON"],
    ["no JSON", "ping", {}, 400, -32700, "not JSON"],
    ["half of it", '{"jsonrpc":"2.0","id":1,"meth', {}, 400, -32700, "not JSON"],
    [
      "two messages",
      '{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}',
      {},
      400,
      -32700,
      "not JSON",
    ],
    ["a comma too much", '{"jsonrpc":"2.0","id":1,"method":"ping",}', {}, 400, -32700, "not JSON"],
    [
      "another encoding",
      Buffer.from('{"jsonrpc":"2.0","id":1,"method":"caf\u00e9"}', "latin1"),
      {},
      400,
      -32700,
      "UTF-8",
    ],
    ["half a character", Buffer.from([0x22, 0xc3, 0x22]), {}, 400, -32700, "UTF-8"],
    ["a byte order mark", "\ufeff{}", {}, 400, -32700, "not JSON"],
    ["a batch", `[${request("ping")}]`, {}, 400, -32600, "Batches"],
    ["an empty batch", "[]", {}, 400, -32600, "Batches"],
    ["a number", "7", {}, 400, -32600, "not a JSON object"],
    ["null", "null", {}, 400, -32600, "not a JSON object"],
    ["no version", '{"id":1,"method":"ping"}', {}, 400, -32600, '"jsonrpc"'],
    ["version 1", '{"jsonrpc":"1.0","id":1,"method":"ping"}', {}, 400, -32600, '"jsonrpc"'],
    ["a method that is no string", '{"jsonrpc":"2.0","id":1,"method":7}', {}, 400, -32600, '"method"'],
    [
      "params that are a list",
      '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
      {},
      400,
      -32600,
      '"params"',
    ],
    ["an id of null", '{"jsonrpc":"2.0","id":null,"method":"ping"}', {}, 400, -32600, '"id"'],
    ["an id that is an object", '{"jsonrpc":"2.0","id":{},"method":"ping"}', {}, 400, -32600, '"id"'],
    [
      "two methods",
      '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
      {},
      400,
      -32600,
      "twice",
    ],
    [
      "two methods, one behind escapes",
      String.raw`{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"x"}`,
      {},
      400,
      -32600,
      "twice",
    ],
    ["two ids", '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', {}, 400, -32600, "twice"],
    [
      "two names",
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
      {},
      400,
      -32600,
      "twice",
    ],
    [
      "both a request and an answer",
      '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
      {},
      400,
      -32600,
      "both",
    ],
    ["a megabyte of brackets", "[".repeat(MIB), {}, 400, -32700, "nested"],
    [
      "brackets within params",
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
      {},
      400,
      -32700,
      "nested",
    ],
    ["a megabyte of braces", `{"a":`.repeat(200_000), {}, 400, -32700, "nested"],
    [
      "too much",
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"${"x".repeat(2 * MIB)}"}}`,
      {},
      413,
      4130,
      "2097152 bytes",
    ],
  ];
  test.each(rows)("%s", async (_about, body, headers, status, code, sentence) => {
    const answer = await agent.post(body, { ...session, ...headers });
    expect(answer.status).toBe(status);
    expect(answer.messages).toMatchObject([{ jsonrpc: "2.0", id: null, error: { code } }]);
    expect(answer.messages[0]?.error?.message).toContain(sentence);
    expect(answer.text.length).toBeLessThan(1_000);
    expect(answer.text).not.toContain("/work");
    expect(answer.text).not.toContain("    at ");
  });

  test("does not end the appliance, nor the session", async () => {
    expect((await agent.post(request("ping"), session)).messages).toMatchObject([{ id: 1, result: {} }]);
  });

  test("a body that is too much and does not say so", async () => {
    const chunk = `${(256 * 1024).toString(16)}\r\n${"x".repeat(256 * 1024)}\r\n`;
    const answer = await exchange(
      crib.port,
      [
        "POST /mcp HTTP/1.1",
        `Host: 127.0.0.1:${crib.port}`,
        `Authorization: Bearer ${token}`,
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
      ],
      `${chunk.repeat(9)}0\r\n\r\n`,
    );
    expect(statusOf(answer)).toBe(413);
  });

  test("a client that goes away in the middle of its body leaves no complaint", async () => {
    const before = crib.log.length;
    const socket = await open(crib.port);
    const head = ["POST /mcp HTTP/1.1", `Host: 127.0.0.1:${crib.port}`, `Authorization: Bearer ${token}`];
    socket.write(
      [...head, "Content-Type: application/json", "Content-Length: 1000", "", '{"jsonrpc"'].join("\r\n"),
    );
    // Taken in by now, because it came before.
    expect((await agent.post(request("ping"), session)).status).toBe(200);
    socket.destroy();
    expect((await agent.post(request("ping"), session)).status).toBe(200);
    expect(crib.log.slice(before).join("")).not.toContain('"level":"error"');
  });
});

describe("a session that is none", () => {
  const rows: readonly (readonly [string, () => Headers, number])[] = [
    ["none at all", () => ({}), 400],
    ["an empty one", () => ({ "mcp-session-id": "" }), 404],
    ["an invented one", () => ({ "mcp-session-id": crypto.randomUUID() }), 404],
    [
      "one with another letter",
      () => ({ "mcp-session-id": (session["mcp-session-id"] ?? "").toUpperCase() }),
      404,
    ],
    [
      "a good one with an unknown revision",
      () => ({ ...session, "mcp-protocol-version": "1999-01-01" }),
      400,
    ],
  ];
  test.each(rows)("%s", async (_about, headers, status) => {
    for (const body of [
      request("tools/list"),
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      '{"jsonrpc":"2.0","id":1,"result":{}}',
    ]) {
      const answer = await agent.post(body, headers());
      expect([body, answer.status]).toEqual([body, status]);
      expect(answer.messages).toMatchObject([{ error: { code: -32600 } }]);
    }
    for (const method of ["GET", "DELETE"]) {
      const response = await fetch(agent.endpoint, { method, headers: agent.headers(headers()) });
      expect([method, response.status]).toEqual([method, status]);
      await response.body?.cancel();
    }
  });

  test("of another token is not told from one that never was", async () => {
    const stranger = new Agent(crib.url, await crib.token("stranger"));
    const [theirs, invented] = [
      await stranger.post(request("tools/list"), session),
      await stranger.post(request("tools/list"), { "mcp-session-id": crypto.randomUUID() }),
    ];
    expect([theirs.status, theirs.text]).toEqual([404, invented.text]);
    const response = await fetch(agent.endpoint, { method: "DELETE", headers: stranger.headers(session) });
    expect(response.status).toBe(404);
    expect((await agent.post(request("ping"), session)).status).toBe(200);
  });

  test("of another endpoint does not count on this one", async () => {
    const own = new Agent(crib.url, token, "/mcp/-/server/obedient");
    expect((await own.post(request("tools/list"), session)).status).toBe(404);
    const ownSession = await own.open();
    expect((await agent.post(request("tools/list"), ownSession)).status).toBe(404);
    const other = new Agent(crib.url, token, "/mcp/-/server/other");
    expect((await other.post(request("tools/list"), ownSession)).status).toBe(404);
  });

  test("is one no more after DELETE", async () => {
    const ended = await agent.open();
    const response = await fetch(agent.endpoint, { method: "DELETE", headers: agent.headers(ended) });
    expect(response.status).toBe(200);
    expect((await agent.post(request("ping"), ended)).status).toBe(404);
    const again = await fetch(agent.endpoint, { method: "DELETE", headers: agent.headers(ended) });
    expect(again.status).toBe(404);
  });
});

describe("a method or a place that is not served", () => {
  test.each(["PUT", "PATCH", "OPTIONS", "HEAD"])("%s is 405, and what is allowed is told", async (method) => {
    for (const path of ["/mcp", "/mcp/-/server/obedient"]) {
      const response = await fetch(crib.url + path, { method, headers: agent.headers(session) });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, POST, DELETE");
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
      await response.text();
    }
  });

  test.each(["GET", "DELETE"])("%s of the modern era is 405", async (method) => {
    const headers = agent.headers({
      "mcp-protocol-version": MODERN,
      ...session,
      accept: "text/event-stream",
    });
    const response = await fetch(agent.endpoint, {
      method,
      headers: { ...headers, "mcp-protocol-version": MODERN },
    });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    await response.text();
  });

  test("GET that takes no events is 406", async () => {
    const headers = agent.headers({ ...session, accept: "application/json" });
    const response = await fetch(agent.endpoint, { headers });
    expect(response.status).toBe(406);
    await response.text();
  });

  const paths: readonly (readonly [path: string, status: number])[] = [
    ["/mcp/", 404],
    ["/mcp/acme/web", 404],
    ["/mcp/-/server", 404],
    ["/mcp/-/server/", 404],
    ["/mcp/-/server/none", 404],
    ["/mcp/-/server/obedient/more", 404],
    ["/mcp/-/server/OBEDIENT", 404],
    ["/mcp/-/server/%", 404],
    ["/mcp/-/server/%zz", 404],
    ["/mcp/-/server/%ff", 404],
    ["/mcp/-/server/%00", 404],
    ["/mcp/-/server/%2e%2e", 404],
    ["/mcp/-/server/..%2fobedient", 404],
    ["/mcp/-/server/__proto__", 404],
    ["/mcp/-/server/o%62edient", 400],
    ["/mcp/-/server/obedient?name=other", 400],
  ];
  test.each(paths)("POST %s is %d, with a good token", async (path, status) => {
    const body = request("tools/list");
    const answer = await exchange(
      crib.port,
      [
        `POST ${path} HTTP/1.1`,
        `Host: 127.0.0.1:${crib.port}`,
        `Authorization: Bearer ${token}`,
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
      ],
      body,
    );
    // 400: the place is there, the session is missing.
    expect(statusOf(answer)).toBe(status);
    expect(answer).toContain('"jsonrpc":"2.0"');
  });

  test("a server that the token is not for is not told from one that is not there", async () => {
    const narrow = await crib.token("narrow", ["other"]);
    const [closed, none] = ["obedient", "none"].map(
      (name) => new Agent(crib.url, narrow, `/mcp/-/server/${name}`),
    );
    const [first, second] = [
      await closed?.post(request("tools/list")),
      await none?.post(request("tools/list")),
    ];
    expect([first?.status, second?.status]).toEqual([404, 404]);
    expect(first?.text).toBe(second?.text ?? "");
  });
});

describe("outside /mcp", () => {
  test.each([
    ["/healthz", 200, "ok"],
    ["/readyz", 200, "ok"],
    ["/metrics", 200, "toolcrib_sessions"],
    ["/api/v1/servers", 403, "command line"],
    ["/", 404, "Not found"],
    ["/etc/passwd", 404, "Not found"],
  ])("%s is %d", async (path, status, part) => {
    const response = await fetch(crib.url + path);
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(part);
  });
});

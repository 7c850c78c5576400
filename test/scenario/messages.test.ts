// What goes through: every kind of id, every byte of params and results, in the form that the client can read.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ODD_RESULT } from "../servers/raw/answers.ts";
import { Agent, call, type Headers, MODERN_META, modernCall, modernHeaders, request } from "./agent.ts";
import { type Crib, OBEDIENT, openCrib, raw, SDK } from "./appliance.ts";

const MIB = 1_048_576;

let crib: Crib;
let agent: Agent;
let session: Headers = {};

beforeAll(async () => {
  crib = await openCrib();
  await crib.add("echo", raw("echo"));
  await crib.add("obedient", OBEDIENT);
  await crib.add("lies", raw("lies"));
  await crib.add("sdk", SDK);
  agent = new Agent(crib.url, await crib.token("all"));
  session = await agent.open();
});
afterAll(() => crib.stop());

describe("an id comes back as it was sent", () => {
  const ids = [
    "1",
    "0",
    "-7",
    "1e3",
    "1.50",
    "9007199254740993",
    '"text"',
    '""',
    String.raw`"\u0061 \"b\" \\ \ud83d\ude00 é"`,
    `"${"x".repeat(100_000)}"`,
  ];
  test.each(ids)("%s", async (id) => {
    for (const message of [
      `{"jsonrpc":"2.0","id":${id},"method":"ping"}`,
      `{"method":"tools/call","params":{"name":"obedient__raw"},"id":${id},"jsonrpc":"2.0"}`,
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"none"}}`,
    ]) {
      const answer = await agent.post(message, session);
      expect(answer.status).toBe(200);
      expect(answer.text.startsWith(`{"jsonrpc":"2.0","id":${id},`)).toBe(true);
    }
  });
});

describe("bytes", () => {
  const ODD_ARGUMENTS =
    '{"big":9007199254740993,"one":1.0 , "minusZero":-0,"huge":1e400,"twice":1,"twice":2,"é":"\\u00e9\\ud83d\\ude00 \\/"}';

  test("of arguments reach the server, and of a result the agent", async () => {
    const there = await agent.post(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":${ODD_ARGUMENTS} , "name":"obedient__raw"}}`,
      session,
    );
    expect(there.text).toBe(
      `{"jsonrpc":"2.0","id":1,"result":{"content":[],"params":{"arguments":${ODD_ARGUMENTS} , "name":"raw"}}}`,
    );
    const back = await agent.post(call("echo__odd"), session);
    expect(back.text).toBe(`{"jsonrpc":"2.0","id":1,"result":${ODD_RESULT}}`);
  });

  test("of a large message too, in both directions", async () => {
    for (const size of [MIB, 12 * MIB]) {
      const there = await agent.post(call("sdk__size", { text: "x".repeat(size) }), session);
      expect(there.messages[0]?.result).toMatchObject({ content: [{ text: String(size) }] });
      const back = await agent.post(call("sdk__big", { bytes: size }), session);
      expect(back.messages[0]?.result).toMatchObject({ content: [{ text: "x".repeat(size) }] });
    }
  });

  test("of many calls at once are not mixed up", async () => {
    const answers = await Promise.all(
      Array.from({ length: 150 }, async (_, index) => {
        const filler = String(index).repeat((index % 7) * 3_000 + 1);
        const answer = await agent.post(call("obedient__raw", { filler }, `id ${index}`), session);
        return answer.text.includes(`"id":"id ${index}"`) && answer.text.includes(`"filler":"${filler}"}`);
      }),
    );
    expect(answers.every((isRight) => isRight)).toBe(true);
  });
});

describe("line breaks do not make a second message", () => {
  const rows: readonly (readonly [string, string])[] = [
    [
      "between tokens",
      '{\r\n"jsonrpc":"2.0",\n"id":1,\n"method":"tools/call","params":{\n"name":\r\n"obedient__raw",\n"arguments":{\r"a":\n1}\n}\n}',
    ],
    [
      "within text, escaped",
      String.raw`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"obedient__raw","arguments":{"a":"\n{\"jsonrpc\":\"2.0\"}\r\n"}}}`,
    ],
    [
      "before what looks like one",
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"obedient__raw","arguments":\n${request("tools/call", { name: "die" })}\n}}`,
    ],
  ];
  test.each(rows)("%s", async (_about, body) => {
    const answer = await agent.post(body, session);
    expect(answer.status).toBe(200);
    expect(answer.messages[0]?.result).toContainKey("params");
    // One line to the server, so one line from it.
    expect(answer.text).not.toMatch(/[\r\n]/);
    expect((await agent.post(call("obedient__raw"), session)).status).toBe(200);
  });

  test("nor does one in a tool's name or in a method", async () => {
    const own = new Agent(crib.url, await crib.token("own"), "/mcp/-/server/obedient");
    const ownSession = await own.open();
    const named = await own.post(call("raw\n{}\r\n"), ownSession);
    expect(named.text).toContain(String.raw`"name":"raw\n{}\r\n"`);
    const method = await own.post(request("x\n{}"), ownSession);
    expect(method.messages[0]?.error).toEqual({ code: -32601, message: "no method x\n{}" });
  });
});

describe("the form of the answer", () => {
  const forms: readonly (readonly [accept: string, type: string])[] = [
    ["application/json, text/event-stream", "application/json"],
    ["text/event-stream, application/json", "application/json"],
    ["application/json", "application/json"],
    ["text/event-stream", "text/event-stream"],
    ["*/*", "application/json"],
    ["application/*;q=0.5", "application/json"],
    ["TEXT/EVENT-STREAM", "text/event-stream"],
  ];
  test.each(forms)("Accept: %s → %s", async (accept, type) => {
    for (const body of [request("ping"), call("obedient__raw"), request("tools/list")]) {
      const answer = await agent.post(body, { ...session, accept });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe(type);
      expect(answer.messages).toMatchObject([{ jsonrpc: "2.0", id: 1, result: {} }]);
    }
  });

  test("an error has its status in either form, and initialize its session", async () => {
    const modern = await agent.post(request("x/y", { _meta: {} }), {
      ...modernHeaders("x/y"),
      accept: "text/event-stream",
    });
    expect(modern.status).toBe(400);
    for (const accept of ["application/json", "text/event-stream"]) {
      const params = {
        protocolVersion: "2025-06-18",
        capabilities: {},
        clientInfo: { name: "c", version: "1" },
      };
      const answer = await agent.post(request("initialize", params), { accept });
      expect(answer.headers.get("mcp-session-id")).toMatch(/^[\x21-\x7e]+$/);
      expect(answer.messages[0]?.result).toMatchObject({ protocolVersion: "2025-06-18" });
    }
  });

  test("a notification and a late answer are taken: 202 and no body", async () => {
    for (const body of [
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      '{"jsonrpc":"2.0","method":"notifications/unheard/of","params":{}}',
      '{"jsonrpc":"2.0","id":5,"result":{}}',
      '{"jsonrpc":"2.0","id":5,"error":{"code":1,"message":"x"}}',
    ]) {
      const answer = await agent.post(body, session);
      expect([answer.status, answer.text]).toEqual([202, ""]);
    }
  });
});

describe("a server that lies", () => {
  test.each([
    "stranger",
    "text_id",
    "null_id",
    "no_id",
    "object_id",
    "nested_id",
    "twice",
    "escaped_id",
    "spaced",
  ])("%s: the agent gets the true answer, once", async (lie) => {
    const answer = await agent.post(call(`lies__${lie}`), session);
    expect(answer.messages).toMatchObject([{ id: 1, result: { content: [{ text: "true" }] } }]);
    expect(answer.text).not.toContain('lie"');
  });

  test("its error comes through in its own words", async () => {
    const answer = await agent.post(call("lies__none", {}), session);
    expect(answer.messages[0]?.error?.message).toContain("Unknown tool");
    const own = new Agent(crib.url, await crib.token("liar"), "/mcp/-/server/lies");
    const told = await own.post(call("none"), await own.open());
    expect(told.messages[0]?.error).toEqual({ code: -32602, message: "no such lie" });
  });
});

describe("a modern request", () => {
  test("has its answer stamped, and its status where the text demands one", async () => {
    const list = await agent.post(request("tools/list", { _meta: MODERN_META }), modernHeaders("tools/list"));
    expect(list.status).toBe(200);
    expect(list.headers.get("mcp-session-id")).toBeNull();
    expect(list.messages[0]?.result).toMatchObject({ resultType: "complete", cacheScope: "private" });

    const called = await agent.post(
      modernCall("obedient__raw", { a: 1 }),
      modernHeaders("tools/call", "obedient__raw"),
    );
    expect(called.messages[0]?.result).toMatchObject({
      resultType: "complete",
      params: { name: "raw", arguments: { a: 1 }, _meta: {} },
    });
    expect(called.text).not.toContain("clientInfo");
  });

  test.each([
    ["no headers", modernCall("obedient__raw"), {}, 400, -32020],
    [
      "another method",
      modernCall("obedient__raw"),
      modernHeaders("tools/list", "obedient__raw"),
      400,
      -32020,
    ],
    ["another name", modernCall("obedient__raw"), modernHeaders("tools/call", "obedient__die"), 400, -32020],
    ["headers alone", call("obedient__raw"), modernHeaders("tools/call", "obedient__raw"), 400, -32602],
    ["an unknown method", modernCall("x").replace("tools/call", "x/y"), modernHeaders("x/y"), 404, -32601],
    ["a session method", modernCall("x").replace("tools/call", "ping"), modernHeaders("ping"), 404, -32601],
    ["another revision", modernCall("x").replaceAll("2026-07-28", "2027-07-28"), {}, 400, -32022],
    ["an unknown tool", modernCall("none"), modernHeaders("tools/call", "none"), 200, -32602],
  ] as const)("%s: %p", async (_about, body, headers, status, code) => {
    const answer = await agent.post(body, headers);
    expect(answer.status).toBe(status);
    expect(answer.messages).toMatchObject([{ id: 1, error: { code } }]);
  });

  test("ignores a session id, and never gets one", async () => {
    const headers = { ...modernHeaders("tools/call", "obedient__raw"), "mcp-session-id": "of another life" };
    const answer = await agent.post(modernCall("obedient__raw"), headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("mcp-session-id")).toBeNull();
  });
});

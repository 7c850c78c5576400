// The modern era: every way in which a request can contradict itself, in the order in which it is found out, and what
// reaches a server of one that does not.

import { describe, expect, test } from "bun:test";
import type { Caller } from "../../src/gateway/caller.ts";
import type { Scope } from "../../src/gateway/catalog.ts";
import { checkModern, modernClaim, modernRequest, type ModernHeaders } from "../../src/gateway/modern.ts";
import { META } from "../../src/model/protocol.ts";
import {
  bytes,
  type GatewayLab,
  openGateway,
  recordingReply,
  type RecordingReply,
  requestOf,
  toolsOf,
} from "./lab.ts";

const V = "2026-07-28";
const CALLER: Caller = { id: "t1", name: "ci", servers: undefined };
const MERGED: Scope = { kind: "merged", servers: undefined };

/** `_meta` with these members instead of the good ones; null leaves one out. */
function meta(members: Readonly<Record<string, string | null>> = {}): string {
  const all: Readonly<Record<string, string | null>> = {
    [META.protocolVersion]: `"${V}"`,
    [META.clientCapabilities]: "{}",
    ...members,
  };
  const present = Object.entries(all).filter(([, value]) => value !== null);
  return `"_meta":{${present.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join()}}`;
}

describe("a request is modern when it says so", () => {
  test.each([
    [undefined, false],
    ["{}", false],
    ['{"_meta":{}}', false],
    ['{"_meta":{"progressToken":1}}', false],
    ['{"_meta":null}', false],
    ['{"_meta":"text"}', false],
    [`{"_meta":["${META.protocolVersion}"]}`, false],
    [`{"${META.protocolVersion}":"${V}"}`, false],
    [`{${meta()}}`, true],
    [`{"_meta":{"${META.protocolVersion}":7}}`, true],
    [`{"_meta":{"${META.protocolVersion.replace("/", String.raw`\/`)}":"${V}"}}`, true],
  ])("%s → %p", (params, isModern) => {
    expect(modernClaim(requestOf("tools/list", params)) !== undefined).toBe(isModern);
  });
});

interface Check {
  readonly method?: string;
  readonly params?: string;
  readonly headers?: Partial<ModernHeaders>;
}

const CALL = `{"name":"files__read",${meta()}}`;

function check({ method = "tools/call", params = CALL, headers = {} }: Check) {
  const request = requestOf(method, params);
  return checkModern(request, modernClaim(request), { version: V, method, name: "files__read", ...headers });
}

const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString("base64")}?=`;

describe("a request that agrees with itself passes", () => {
  const passing: readonly (readonly [string, Check])[] = [
    ["a call", {}],
    ["a list, which has no name", { method: "tools/list", params: `{${meta()}}`, headers: { name: null } }],
    [
      "a resource, named by its URI",
      { method: "resources/read", params: `{"uri":"file:///a",${meta()}}`, headers: { name: "file:///a" } },
    ],
    ["a prompt", { method: "prompts/get", params: `{"name":"p",${meta()}}`, headers: { name: "p" } }],
    [
      "a name that a header cannot carry",
      { params: `{"name":"été 😀",${meta()}}`, headers: { name: base64("été 😀") } },
    ],
    ["a plain name in that form", { headers: { name: base64("files__read") } }],
    [
      "a name that looks like that form",
      { params: `{"name":"=?base64","x":1,${meta()}}`, headers: { name: "=?base64" } },
    ],
    [
      "with all that _meta may have",
      {
        params: `{"name":"files__read",${meta({ [META.clientInfo]: "{}", [META.logLevel]: '"info"', other: "1" })}}`,
      },
    ],
    [
      "a method that nobody knows: that is told later",
      { method: "x/y", params: `{${meta()}}`, headers: { name: null } },
    ],
    ["a call without a name: that is told later", { params: `{${meta()}}`, headers: { name: null } }],
    [
      "an escaped version",
      { params: `{"name":"files__read",${meta({ [META.protocolVersion]: String.raw`"2026-07-2\u0038"` })}}` },
    ],
  ];
  test.each(passing)("%s", (_about, wanted) => {
    expect(check(wanted)).toBeUndefined();
  });
});

describe("a request that does not is refused", () => {
  const MISMATCH = -32020;
  const rows: readonly (readonly [about: string, Check, code: number, sentence: string])[] = [
    ["no _meta", { params: '{"name":"files__read"}' }, -32602, `${META.protocolVersion}"] is missing`],
    [
      "no version",
      { params: `{${meta({ [META.protocolVersion]: null })}}` },
      -32602,
      `${META.protocolVersion}"] is missing`,
    ],
    [
      "a version that is no string",
      { params: `{${meta({ [META.protocolVersion]: "20260728" })}}` },
      -32602,
      "is not a string",
    ],
    [
      "no capabilities",
      { params: `{${meta({ [META.clientCapabilities]: null })}}` },
      -32602,
      "missing or not an object",
    ],
    [
      "capabilities that are a list",
      { params: `{${meta({ [META.clientCapabilities]: "[]" })}}` },
      -32602,
      "missing or not an object",
    ],
    [
      "capabilities that are null",
      { params: `{${meta({ [META.clientCapabilities]: "null" })}}` },
      -32602,
      "missing or not an object",
    ],
    [
      "another version in the header",
      { headers: { version: "2025-11-25" } },
      MISMATCH,
      "MCP-Protocol-Version",
    ],
    ["another method in the header", { headers: { method: "tools/list" } }, MISMATCH, "Mcp-Method"],
    ["the method in other letters", { headers: { method: "Tools/Call" } }, MISMATCH, "Mcp-Method"],
    ["another name in the header", { headers: { name: "files__write" } }, MISMATCH, "Mcp-Name"],
    ["another name in base64", { headers: { name: base64("files__write") } }, MISMATCH, "Mcp-Name"],
    ["a broken base64 name", { headers: { name: "=?base64?Zm9v!?=" } }, MISMATCH, "cannot be decoded"],
    [
      "a base64 name of a wrong length",
      { headers: { name: "=?base64?Zm9vY?=" } },
      MISMATCH,
      "cannot be decoded",
    ],
    ["an unfinished base64 name", { headers: { name: "=?base64?Zm9v" } }, MISMATCH, "cannot be decoded"],
    ["no version header", { headers: { version: null } }, MISMATCH, "MCP-Protocol-Version is missing"],
    ["no method header", { headers: { method: null } }, MISMATCH, "Mcp-Method is missing"],
    ["no name header for a call", { headers: { name: null } }, MISMATCH, "Mcp-Name is missing"],
    [
      "no name header for a resource",
      { method: "resources/read", params: `{"uri":"a:b",${meta()}}`, headers: { name: null } },
      MISMATCH,
      "Mcp-Name is missing",
    ],
    [
      "an unknown version",
      { params: `{${meta({ [META.protocolVersion]: '"2027-01-01"' })}}`, headers: { version: "2027-01-01" } },
      -32022,
      "2027-01-01",
    ],
    [
      "a legacy version",
      { params: `{${meta({ [META.protocolVersion]: '"2025-11-25"' })}}`, headers: { version: "2025-11-25" } },
      -32022,
      "2025-11-25",
    ],
    [
      "an unknown version without headers: what is spoken is told first",
      {
        params: `{${meta({ [META.protocolVersion]: '"2027-01-01"' })}}`,
        headers: { version: null, method: null },
      },
      -32022,
      "2027-01-01",
    ],
    [
      "a mismatch is told before the version",
      { params: `{${meta({ [META.protocolVersion]: '"2027-01-01"' })}}` },
      MISMATCH,
      "MCP-Protocol-Version",
    ],
  ];
  test.each(rows)("%s", (_about, wanted, code, sentence) => {
    const refusal = check(wanted);
    expect(refusal).toMatchObject({ code, httpStatus: 400 });
    expect(refusal?.message).toContain(sentence);
    expect(refusal?.message.length).toBeLessThan(400);
  });

  test("with the versions that are spoken, and the one that was asked for", () => {
    const refusal = check({
      params: `{${meta({ [META.protocolVersion]: '"2027-01-01"' })}}`,
      headers: { version: "2027-01-01" },
    });
    expect(refusal?.data).toEqual({ supported: [V], requested: "2027-01-01" });
  });

  test("and a header that is endless makes no endless answer", () => {
    expect(check({ headers: { name: "x".repeat(100_000) } })?.message.length).toBeLessThan(400);
  });
});

function serve(lab: GatewayLab, method: string, params: string, scope: Scope = MERGED): RecordingReply {
  const reply = recordingReply();
  modernRequest(lab.gateway, CALLER, scope, requestOf(method, params), reply);
  return reply;
}

describe("served", () => {
  test("server/discover tells what is spoken and offered", () => {
    const lab = openGateway({ files: { ...toolsOf("read"), instructions: "be kind" } });
    const result: unknown = JSON.parse(serve(lab, "server/discover", `{${meta()}}`).resultText);
    expect(result).toMatchObject({
      supportedVersions: [V],
      capabilities: { tools: {}, prompts: {}, resources: {} },
      instructions: "# files\nbe kind",
      resultType: "complete",
      cacheScope: "private",
      _meta: { [META.serverInfo]: { name: "toolcrib" } },
    });
    expect(result).toContainKey("ttlMs");
    // Nothing would tell this client of a change.
    expect(JSON.stringify(result)).not.toContain("listChanged");
    expect(lab.servers.reached).toEqual([]);
  });

  test("lists are stamped and may be kept for a while", () => {
    const lab = openGateway({ files: toolsOf("read") });
    for (const [method, member] of [
      ["tools/list", "tools"],
      ["prompts/list", "prompts"],
      ["resources/list", "resources"],
      ["resources/templates/list", "resourceTemplates"],
    ] as const) {
      expect(JSON.parse(serve(lab, method, `{${meta()}}`).resultText)).toMatchObject({
        [member]: expect.any(Array),
        resultType: "complete",
        ttlMs: 10_000,
        cacheScope: "private",
      });
    }
  });

  test("a call reaches the server without what speaks about this hop, and with all else as it was", () => {
    const lab = openGateway({ files: toolsOf("read") });
    const own = '"traceparent" : "00-x","big":9007199254740993,"x":1.0';
    const params =
      `{"arguments":{"_meta":{"${META.clientInfo}":1}}, "_meta" : {"${META.clientInfo}":{"name":"c"},` +
      `"${META.protocolVersion}":"${V}",${own},"${META.clientCapabilities}":{"x":[1]},"progressToken":"é",` +
      `"${META.logLevel}":"debug"} , "name":"files__read"}`;
    const reply = serve(lab, "tools/call", params);
    const [reached] = lab.servers.reached;
    expect(reached?.params).toBe(
      `{"arguments":{"_meta":{"${META.clientInfo}":1}}, "_meta" : {${own},"progressToken":"é"} , "name":"read"}`,
    );
    expect(reached?.token).toBe('"é"');
    reached?.sink.result(bytes('{"content":[],"x":1.0}'));
    expect(reply.resultText).toContain('"x":1.0}');
    expect(JSON.parse(reply.resultText)).toMatchObject({ resultType: "complete", content: [] });
    expect(JSON.parse(reply.resultText)).not.toContainKey("ttlMs");
  });

  test("of a _meta with nothing else an empty one is left; keys behind escapes and twice go too", () => {
    const lab = openGateway({ files: toolsOf("read") });
    const escaped = META.protocolVersion.replace("/", String.raw`\/`);
    serve(
      lab,
      "tools/call",
      `{"name":"files__read","_meta":{"${escaped}":"${V}","${META.protocolVersion}":"${V}"}}`,
    );
    expect(lab.servers.reached[0]?.params).toBe('{"name":"read","_meta":{}}');
  });

  test("a call is its caller's: there is no session", () => {
    const lab = openGateway({ files: toolsOf("read") });
    serve(lab, "tools/call", `{"name":"files__read",${meta()}}`);
    expect(lab.servers.reached[0]?.asker).toEqual({ callerId: "t1", sessionId: undefined });
  });

  test("a resource may be kept for no time, and one that is not there has the code of the revision", () => {
    const lab = openGateway({ files: { resources: '[{"uri":"file:///a"}]' } });
    const reply = serve(lab, "resources/read", `{"uri":"file:///a",${meta()}}`);
    lab.servers.reached[0]?.sink.result(bytes('{"contents":[]}'));
    expect(JSON.parse(reply.resultText)).toMatchObject({ ttlMs: 0, cacheScope: "private" });
    expect(serve(lab, "resources/read", `{"uri":"file:///b",${meta()}}`).refusal.code).toBe(-32602);
  });

  test.each([
    "ping",
    "initialize",
    "logging/setLevel",
    "resources/subscribe",
    "subscriptions/listen",
    "x".repeat(9_000),
    "",
  ])("%p is no method here: 404", (method) => {
    const lab = openGateway({ files: toolsOf("read") });
    for (const scope of [MERGED, { kind: "server", name: "files" } as const]) {
      const { refusal } = serve(lab, method, `{${meta()}}`, scope);
      expect(refusal).toMatchObject({ code: -32601, httpStatus: 404 });
      expect(refusal.message.length).toBeLessThan(200);
    }
    expect(lab.servers.reached).toEqual([]);
  });

  test("completions go to the one server of the endpoint, and to none of several", () => {
    const lab = openGateway({ files: { capabilities: '{"completions":{}}' } });
    const own: Scope = { kind: "server", name: "files" };
    const params = '"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"é"}';
    const discovered: unknown = JSON.parse(serve(lab, "server/discover", `{${meta()}}`, own).resultText);
    expect(discovered).toMatchObject({ capabilities: { completions: {} } });
    const reply = serve(lab, "completion/complete", `{${params},${meta()}}`, own);
    expect(lab.servers.reached[0]).toMatchObject({
      server: "files",
      method: "completion/complete",
      params: `{${params},"_meta":{}}`,
    });
    lab.servers.reached[0]?.sink.result(bytes('{"completion":{"values":[]}}'));
    expect(JSON.parse(reply.resultText)).toMatchObject({
      resultType: "complete",
      completion: { values: [] },
    });
    expect(serve(lab, "completion/complete", `{${params},${meta()}}`).refusal).toMatchObject({
      code: -32601,
      httpStatus: 404,
    });
  });

  test("a server that is gone is 404 too", () => {
    const lab = openGateway({});
    expect(serve(lab, "tools/list", `{${meta()}}`, { kind: "server", name: "gone" }).refusal).toMatchObject({
      httpStatus: 404,
    });
  });

  test("a server's own endpoint speaks in its name", () => {
    const lab = openGateway({ files: { ...toolsOf("read"), serverInfo: '{"name":"own"}' } });
    const reply = serve(lab, "tools/list", `{${meta()}}`, { kind: "server", name: "files" });
    expect(JSON.parse(reply.resultText)).toMatchObject({ _meta: { [META.serverInfo]: { name: "own" } } });
    expect(reply.resultText).toContain('"name":"read"');
  });
});

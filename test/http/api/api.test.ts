import { describe, expect, test } from "bun:test";
import { createApi } from "../../../src/http/api/api.ts";
import { FakeAdmin, fakeServer } from "./fake-admin.ts";

const SECRET = "hunter2-SECRET";

function setUp() {
  const admin = new FakeAdmin();
  admin.all.set("files", fakeServer("files"));
  const unexpected: unknown[] = [];
  const api = createApi(admin, { version: "9.9.9", onUnexpected: (error) => unexpected.push(error) });
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    api.fetch(
      new Request(`http://localhost${path}`, {
        method,
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        headers: { "content-type": "application/json", ...headers },
      }),
    );
  return { admin, api, send, unexpected };
}

describe("reads", () => {
  const TABLE = [
    ["/api/v1/status", "version"],
    ["/api/v1/settings", "settings"],
    ["/api/v1/doctor", "findings"],
    ["/api/v1/servers", "servers"],
    ["/api/v1/servers/files", "name"],
    ["/api/v1/tools", "tools"],
    ["/api/v1/tokens", "tokens"],
  ] as const;
  test.each(TABLE)("%s answers JSON with %s", async (path, key) => {
    const response = await setUp().send("GET", path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toStartWith("application/json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toHaveProperty(key);
  });

  test("tools as somebody who is not there", async () => {
    const response = await setUp().send("GET", "/api/v1/tools?as=nobody");
    expect(response.status).toBe(404);
  });
});

describe("refusals are problems and repeat nothing", () => {
  const server = { kind: "stdio", command: "x" };
  // What is sent, the status, the code, and a word that the sentence must have.
  const TABLE: readonly [string, string, unknown, number, string, string][] = [
    ["GET", `/api/v1/${SECRET}`, undefined, 404, "not-found", "openapi.json"],
    ["PUT", "/api/v1/servers", { SECRET }, 404, "not-found", "method"],
    ["GET", "/", undefined, 404, "not-found", "openapi.json"],
    ["GET", "/api/v1/servers/fils", undefined, 404, "not-found", 'did you mean "files"'],
    ["GET", "/api/v1/servers/%E0%A4%A", undefined, 404, "not-found", "nothing under this name"],
    [
      "POST",
      "/api/v1/plans",
      `{"words":["a"],\n "name": ${SECRET}}`,
      400,
      "parse-error",
      "line 2, column 10",
    ],
    ["POST", "/api/v1/plans", "", 400, "parse-error", "line 1, column 1"],
    ["POST", "/api/v1/plans", { words: SECRET }, 400, "invalid-params", "words: must be Array"],
    ["POST", "/api/v1/plans", { words: [] }, 400, "invalid-params", "at least 1"],
    ["POST", "/api/v1/plans", { [SECRET]: 1 }, 400, "invalid-params", "not known here"],
    ["POST", "/api/v1/plans", { env: { A: [SECRET] } }, 400, "invalid-params", "env.A: must be string"],
    ["POST", "/api/v1/plans", `"${SECRET}"`, 400, "invalid-params", "the body: must be Object"],
    ["POST", "/api/v1/servers", { name: "a" }, 400, "invalid-params", "spec: is missing"],
    [
      "POST",
      "/api/v1/servers",
      { name: "a", spec: { kind: SECRET } },
      400,
      "invalid-params",
      '"stdio" | "http"',
    ],
    [
      "POST",
      "/api/v1/servers",
      { name: "a", spec: { ...server, env: { [`A=${SECRET}`]: "b" } } },
      400,
      "invalid-params",
      "spec.env: the name of an entry is wrong",
    ],
    [
      "POST",
      "/api/v1/servers",
      { name: "a", spec: { ...server, startTimeoutMs: 1.5 } },
      400,
      "invalid-params",
      "whole number",
    ],
    ["POST", "/api/v1/tokens", { name: `${SECRET} !` }, 400, "invalid-params", "letters, digits"],
    ["POST", "/api/v1/call", { tool: "no", arguments: `{"a":"${SECRET}"}` }, 404, "not-found", "no tool"],
    ["POST", "/api/v1/servers/absent/enable", undefined, 404, "not-found", "no server"],
    ["DELETE", "/api/v1/servers/absent", undefined, 404, "not-found", "no server"],
    ["DELETE", "/api/v1/tokens/absent", undefined, 404, "not-found", "no token"],
  ];
  test.each(TABLE)("%s %s %j", async (method, path, body, status, code, words) => {
    const { send, unexpected } = setUp();
    const response = await send(method, path, body);
    const text = await response.text();
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(text).not.toContain("SECRET");
    const problem = JSON.parse(text);
    expect(problem).toMatchObject({ type: "about:blank", status, code });
    expect(problem.title).toBeString();
    expect(problem.detail).toContain(words);
    expect(unexpected).toEqual([]);
  });

  test("a body of another type, as a form of a web page would send it", async () => {
    const response = await setUp().send("POST", "/api/v1/plans", '{"words":["a"]}', {
      "content-type": "text/plain",
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid-request" });
  });

  test("a body over the limit, announced and not", async () => {
    const { send, api, admin } = setUp();
    const announced = await send("POST", "/api/v1/plans", JSON.stringify({ words: ["x".repeat(5_000_000)] }));
    expect(announced.status).toBe(413);
    expect(await announced.json()).toMatchObject({ code: "too-large", maxBytes: 4_194_304 });

    const piece = new Uint8Array(1_000_000).fill(0x20);
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += piece.length;
        controller.enqueue(piece);
      },
    });
    const headers = { "content-type": "application/json" };
    const endless = await api.fetch(
      new Request("http://localhost/api/v1/plans", { method: "POST", body, headers }),
    );
    expect(endless.status).toBe(413);
    expect(sent).toBeLessThan(10_000_000);
    expect(admin.plans).toEqual([]);
  });

  test("text that is not UTF-8", async () => {
    const { api } = setUp();
    const body = new Uint8Array([0x22, 0xff, 0x22]);
    const headers = { "content-type": "application/json" };
    const response = await api.fetch(
      new Request("http://localhost/api/v1/plans", { method: "POST", body, headers }),
    );
    expect(await response.json()).toMatchObject({ status: 400, code: "parse-error" });
  });

  test("an error that nobody foresaw is reported inside and hidden outside", async () => {
    const { admin, send, unexpected } = setUp();
    admin.servers = () => {
      throw new Error(`cannot open ${SECRET}`);
    };
    const response = await send("GET", "/api/v1/servers");
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("SECRET");
    expect(String(unexpected)).toContain("SECRET");
  });

  test("a full disk is not hidden", async () => {
    const { admin, send } = setUp();
    admin.servers = () => {
      throw Object.assign(new Error("full"), { code: "ENOSPC" });
    };
    expect(await (await send("GET", "/api/v1/servers")).json()).toMatchObject({
      status: 507,
      code: "no-space",
    });
  });
});

describe("changes", () => {
  test("a plan gets its words and defaults", async () => {
    const { admin, send } = setUp();
    const response = await send("POST", "/api/v1/plans", { words: ["npx", "-y", "a"] });
    expect(await response.json()).toMatchObject({ servers: [{ name: "npx" }], notes: [] });
    expect(admin.plans).toEqual([
      { words: ["npx", "-y", "a"], env: {}, read: [], write: [], allowHosts: [] },
    ]);
  });

  test("remove, enable, disable, restart", async () => {
    const { admin, send } = setUp();
    expect(await (await send("POST", "/api/v1/servers/files/disable")).json()).toMatchObject({
      enabled: false,
    });
    expect(await (await send("POST", "/api/v1/servers/files/enable")).json()).toMatchObject({
      enabled: true,
    });
    expect((await send("POST", "/api/v1/servers/files/restart")).status).toBe(200);
    const removed = await send("DELETE", "/api/v1/servers/files");
    expect([removed.status, await removed.text(), admin.all.size]).toEqual([204, "", 0]);
  });

  test("tokens: made, listed without the token, revoked by a name with a slash", async () => {
    const { send } = setUp();
    const created = await send("POST", "/api/v1/tokens", { name: "ci/web@acme", expiresInSeconds: 60 });
    expect(await created.json()).toMatchObject({ token: "tc_fake-secret", servers: "all" });
    expect(await (await send("GET", "/api/v1/tokens")).text()).not.toContain("tc_fake-secret");
    const again = await send("POST", "/api/v1/tokens", { name: "ci/web@acme" });
    expect(again.status).toBe(409);
    expect((await send("DELETE", `/api/v1/tokens/${encodeURIComponent("ci/web@acme")}`)).status).toBe(204);
    expect(await (await send("GET", "/api/v1/tokens")).json()).toEqual({ tokens: [] });
  });

  test("a call's result comes byte for byte", async () => {
    const { send } = setUp();
    const raw = '{ "content":[],"big": 123456789012345678901234567890 , "e":1e2}';
    const response = await send("POST", "/api/v1/call", { tool: "raw", arguments: raw });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(raw);
  });
});

async function lines(response: Response): Promise<{ event: string }[]> {
  const text = await response.text();
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("adding", () => {
  const spec = { kind: "stdio", command: "npx" };
  test.each([
    ["new", ["progress", "progress", "progress", "done"]],
    ["broken", ["progress", "failed"]],
    ["late", ["progress", "progress", "failed"]],
    ["files", ["progress", "failed"]],
  ])("%s: %j", async (name, expected) => {
    const response = await setUp().send("POST", "/api/v1/servers", { name, spec });
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect((await lines(response)).map(({ event }) => event)).toEqual(expected);
  });

  test("an add that throws ends with a failure that hides why", async () => {
    const { send, unexpected } = setUp();
    const events = await lines(await send("POST", "/api/v1/servers", { name: "wild", spec }));
    expect(events.at(-1)).toMatchObject({ event: "failed", saved: false, error: { code: "internal" } });
    expect(JSON.stringify(events)).not.toContain("SECRET");
    expect(unexpected).toHaveLength(1);
  });
});

test("the OpenAPI document lists every route and every body", async () => {
  const response = await setUp().send("GET", "/api/openapi.json");
  const document = JSON.parse(await response.text());
  const listed = Object.entries<Record<string, unknown>>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path.replace("/api/v1", "")}`),
  );
  expect(listed.toSorted()).toEqual([
    "delete /servers/{name}",
    "delete /shells/{id}",
    "delete /tokens/{nameOrId}",
    "get /doctor",
    "get /servers",
    "get /servers/{name}",
    "get /servers/{name}/cage",
    "get /servers/{name}/logs",
    "get /settings",
    "get /shells",
    "get /status",
    "get /tokens",
    "get /tools",
    "get /updates",
    "get /vault",
    "post /bundles",
    "post /bundles/load",
    "post /call",
    "post /mcpb",
    "post /mcpb/fetch",
    "post /mcpb/plans",
    "post /plans",
    "post /servers",
    "post /servers/{name}/disable",
    "post /servers/{name}/enable",
    "post /servers/{name}/grants",
    "post /servers/{name}/restart",
    "post /servers/{name}/rollback",
    "post /servers/{name}/shells",
    "post /servers/{name}/switch",
    "post /servers/{name}/update",
    "post /shells/{id}/input",
    "post /shells/{id}/size",
    "post /tokens",
  ]);
  expect(document).toMatchObject({ openapi: "3.1.2", info: { version: "9.9.9" } });
  expect(document.paths["/api/v1/servers"].post.requestBody).toEqual({
    $ref: "#/components/requestBodies/AddRequest",
  });
  const add = document.components.requestBodies.AddRequest.content["application/json"].schema;
  expect(add.required).toEqual(["name", "spec"]);
  expect(add.properties.spec.anyOf ?? add.properties.spec.oneOf).toHaveLength(2);
});

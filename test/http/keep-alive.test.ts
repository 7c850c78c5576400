// A call that takes minutes, with beats instead of minutes: what the official clients make of comments, and of an answer
// that began as an event stream because it was long in coming.

import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { hashToken, newToken, TokenBook } from "../../src/gateway/token-book.ts";
import { McpRoutes } from "../../src/http/mcp.ts";
import { Pulse } from "../../src/http/pulse.ts";
import { until } from "../e2e/wait.ts";
import { bytes, openGateway, toolsOf } from "../gateway/lab.ts";

const INFO = { name: "patient", version: "1" };
const HOUR_MS = 3_600_000;
const BEATS = 20;

const lab = openGateway({ files: toolsOf("read") });
const token = newToken();
const requestInit = { headers: { authorization: `Bearer ${token}` } };
const pulse = new Pulse();
let http: Bun.Server<undefined>;
let url: URL;

beforeAll(() => {
  const tokens = new TokenBook(Date.now);
  tokens.replace([
    {
      id: "t",
      name: "t",
      hash: hashToken(token),
      servers: undefined,
      createdAt: 0,
      expiresAt: undefined,
      lastUsedAt: undefined,
    },
  ]);
  const routes = new McpRoutes({ gateway: lab.gateway, tokens, pulse, maxBodyBytes: 100_000 });
  http = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: (request) => routes.handle(request, undefined),
  });
  url = new URL("/mcp", http.url);
});
afterAll(async () => {
  lab.gateway.sessions.endAll();
  await http.stop(true);
  pulse.close();
});

/** How the answer to each POST came. */
const forms: (string | null)[] = [];
async function watched(input: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(input, init);
  if (init?.method === "POST") forms.push(response.headers.get("content-type"));
  return response;
}

async function openV1(): Promise<ClientV1> {
  const client = new ClientV1(INFO);
  await client.connect(new TransportV1(url, { requestInit, fetch: watched }));
  return client;
}
async function openV2(mode: "legacy" | { pin: string }): Promise<ClientV2> {
  const client = new ClientV2(INFO, { versionNegotiation: { mode } });
  await client.connect(new TransportV2(url, { requestInit, fetch: watched }));
  return client;
}

const CLIENTS: readonly (readonly [string, () => Promise<ClientV1 | ClientV2>])[] = [
  ["1.x", openV1],
  ["2.x, legacy", () => openV2("legacy")],
  ["2.x, pinned to 2026-07-28", () => openV2({ pin: "2026-07-28" })],
];

test.each(CLIENTS)("the answer arrives after all the comments (%s)", async (_name, open) => {
  const client = await open();
  const before = lab.servers.reached.length;
  const params = { name: "files__read", arguments: {} };
  const options = { timeout: HOUR_MS };
  const call =
    client instanceof ClientV1
      ? client.callTool(params, undefined, options)
      : client.callTool(params, options);
  await until("the call is at the server", () => lab.servers.reached.length > before);
  for (let beat = 0; beat < BEATS; beat++) {
    pulse.beat();
    // Each beat on its way before the next.
    await new Promise((resolve) => setImmediate(resolve));
  }
  lab.servers.reached.at(-1)?.sink.result(bytes('{"content":[{"type":"text","text":"at last"}]}'));
  expect(await call).toMatchObject({ content: [{ type: "text", text: "at last" }] });
  expect(forms.at(-1)).toBe("text/event-stream");
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["files__read"]);
  await client.close();
});

// The good servers offer the same on both SDKs and both transports, to a client of each SDK.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { Client as V2Client, StreamableHTTPClientTransport as V2Http } from "@modelcontextprotocol/client";
import { StdioClientTransport as V2Stdio } from "@modelcontextprotocol/client/stdio";
import { Client as V1Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as V1Stdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as V1Http } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { INSTRUCTIONS, createOffer } from "./sdk-tools.ts";

const INFO = { name: "test", version: "1" };
const NAMES = createOffer().tools.map(({ name }) => name);

/** The few methods that the two clients have in common. */
interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  listPrompts(): Promise<{ prompts: { name: string }[] }>;
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
  readResource(params: { uri: string }): Promise<unknown>;
  getPrompt(params: { name: string; arguments?: Record<string, string> }): Promise<unknown>;
  getInstructions(): string | undefined;
  close(): Promise<void>;
}

const CASES: readonly [server: string, args: string[], client: "v1" | "v2"][] = [
  ["sdk-stdio.ts", [], "v1"],
  ["sdk-stdio.ts", [], "v2"],
  ["sdk2-stdio.ts", [], "v1"],
  ["sdk2-stdio.ts", [], "v2"],
  ["sdk-http.ts", [], "v1"],
  ["sdk-http.ts", ["--json"], "v1"],
  ["sdk-http.ts", ["--stateless"], "v2"],
  ["sdk-http.ts", ["--stateless", "--json"], "v1"],
  ["sdk2-http.ts", [], "v1"],
  ["sdk2-http.ts", [], "v2"],
];

test.each(CASES)("%s %p by a client of the %s SDK", async (server, args, sdk) => {
  await using stack = new AsyncDisposableStack();
  const client = await connect(stack, server, args, sdk);

  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(NAMES);
  expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(["greeting", "plain"]);
  expect(client.getInstructions()).toBe(INSTRUCTIONS);
  const args2 = { text: "h\u00e9" };
  expect(await client.callTool({ name: "echo", arguments: args2 })).toMatchObject({ content: [args2] });
  expect(await client.callTool({ name: "structured", arguments: args2 })).toMatchObject({
    structuredContent: { text: "h\u00e9", length: 2 },
  });
  expect(await client.callTool({ name: "fail", arguments: { message: "no" } })).toMatchObject({
    isError: true,
  });
  expect(await client.readResource({ uri: "test://item/a1" })).toMatchObject({
    contents: [{ text: "item a1" }],
  });
  expect(await client.getPrompt({ name: "greeting", arguments: { who: "Ada" } })).toMatchObject({
    messages: [{ content: { text: "Say hello to Ada." } }],
  });
  await expect(client.readResource({ uri: "test://nowhere" })).rejects.toThrow("no resource");
  await expect(client.callTool({ name: "nowhere", arguments: {} })).rejects.toThrow("no tool");
});

test("--require refuses requests without the header", async () => {
  await using stack = new AsyncDisposableStack();
  const url = await listening(stack, "sdk-http.ts", ["--require", "x-key=a=b"]);
  const statusOf = async (key: string) =>
    (await fetch(url, { method: "DELETE", headers: { "x-key": key } })).status;
  expect(await statusOf("a")).toBe(401);
  expect(await statusOf("a=b")).not.toBe(401);
});

async function connect(
  stack: AsyncDisposableStack,
  server: string,
  args: readonly string[],
  sdk: "v1" | "v2",
): Promise<AnyClient> {
  const http = server.includes("http") ? await listening(stack, server, args) : undefined;
  const command = { command: process.execPath, args: [join(import.meta.dir, server), ...args] };
  if (sdk === "v1") {
    const client = new V1Client(INFO);
    stack.defer(() => client.close());
    await client.connect(http === undefined ? new V1Stdio(command) : new V1Http(http));
    return client;
  }
  const client = new V2Client(INFO, { versionNegotiation: { mode: "auto" } });
  stack.defer(() => client.close());
  await client.connect(http === undefined ? new V2Stdio(command) : new V2Http(http));
  return client;
}

/** Starts an HTTP server; its URL. */
async function listening(stack: AsyncDisposableStack, server: string, args: readonly string[]): Promise<URL> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, server), ...args], {
    stdin: "pipe",
    stdout: "pipe",
  });
  stack.defer(async () => {
    await child.stdin.end();
    await child.exited;
  });
  const reader = child.stdout.getReader();
  stack.defer(() => reader.cancel());
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${server} ended before it listened: ${text}`);
    text += new TextDecoder().decode(value);
  }
  return new URL(text.replace("listening ", "").trim());
}

// The ideal relay: a bare Bun.serve that writes each body to one stdio server and pipes the server's line back, by
// id. No checks, no catalog, no tokens: what a gateway is measured against. `bun relay.ts <program> [argument]…`
// prints `listening <url>` and ends when stdin does. Counts on the bench's client, whose ids are all different.

import { randomUUID } from "node:crypto";

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const NEWLINE = 0x0a;
const JSON_HEADERS = { "content-type": "application/json" };

const child = Bun.spawn(process.argv.slice(2), { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
const waiting = new Map<number, (line: Buffer) => void>();
void pipeBack();
const hello = await shakeHands();

const http = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  maxRequestBodySize: MAX_MESSAGE_BYTES,
  fetch: async (request) => {
    if (request.method === "DELETE") return new Response(null, { status: 204 });
    const body = Buffer.from(await request.arrayBuffer());
    const id = idBehind(body, body.indexOf('"id":'));
    if (id === undefined) return new Response(null, { status: 202 });
    const inSession = request.headers.has("mcp-session-id");
    if (inSession) return new Response(await ask(id, body), { headers: JSON_HEADERS });
    const headers = { ...JSON_HEADERS, "mcp-session-id": randomUUID() };
    return new Response(`{"jsonrpc":"2.0","id":${id},"result":${hello}}`, { headers });
  },
});
process.stdout.write(`listening ${http.url.origin}/mcp\n`);
process.stdin.on("end", () => process.exit(0)).resume();

function ask(id: number, body: Buffer): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  waiting.set(id, resolve);
  child.stdin.write(body);
  child.stdin.write("\n");
  return promise;
}

async function pipeBack(): Promise<void> {
  let begun: Buffer[] = [];
  for await (const chunk of child.stdout) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      begun.push(rest.subarray(0, end));
      deliver(begun.length === 1 ? rest.subarray(0, end) : Buffer.concat(begun));
      begun = [];
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) begun.push(rest);
  }
  process.exit(1);
}

/** The SDK writes the id last, so it is found without reading what stands before it. */
function deliver(line: Buffer): void {
  const id = idBehind(line, line.lastIndexOf('"id":'));
  if (id === undefined) return;
  waiting.get(id)?.(line);
  waiting.delete(id);
}

/** The digits behind `"id":` at that place. */
function idBehind(bytes: Buffer, at: number): number | undefined {
  if (at < 0) return undefined;
  const id = Number.parseInt(bytes.toString("latin1", at + 5, at + 25), 10);
  return Number.isNaN(id) ? undefined : id;
}

/** The server's own handshake, once; every client gets its result. */
async function shakeHands(): Promise<string> {
  const params = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "relay", version: "1" },
  };
  const initialize = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  const line = await ask(0, Buffer.from(initialize));
  child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  const { result }: { result: unknown } = JSON.parse(line.toString());
  return JSON.stringify(result);
}

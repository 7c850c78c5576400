// A good Streamable HTTP server on the v1 SDK: `bun test/servers/sdk-http.ts [--stateless] [--json]
// [--require NAME=VALUE]`. Prints `listening <url>`. Sessions unless --stateless, event streams unless --json;
// --require answers 401 to requests without that header. Ends with 0 when stdin ends.

import { parseArgs } from "node:util";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { MAX_MESSAGE_BYTES, createOffer } from "./sdk-tools.ts";
import { announceChanges, createV1Server } from "./sdk-v1.ts";

const { values: flags } = parseArgs({
  options: {
    stateless: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    require: { type: "string" },
  },
});

interface Session {
  readonly transport: WebStandardStreamableHTTPServerTransport;
  stopAnnouncing(): void;
}

const MAX_SESSIONS = 10_000;
const offer = createOffer();
const sessions = new Map<string, Session>();
const [requiredHeader = "", ...requiredValue] = flags.require?.split("=") ?? [];

const http = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  // Quiet event streams live as long as their client wants.
  idleTimeout: 0,
  maxRequestBodySize: MAX_MESSAGE_BYTES,
  fetch: async (request) => {
    if (requiredHeader !== "" && request.headers.get(requiredHeader) !== requiredValue.join("=")) {
      return new Response("unauthorized", { status: 401 });
    }
    const id = flags.stateless ? null : request.headers.get("mcp-session-id");
    const transport = id === null ? await open() : sessions.get(id)?.transport;
    return transport?.handleRequest(request) ?? new Response("no such session", { status: 404 });
  },
});
process.stdout.write(`listening ${http.url.origin}/mcp\n`);
process.stdin.on("end", () => process.exit(0)).resume();

/** A new server, which becomes a session when its first request is `initialize`. */
async function open(): Promise<WebStandardStreamableHTTPServerTransport> {
  if (sessions.size >= MAX_SESSIONS) throw new Error("too many sessions for a test server");
  const server = createV1Server(offer);
  const sessionful = {
    sessionIdGenerator: () => crypto.randomUUID(),
    onsessioninitialized: (id: string) => {
      sessions.set(id, { transport, stopAnnouncing: announceChanges(server, offer) });
    },
    onsessionclosed: (id: string) => {
      sessions.get(id)?.stopAnnouncing();
      sessions.delete(id);
    },
  };
  const transport = new WebStandardStreamableHTTPServerTransport({
    ...(flags.stateless ? {} : sessionful),
    enableJsonResponse: flags.json,
    maxRequestBodySize: MAX_MESSAGE_BYTES,
  });
  await server.connect(transport);
  return transport;
}

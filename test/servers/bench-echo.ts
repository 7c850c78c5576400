// The server that the bench puts behind everything it compares, on the v1 SDK with as little of its own as can be:
// `bun test/servers/bench-echo.ts` on stdio, with `--http` over Streamable HTTP (prints `listening <url>`).
// Tool echo returns its text; blob returns `bytes` bytes that begin with its text.

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const TEXT = { text: { type: "string" } };
const TOOLS = [
  { name: "echo", inputSchema: { type: "object" as const, properties: TEXT, required: ["text"] } },
  {
    name: "blob",
    inputSchema: { type: "object" as const, properties: { ...TEXT, bytes: { type: "integer" } } },
  },
];
/** Plain letters: what needs escaping would measure the server's JSON and not what stands before it. */
const FILLER = "abcdefghijklmnopqrstuvwxyz".repeat(41_000);

if (process.argv.includes("--http")) serveHttp();
else await serveStdio();

function createServer(): Server {
  const server = new Server({ name: "bench-echo", version: "1" }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: TOOLS }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    const { text, bytes } = params.arguments ?? {};
    const given = String(text);
    const whole = params.name === "blob" ? given + FILLER.slice(0, Number(bytes) - given.length) : given;
    return { content: [{ type: "text", text: whole }] };
  });
  return server;
}

async function serveStdio(): Promise<void> {
  const limits = { maxBufferSize: MAX_MESSAGE_BYTES };
  // One listener for each answer that waits for the pipe is how the SDK works; the warning is not ours.
  process.stdout.setMaxListeners(0);
  await createServer().connect(new StdioServerTransport(process.stdin, process.stdout, limits));
  process.stdin.on("end", () => process.exit(0));
}

function serveHttp(): void {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const http = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: MAX_MESSAGE_BYTES,
    fetch: async (request) => {
      const known = sessions.get(request.headers.get("mcp-session-id") ?? "");
      if (known !== undefined) return known.handleRequest(request);
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: (id) => void sessions.set(id, transport),
        onsessionclosed: (id) => void sessions.delete(id),
        maxRequestBodySize: MAX_MESSAGE_BYTES,
      });
      // One listener for each answer that waits for the pipe is how the SDK works; the warning is not ours.
      process.stdout.setMaxListeners(0);
      await createServer().connect(transport);
      return transport.handleRequest(request);
    },
  });
  process.stdout.write(`listening ${http.url.origin}/mcp\n`);
  process.stdin.on("end", () => process.exit(0)).resume();
}

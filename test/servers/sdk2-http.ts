// A good Streamable HTTP server on the v2 SDK: revision 2026-07-28, and older ones without sessions.
// `bun test/servers/sdk2-http.ts`. Prints `listening <url>`. Ends with 0 when stdin ends.

import { createMcpHandler } from "@modelcontextprotocol/server";
import { MAX_MESSAGE_BYTES, createOffer } from "./sdk-tools.ts";
import { createV2Server } from "./sdk-v2.ts";

const offer = createOffer();
const handler = createMcpHandler(() => createV2Server(offer));
offer.onToolsChanged(() => handler.notify.toolsChanged());

const http = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  // Quiet event streams live as long as their client wants.
  idleTimeout: 0,
  maxRequestBodySize: MAX_MESSAGE_BYTES,
  fetch: (request) => handler.fetch(request),
});
process.stdout.write(`listening ${http.url.origin}/mcp\n`);
process.stdin.on("end", () => process.exit(0)).resume();

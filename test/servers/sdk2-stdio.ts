// A good stdio server on the v2 SDK, both eras: `bun test/servers/sdk2-stdio.ts`. Ends with 0 when stdin ends.

import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { MAX_MESSAGE_BYTES, createOffer } from "./sdk-tools.ts";
import { createV2Server } from "./sdk-v2.ts";

const offer = createOffer();
const limits = { maxBufferSize: MAX_MESSAGE_BYTES };
const transport = new StdioServerTransport(process.stdin, process.stdout, limits);
const factory = (): ReturnType<typeof createV2Server> => {
  const server = createV2Server(offer);
  offer.onToolsChanged(() => {
    // A probe instance that was discarded has nobody to tell.
    server.sendToolListChanged().catch(() => {});
  });
  return server;
};
serveStdio(factory, { transport });
process.stdin.on("end", () => process.exit(0));

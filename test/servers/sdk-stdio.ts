// A good stdio server on the v1 SDK: `bun test/servers/sdk-stdio.ts`. Ends with 0 when stdin ends.

import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { MAX_MESSAGE_BYTES, createOffer } from "./sdk-tools.ts";
import { announceChanges, createV1Server } from "./sdk-v1.ts";

const offer = createOffer();
const server = createV1Server(offer);
const limits = { maxBufferSize: MAX_MESSAGE_BYTES };
await server.connect(new StdioServerTransport(process.stdin, process.stdout, limits));
announceChanges(server, offer);
process.stdin.on("end", () => process.exit(0));

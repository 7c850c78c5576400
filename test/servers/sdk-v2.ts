// The offer of sdk-tools.ts on a server of the v2 SDK: revision 2026-07-28 and the older ones. A serving entry
// makes one server a connection, or one a request.

import { ProtocolError, ProtocolErrorCode, Server } from "@modelcontextprotocol/server";
import {
  INSTRUCTIONS,
  type Offer,
  PROMPTS,
  RESOURCES,
  RESOURCE_TEMPLATES,
  promptText,
  resourceContents,
} from "./sdk-tools.ts";

export function createV2Server(offer: Offer): Server {
  const capabilities = { tools: { listChanged: true }, prompts: {}, resources: {} };
  const server = new Server(
    { name: "sdk-v2", version: "2.4.0" },
    { capabilities, instructions: INSTRUCTIONS },
  );

  server.setRequestHandler("tools/list", () => ({ tools: [...offer.tools] }));
  server.setRequestHandler("tools/call", ({ params }, { mcpReq }) => {
    const progressToken = mcpReq["_meta"]?.progressToken;
    const result = offer.call(params.name, params.arguments ?? {}, {
      signal: mcpReq.signal,
      async progress(progress, total, message) {
        if (progressToken === undefined) return;
        const report = { progressToken, progress, total, message };
        await mcpReq.notify({ method: "notifications/progress", params: report });
      },
    });
    return result ?? refuse(`no tool ${params.name}`);
  });

  server.setRequestHandler("prompts/list", () => ({ prompts: PROMPTS }));
  server.setRequestHandler("prompts/get", ({ params }) => {
    const text = promptText(params.name, params.arguments);
    if (text === undefined) return refuse(`no prompt ${params.name}`);
    return { messages: [{ role: "user", content: { type: "text", text } }] };
  });

  server.setRequestHandler("resources/list", () => ({ resources: RESOURCES }));
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: RESOURCE_TEMPLATES }));
  server.setRequestHandler("resources/read", ({ params }) => {
    const contents = resourceContents(params.uri);
    return contents === undefined ? refuse(`no resource ${params.uri}`) : { contents: [contents] };
  });

  return server;
}

function refuse(sentence: string): never {
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, sentence);
}

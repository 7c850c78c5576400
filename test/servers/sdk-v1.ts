// The offer of sdk-tools.ts on a server of the v1 SDK: revisions up to 2025-11-25. One server a session.

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import {
  INSTRUCTIONS,
  type Offer,
  PROMPTS,
  RESOURCES,
  RESOURCE_TEMPLATES,
  promptText,
  resourceContents,
} from "./sdk-tools.ts";

export function createV1Server(offer: Offer): Server {
  const capabilities = { tools: { listChanged: true }, prompts: {}, resources: {} };
  const server = new Server(
    { name: "sdk-v1", version: "1.32.2" },
    { capabilities, instructions: INSTRUCTIONS },
  );

  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...offer.tools] }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal, sendNotification }) => {
    const progressToken = params["_meta"]?.progressToken;
    const result = offer.call(params.name, params.arguments ?? {}, {
      signal,
      async progress(progress, total, message) {
        if (progressToken === undefined) return;
        const report = { progressToken, progress, total, message };
        await sendNotification({ method: "notifications/progress", params: report });
      },
    });
    return result ?? refuse(ErrorCode.InvalidParams, `no tool ${params.name}`);
  });

  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: PROMPTS }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    const text = promptText(params.name, params.arguments);
    if (text === undefined) return refuse(ErrorCode.InvalidParams, `no prompt ${params.name}`);
    return { messages: [{ role: "user", content: { type: "text", text } }] };
  });

  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: RESOURCES }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: RESOURCE_TEMPLATES,
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => {
    const contents = resourceContents(params.uri);
    return contents === undefined ? refuse(-32002, `no resource ${params.uri}`) : { contents: [contents] };
  });

  return server;
}

/** Sends list_changed whenever the tools change, until the function that it returns is called. */
export function announceChanges(server: Server, offer: Offer): () => void {
  return offer.onToolsChanged(() => {
    // A session that is closing cannot be told any more.
    server.sendToolListChanged().catch(() => {});
  });
}

function refuse(code: number, sentence: string): never {
  throw new McpError(code, sentence);
}

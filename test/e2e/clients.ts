// The official clients, as agents use them: the SDK of the 1.x line, and the 2.x client in both eras, behind one
// face, so that each test runs with all three.

import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const INFO = { name: "end-to-end", version: "1.0.0" };

export interface CallOptions {
  readonly onprogress?: (progress: { progress: number; total?: number | undefined }) => void;
  readonly signal?: AbortSignal;
}

export interface OfficialClient {
  tools(): Promise<readonly { name: string; title?: string | undefined }[]>;
  call(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<unknown>;
  promptNames(): Promise<readonly string[]>;
  prompt(name: string, args: Record<string, string>): Promise<unknown>;
  resourceUris(): Promise<readonly string[]>;
  read(uri: string): Promise<unknown>;
  templates(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export type Connect = (url: URL, token: string) => Promise<OfficialClient>;

/** Every client that a test of the agent side runs with. */
export const OFFICIAL_CLIENTS: Readonly<Record<string, Connect>> = {
  "sdk 1.x": connectV1,
  "client 2.x, legacy": (url, token) => connectV2(url, token, "legacy"),
  "client 2.x, pinned to 2026-07-28": (url, token) => connectV2(url, token, { pin: "2026-07-28" }),
};

export async function connectV1(url: URL, token: string): Promise<OfficialClient> {
  const client = new ClientV1(INFO);
  await client.connect(
    new TransportV1(url, { requestInit: { headers: { authorization: `Bearer ${token}` } } }),
  );
  return {
    ...lists(client),
    call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    read: (uri) => client.readResource({ uri }),
    close: () => client.close(),
  };
}

async function connectV2(url: URL, token: string, mode: "legacy" | { pin: string }): Promise<OfficialClient> {
  const client = new ClientV2(INFO, { versionNegotiation: { mode } });
  await client.connect(
    new TransportV2(url, { requestInit: { headers: { authorization: `Bearer ${token}` } } }),
  );
  return {
    ...lists(client),
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    read: (uri) => client.readResource({ uri }),
    close: () => client.close(),
  };
}

function lists(client: ClientV1 | ClientV2) {
  return {
    tools: async () => (await client.listTools()).tools,
    promptNames: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    resourceUris: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () =>
      (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
  };
}

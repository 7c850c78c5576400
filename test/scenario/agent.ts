// An agent as a scenario needs it: single messages by HTTP, with every header in the hand of the test.

import { parseEvents } from "./events.ts";

export type Headers = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly headers: globalThis.Headers;
  readonly text: string;
  /** The messages: the body, or the data of each event. */
  readonly messages: readonly Message[];
}

export interface Message {
  readonly jsonrpc?: string;
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}

export const ACCEPT = "application/json, text/event-stream";

export class Agent {
  readonly endpoint: string;
  readonly #token: string;

  constructor(url: string, token: string, path = "/mcp") {
    this.endpoint = `${url}${path}`;
    this.#token = token;
  }

  headers(more: Headers = {}): Record<string, string> {
    return {
      authorization: `Bearer ${this.#token}`,
      "content-type": "application/json",
      accept: ACCEPT,
      ...more,
    };
  }

  /** The response as it comes; the caller reads or cancels its body. */
  raw(
    body: string | Uint8Array<ArrayBuffer>,
    headers: Headers = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const init = { method: "POST", body, headers: this.headers(headers) };
    return fetch(this.endpoint, signal === undefined ? init : { ...init, signal });
  }

  async post(body: string | Uint8Array<ArrayBuffer>, headers: Headers = {}): Promise<Answer> {
    return answerOf(await this.raw(body, headers));
  }

  /** A legacy session; its headers for what follows. */
  async open(revision = "2025-11-25"): Promise<Headers> {
    const params = {
      protocolVersion: revision,
      capabilities: {},
      clientInfo: { name: "scenario", version: "1" },
    };
    const answer = await this.post(request("initialize", params));
    const id = answer.headers.get("mcp-session-id");
    if (answer.status !== 200 || id === null) throw new Error(`no session: ${answer.status} ${answer.text}`);
    return { "mcp-session-id": id, "mcp-protocol-version": revision };
  }
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  const bodies = isStream ? parseEvents(text) : isJson && text !== "" ? [text] : [];
  const messages = bodies.map((body): Message => JSON.parse(body));
  return { status: response.status, headers: response.headers, text, messages };
}

/** The text of one request; `id` and `params` may be raw JSON in a string that is marked as such. */
export function request(method: string, params?: unknown, id: unknown = 1): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

export function call(tool: string, args: unknown = {}, id: unknown = 1, meta?: unknown): string {
  const params = { name: tool, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) };
  return request("tools/call", params, id);
}

export const MODERN = "2026-07-28";
export const MODERN_META = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "scenario", version: "1" },
};

/** The headers that a modern request repeats its body in. */
export function modernHeaders(method: string, name?: string): Headers {
  const headers = { "mcp-protocol-version": MODERN, "mcp-method": method };
  return name === undefined ? headers : { ...headers, "mcp-name": name };
}

export function modernCall(tool: string, args: unknown = {}, id: unknown = 1, meta: object = {}): string {
  return call(tool, args, id, { ...MODERN_META, ...meta });
}

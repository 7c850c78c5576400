// An agent on bare HTTP: every header and byte is the test's choice. Speaks the legacy revisions with a session.

import * as v from "valibot";

const Message = v.looseObject({
  jsonrpc: v.literal("2.0"),
  id: v.optional(v.union([v.string(), v.number(), v.null()])),
  method: v.optional(v.string()),
  params: v.optional(v.unknown()),
  result: v.optional(v.unknown()),
  error: v.optional(v.looseObject({ code: v.number(), message: v.string(), data: v.optional(v.unknown()) })),
});
export type Message = v.InferOutput<typeof Message>;

export const ACCEPT_BOTH = "application/json, text/event-stream";
const REVISION = "2025-11-25";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The messages of a JSON body or an event stream; empty where it is neither. */
  readonly messages: readonly Message[];
}

/** POSTs a body as it is. Headers of `headers` win. */
export async function post(
  url: URL,
  body: string | Blob,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return read(
    await fetch(url, {
      method: "POST",
      headers: { accept: ACCEPT_BOTH, "content-type": "application/json", ...headers },
      body,
    }),
  );
}

export async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    messages: messagesOf(response.headers, text),
  };
}

/** The only message of an answer that has one. */
export function only(answer: Answer): Message {
  const [message, ...more] = answer.messages;
  if (message === undefined || more.length > 0)
    throw new Error(`expected one message: ${answer.status} ${answer.text}`);
  return message;
}

/** One legacy session. */
export class Agent {
  readonly url: URL;
  readonly token: string;
  readonly sessionId: string;
  #lastId = 1;

  private constructor(url: URL, token: string, sessionId: string) {
    this.url = url;
    this.token = token;
    this.sessionId = sessionId;
  }

  static async open(url: URL, token: string): Promise<Agent> {
    const answer = await post(url, initializeBody(), { authorization: `Bearer ${token}` });
    const sessionId = answer.headers.get("mcp-session-id");
    if (answer.status !== 200 || sessionId === null) {
      throw new Error(`initialize was answered ${answer.status} ${answer.text}`);
    }
    const agent = new Agent(url, token, sessionId);
    await agent.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    return agent;
  }

  get headers(): Readonly<Record<string, string>> {
    return {
      authorization: `Bearer ${this.token}`,
      "mcp-session-id": this.sessionId,
      "mcp-protocol-version": REVISION,
    };
  }

  /** POSTs one message, whatever it is. */
  send(message: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return post(this.url, JSON.stringify(message), { ...this.headers, ...headers });
  }

  /** One request; its answer, which may be an error. Other messages of the stream are left out. */
  async request(method: string, params?: unknown): Promise<Message> {
    const id = ++this.#lastId;
    const answer = await this.send({
      jsonrpc: "2.0",
      id,
      method,
      ...(params === undefined ? {} : { params }),
    });
    const message = answer.messages.find((candidate) => candidate.id === id);
    if (message === undefined) throw new Error(`${method} was answered ${answer.status} ${answer.text}`);
    return message;
  }

  call(name: string, args: unknown = {}): Promise<Message> {
    return this.request("tools/call", { name, arguments: args });
  }

  async toolNames(): Promise<readonly string[]> {
    const { result, error } = await this.request("tools/list");
    if (error !== undefined) throw new Error(`tools/list: ${error.code} ${error.message}`);
    const { tools } = v.parse(v.looseObject({ tools: v.array(v.looseObject({ name: v.string() })) }), result);
    return tools.map(({ name }) => name).toSorted();
  }

  /** The session's GET stream, open until `signal` aborts. */
  async stream(signal: AbortSignal): Promise<EventReader> {
    const response = await fetch(this.url, {
      headers: { ...this.headers, accept: "text/event-stream" },
      signal,
    });
    if (response.status !== 200 || response.body === null)
      throw new Error(`GET was answered ${response.status}`);
    return new EventReader(response.body);
  }

  async close(): Promise<Answer> {
    return read(await fetch(this.url, { method: "DELETE", headers: this.headers }));
  }
}

/** Collects the messages of an open event stream. */
export class EventReader {
  readonly messages: Message[] = [];

  constructor(stream: ReadableStream<Uint8Array>) {
    void this.#collect(stream);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const chunk of stream) {
        const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
        rest = events.pop() ?? "";
        this.messages.push(...events.flatMap(eventMessages));
      }
    } catch {
      // Aborted by the test, or cut by the end of the appliance: what came until then counts.
    }
  }
}

export function initializeBody(revision = REVISION): string {
  return JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: revision, capabilities: {}, clientInfo: { name: "bare", version: "1" } },
  });
}

function messagesOf(headers: Headers, text: string): readonly Message[] {
  const type = headers.get("content-type") ?? "";
  if (type.startsWith("text/event-stream")) return text.split("\n\n").flatMap(eventMessages);
  if (!type.startsWith("application/json") || text === "") return [];
  const parsed = v.safeParse(Message, JSON.parse(text));
  return parsed.success ? [parsed.output] : [];
}

function eventMessages(event: string): readonly Message[] {
  const data = event
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trimStart())
    .join("\n");
  return data === "" ? [] : [v.parse(Message, JSON.parse(data))];
}

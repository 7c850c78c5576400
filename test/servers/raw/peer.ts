// The wire of the hand-written stdio servers: one JSON-RPC message a line, answers as raw JSON text, no SDK.
// Every behaviour in this folder starts a peer with its own handlers; what it does not handle is answered
// like a polite server without tools.

import { writeSync } from "node:fs";

/** One line from the client. `id` and `params` are raw JSON, so that nothing is lost on the way back. */
export interface Message {
  readonly line: string;
  readonly id: string | undefined;
  readonly method: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface Peer {
  /** Writes text as it is. Blocks while the client does not read, so nothing piles up in here. */
  send(text: string | Uint8Array): void;
  answer(message: Message, result: string): void;
  fail(message: Message, code: number, sentence: string): void;
}

export type Handler = (message: Message, peer: Peer) => void;
export type Handlers = Readonly<Record<string, Handler>>;

export interface PeerOptions {
  /** By method; `*` gets every line that no other handler takes. */
  readonly handlers?: Handlers;
  /** Raw JSON of tool definitions. */
  readonly tools?: readonly string[];
  /** Raw JSON; tools when left out. */
  readonly capabilities?: string;
  /** The revision to answer with; as asked when left out. */
  readonly revision?: string;
  /** Goes on living when stdin ends. */
  readonly ignoreEnd?: boolean;
}

/** Starts to listen on stdin. Ends the process with 0 when stdin ends, unless told otherwise. */
export function startPeer(options: PeerOptions = {}): Peer {
  const peer: Peer = { send: (text) => writeAll(1, text), answer, fail };
  const handlers: Handlers = { ...politeHandlers(options), ...options.handlers };
  let rest = "";
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (chunk: string) => {
    const [first = "", ...others] = chunk.split("\n");
    rest += first;
    for (const other of others) {
      take(rest);
      rest = other;
    }
  });
  process.stdin.on("end", () => {
    if (options.ignoreEnd !== true) process.exit(0);
  });
  return peer;

  function take(line: string): void {
    const message = parseMessage(line);
    if (message === undefined) return;
    const handler = handlers[message.method ?? "*"] ?? handlers["*"];
    if (handler !== undefined) return handler(message, peer);
    if (message.method !== undefined) fail(message, -32601, `no method ${message.method}`);
  }

  function answer(message: Message, result: string): void {
    if (message.id !== undefined) peer.send(`{"jsonrpc":"2.0","id":${message.id},"result":${result}}\n`);
  }

  function fail(message: Message, code: number, sentence: string): void {
    const error = `{"code":${code},"message":${JSON.stringify(sentence)}}`;
    if (message.id !== undefined) peer.send(`{"jsonrpc":"2.0","id":${message.id},"error":${error}}\n`);
  }
}

/** Undefined for what is not a JSON object. */
export function parseMessage(line: string): Message | undefined {
  const value = parseObject(line);
  if (value === undefined) return undefined;
  const { method, params } = value;
  return {
    line,
    id: rawMember(line, "id"),
    method: typeof method === "string" ? method : undefined,
    params: isObject(params) ? params : {},
  };
}

/** The name of the tool and its arguments, of a tools/call. */
export function toolCall(message: Message): { name: string; args: Readonly<Record<string, unknown>> } {
  const { name, arguments: args } = message.params;
  return { name: typeof name === "string" ? name : "", args: isObject(args) ? args : {} };
}

/** Raw JSON of a tool without a description. */
export function toolNamed(name: string): string {
  return JSON.stringify({ name, inputSchema: { type: "object" } });
}

/** Raw JSON of a tool result with one text block. */
export function textResult(text: string): string {
  return `{"content":[{"type":"text","text":${JSON.stringify(text)}}]}`;
}

/** The raw text of a member of the outermost object, the last one where the key stands twice. */
export function rawMember(json: string, key: string): string | undefined {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;
  const quotedKey = JSON.stringify(key);
  let depth = 0;
  let keyText = "";
  let valueStart = -1;
  let found: string | undefined;
  for (let match = token.exec(json); match !== null; match = token.exec(json)) {
    const [text] = match;
    const closes = text === "}" || text === "]";
    if (depth === 1 && valueStart < 0) {
      if (text === ":" && keyText === quotedKey) valueStart = token.lastIndex;
      if (text.startsWith('"')) keyText = text;
    } else if (depth === 1 && (text === "," || closes)) {
      found = json.slice(valueStart, match.index).trim();
      valueStart = -1;
    }
    if (text === "{" || text === "[") depth++;
    if (closes) depth--;
  }
  return found;
}

/** Writes all of it, blocking. */
export function writeAll(fd: 1 | 2, text: string | Uint8Array): void {
  let bytes = typeof text === "string" ? Buffer.from(text) : text;
  while (bytes.length > 0) bytes = bytes.subarray(writeSync(fd, bytes));
}

/** Says its last words and ends, with nothing of them lost. */
export function exitSaying(sentence: string, code: number): never {
  writeAll(2, `${sentence}\n`);
  process.exit(code);
}

function politeHandlers(options: PeerOptions): Handlers {
  return {
    initialize: (message, peer) => {
      const revision = options.revision ?? message.params["protocolVersion"] ?? "2025-11-25";
      const capabilities = options.capabilities ?? '{"tools":{"listChanged":true}}';
      const hello = `"serverInfo":{"name":"raw","version":"1"},"capabilities":${capabilities}`;
      peer.answer(message, `{"protocolVersion":${JSON.stringify(revision)},${hello}}`);
    },
    "notifications/initialized": () => {},
    "notifications/cancelled": () => {},
    ping: (message, peer) => peer.answer(message, "{}"),
    "tools/list": (message, peer) => peer.answer(message, `{"tools":[${(options.tools ?? []).join()}]}`),
  };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

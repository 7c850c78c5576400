// A remote server whose every answer the test writes itself. What is not scripted is answered like a polite server
// with a session and no GET stream. All requests are kept, to see what was sent and what was not.

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  /** The body as text; empty for GET and DELETE. */
  readonly body: string;
  /** Of the message in the body. */
  readonly id: number | undefined;
  readonly rpc: string | undefined;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

export type Script = (request: Received) => Response | undefined | Promise<Response | undefined>;

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  readonly where: string;
  readonly port: number;
  readonly received: readonly Received[];
  /** Requests for which the server has not given its response yet, and the most of them at one time. */
  readonly open: { now: number; most: number };
  stop(): Promise<void>;
}

export const SESSION_ID = "session-of-the-test";
export const HELLO = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: {} },
  serverInfo: { name: "scripted", version: "1" },
};

export function scriptedServer(script: Script = () => undefined, port = 0): ScriptedServer {
  const received: Received[] = [];
  const open = { now: 0, most: 0 };
  const http = Bun.serve({
    hostname: "127.0.0.1",
    port,
    idleTimeout: 0,
    async fetch(request) {
      open.most = Math.max(open.most, ++open.now);
      try {
        const heard = await read(request);
        received.push(heard);
        return (await script(heard)) ?? polite(heard);
      } finally {
        open.now--;
      }
    },
  });
  const stop = async (): Promise<void> => void (await http.stop(true));
  return {
    url: `${http.url.origin}/mcp`,
    where: `127.0.0.1:${http.port}`,
    port: http.port ?? 0,
    received,
    open,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function read(request: Request): Promise<Received> {
  const body = await request.text();
  const message: { id?: number; method?: string } = body === "" ? {} : JSON.parse(body);
  return {
    method: request.method,
    path: new URL(request.url).pathname,
    headers: request.headers,
    body,
    id: message.id,
    rpc: message.method,
    signal: request.signal,
  };
}

function polite({ method, rpc, id }: Received): Response {
  if (method === "GET") return new Response(null, { status: 405 });
  if (method === "DELETE") return new Response(null, { status: 204 });
  if (rpc === "initialize") return json(answer(id, JSON.stringify(HELLO)), { "mcp-session-id": SESSION_ID });
  if (id === undefined || rpc === undefined) return new Response(null, { status: 202 });
  return json(answer(id, '{"polite":true}'));
}

export function answer(id: number | undefined, result: string): string {
  return `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
}

export function json(text: string, headers: Record<string, string> = {}, status = 200): Response {
  return new Response(text, { status, headers: { "content-type": "application/json", ...headers } });
}

/** An event stream with this text, which then ends. */
export function stream(text: string | Uint8Array<ArrayBuffer>): Response {
  return new Response(text, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
}

/** An event stream that the test feeds. */
export function openStream(): { response: Response; send(text: string): void; end(): void; broken(): void } {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(started) {
      controller = started;
    },
  });
  return {
    response: new Response(body, { headers: { "content-type": "text/event-stream" } }),
    send: (text) => controller?.enqueue(new TextEncoder().encode(text)),
    end: () => controller?.close(),
    // NB: with a reason, the server would print it.
    broken: () => controller?.error(),
  };
}

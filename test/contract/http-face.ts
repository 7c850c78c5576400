// A Streamable HTTP face for any stdio server, byte for byte: one process a session, one event stream a request, GET
// for what belongs to none. What the server writes is put into events as it stands, wrong or right.

import { LineSplitter } from "../../src/process/lines.ts";

export interface HttpFace {
  readonly url: string;
  stderr(): string;
  /** Sessions and streams that are open, in words. */
  leftovers(): readonly string[];
  close(): Promise<void>;
}

type Stream = ReadableStreamDefaultController<Uint8Array>;

interface Session {
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  /** By the raw id of the request that each answers. The newest is last. */
  readonly calls: Map<string, Stream>;
  listening: Stream | undefined;
  /** For the GET stream, while there is none. */
  readonly backlog: Uint8Array[];
}

const MAX_BACKLOG = 1_000;

/** @param command the server's argv */
export function openHttpFace(command: readonly string[]): HttpFace {
  const sessions = new Map<string, Session>();
  const ended: Promise<unknown>[] = [];
  let stderr = "";

  const http = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: 128 * 1_048_576,
    async fetch(request) {
      const id = request.headers.get("mcp-session-id");
      const session = id === null ? undefined : sessions.get(id);
      if (id !== null && session === undefined) return new Response("no such session", { status: 404 });
      if (session !== undefined && request.method === "DELETE") {
        await end(session);
        return new Response(null, { status: 204 });
      }
      if (session !== undefined && request.headers.get("mcp-protocol-version") === null) {
        return new Response("no MCP-Protocol-Version", { status: 400 });
      }
      if (request.method === "POST") return post(await request.bytes(), session);
      if (request.method === "GET" && session !== undefined) return listen(session);
      return new Response("what?", { status: 405 });
    },
  });

  return {
    url: `${http.url.origin}/mcp`,
    stderr: () => stderr,
    leftovers: () =>
      [...sessions.values()].flatMap(({ process, calls, listening }) => [
        `session of process ${process.pid}`,
        ...Array.from(calls.keys(), (id) => `stream of call ${id}`),
        ...(listening === undefined ? [] : ["listening stream"]),
      ]),
    async close() {
      await Promise.all([...sessions.values()].map(end));
      await http.stop(true);
      await Promise.all(ended);
    },
  };

  function post(body: Uint8Array, known: Session | undefined): Response {
    const message: unknown = JSON.parse(new TextDecoder().decode(body));
    const { id, method } = { id: undefined, method: undefined, ...(message as object) };
    if (known === undefined && method !== "initialize") return new Response("no session", { status: 400 });
    const sessionId = crypto.randomUUID();
    const session = known ?? start(sessionId);
    const headers = {
      "content-type": "text/event-stream",
      ...(known ? {} : { "mcp-session-id": sessionId }),
    };
    void session.process.stdin.write(body);
    void session.process.stdin.write("\n");
    if (id === undefined || method === undefined) return new Response(null, { status: 202 });
    const key = JSON.stringify(id);
    return new Response(
      new ReadableStream<Uint8Array>({
        start: (stream) => void session.calls.set(key, stream),
        cancel() {
          session.calls.delete(key);
          // Nobody knows the id of a session whose first answer nobody waited for.
          if (known === undefined) void end(session);
        },
      }),
      { headers },
    );
  }

  function listen(session: Session): Response {
    const body = new ReadableStream<Uint8Array>({
      start(stream) {
        session.listening = stream;
        for (const event of session.backlog.splice(0)) stream.enqueue(event);
      },
      cancel() {
        session.listening = undefined;
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  function start(sessionId: string): Session {
    const process = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    const session: Session = { process, calls: new Map(), listening: undefined, backlog: [] };
    sessions.set(sessionId, session);
    const lines = new LineSplitter(128 * 1_048_576, (line) => route(session, line));
    const readStdout = async (): Promise<void> => {
      for await (const chunk of process.stdout) lines.push(chunk);
    };
    const readStderr = async (): Promise<void> => {
      for await (const chunk of process.stderr) stderr += new TextDecoder().decode(chunk);
    };
    ended.push(Promise.all([readStdout(), readStderr(), process.exited]));
    const cleanUp = async (): Promise<void> => {
      await process.exited;
      sessions.delete(sessionId);
      // The server is gone: whoever waits for it finds out as with any server that died.
      for (const stream of [...session.calls.values(), session.listening]) stream?.error();
    };
    ended.push(cleanUp());
    return session;
  }

  async function end(session: Session): Promise<void> {
    await session.process.stdin.end();
    await session.process.exited;
  }
}

/** An answer ends the stream of its request; progress goes there too; the rest to the newest stream, or to GET. */
function route({ calls, listening, backlog }: Session, line: Uint8Array): void {
  const event = Buffer.concat([Buffer.from("data: "), line, Buffer.from("\n\n")]);
  const { id = "", method, token = "" } = peek(line);
  const answered = method === undefined ? calls.get(id) : undefined;
  const stream = answered ?? calls.get(token) ?? [...calls.values()].at(-1) ?? listening;
  if (stream !== undefined) stream.enqueue(event);
  else if (backlog.length < MAX_BACKLOG) backlog.push(event);
  if (answered === undefined) return;
  // A little later: what else the server says to this request in the same breath belongs to this stream.
  setImmediate(() => {
    if (calls.delete(id)) answered.close();
  });
}

/** The id and the progress token as JSON, of anything that is an object of JSON. */
function peek(line: Uint8Array): { id?: string; method?: unknown; token?: string } {
  try {
    const { id, method, params } = JSON.parse(new TextDecoder().decode(line));
    return { id: JSON.stringify(id), method, token: JSON.stringify(params?.progressToken) };
  } catch {
    return {};
  }
}

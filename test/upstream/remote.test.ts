// What is particular to a remote server: HTTP headers, sessions, statuses, redirects, streams that break off and go
// on, and sentences that say what the server answered without saying a secret. The rest is the contract's.

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { nullLog } from "../../src/log.ts";
import { remoteConnector, type RemoteOptions } from "../../src/upstream/remote.ts";
import type { Upstream, UpstreamListener } from "../../src/upstream/upstream.ts";
import { callTool, request, resultOf, textOf, type Call } from "../contract/call.ts";
import { openSdkServer } from "../contract/remote-lab.ts";
import { until, within } from "../e2e/wait.ts";
import {
  answer,
  HELLO,
  json,
  openStream,
  type Received,
  type Script,
  scriptedServer,
  type ScriptedServer,
  SESSION_ID,
  stream,
} from "./scripted-server.ts";

setDefaultTimeout(30_000);

const MIB = 1_048_576;
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});

function serve(script?: Script, port?: number): ScriptedServer {
  const server = scriptedServer(script, port);
  opened.push({ close: server.stop });
  return server;
}

async function connect(
  server: { url: string },
  options: Partial<RemoteOptions> = {},
  listener: UpstreamListener = { notification: () => undefined },
  signal: AbortSignal = new AbortController().signal,
): Promise<Upstream> {
  const upstream = await remoteConnector({
    spec: { url: server.url, headers: {} },
    clientInfo: { name: "toolcrib", version: "1.2.3" },
    startTimeoutMs: 20_000,
    maxMessageBytes: MIB,
    log: nullLog,
    ...options,
  }).connect(listener, signal);
  opened.push(upstream);
  return upstream;
}

async function failure(connecting: Promise<Upstream>): Promise<AppError> {
  const thrown: unknown = await connecting.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof AppError)) throw new Error(`not an AppError: ${String(thrown)}`);
  expect(thrown.code).toBe("start-failed");
  return thrown;
}

async function lossOf(call: Call): Promise<{ code: string; sentence: string }> {
  const outcome = await call.outcome;
  if (outcome.kind !== "lost") throw new Error(`not lost: ${outcome.text}`);
  expect(call.heard).toEqual(["lost"]);
  return outcome;
}

/** Answers calls with `respond`, and the rest politely. */
const calls =
  (respond: Script): Script =>
  (heard) =>
    heard.rpc === "tools/call" ? respond(heard) : undefined;

const event = (data: string, fields = ""): string => `${fields}data: ${data}\n\n`;

describe("headers", () => {
  test("are the protocol's, the admin's, and the session's from initialize on", async () => {
    const server = serve((heard) => (heard.method === "GET" ? openStream().response : undefined));
    const headers = {
      Authorization: "Bearer abc",
      "X-Team": "blue",
      Accept: "text/html",
      "Mcp-Session-Id": "mine",
    };
    const upstream = await connect(server, { spec: { url: server.url, headers } });
    await resultOf(callTool(upstream, "any"));
    await until("it listens", () => server.received.some(({ method }) => method === "GET"));
    await upstream.close();

    const told = server.received.map(({ method, rpc, headers: sent }) => [
      rpc ?? method,
      sent.get("accept"),
      sent.get("mcp-session-id"),
      sent.get("mcp-protocol-version"),
    ]);
    const both = "application/json, text/event-stream";
    expect(told.toSorted()).toEqual(
      [
        ["initialize", both, "mine", null],
        ["notifications/initialized", both, SESSION_ID, "2025-11-25"],
        ["GET", "text/event-stream", SESSION_ID, "2025-11-25"],
        ["tools/call", both, SESSION_ID, "2025-11-25"],
        ["DELETE", "text/html", SESSION_ID, "2025-11-25"],
      ].toSorted(),
    );
    for (const { headers: sent, method } of server.received) {
      expect(sent.get("authorization")).toBe("Bearer abc");
      expect(sent.get("x-team")).toBe("blue");
      expect(sent.get("user-agent")).toBe("toolcrib/1.2.3");
      expect(sent.get("accept-encoding")).toBe("identity");
      expect(sent.get("content-type")).toBe(method === "POST" ? "application/json" : null);
    }
  });

  test("name the revision that the server chose", async () => {
    const old = JSON.stringify({ ...HELLO, protocolVersion: "2025-03-26" });
    const server = serve(({ rpc, id }) => (rpc === "initialize" ? json(answer(id, old)) : undefined));
    const upstream = await connect(server);
    await resultOf(callTool(upstream, "any"));
    const versions = server.received.map(({ headers }) => headers.get("mcp-protocol-version"));
    expect(new Set(versions)).toEqual(new Set([null, "2025-03-26"]));
    expect(server.received.some(({ headers }) => headers.has("mcp-session-id"))).toBe(false);
    await upstream.close();
    expect(server.received.some(({ method }) => method === "DELETE")).toBe(false);
  });

  test("that cannot be sent are named, their values are not", async () => {
    const server = serve();
    const spec = { url: server.url, headers: { Authorization: "Bearer sesame\r\nx: y" } };
    const error = await failure(connect(server, { spec }));
    expect(error.message).toContain("Authorization");
    expect(Bun.inspect(error)).not.toContain("sesame");
    expect(server.received).toEqual([]);
  });
});

describe("answers", () => {
  test.each<readonly [string, (id: number | undefined) => Response]>([
    ["JSON", (id) => json(answer(id, '{"a":1.0}'))],
    [
      "JSON with a charset",
      (id) => json(answer(id, '{"a":1.0}'), { "content-type": "Application/JSON; charset=utf-8" }),
    ],
    ["compressed JSON", (id) => gzipped(answer(id, '{"a":1.0}'))],
    ["an event", (id) => stream(event(answer(id, '{"a":1.0}')))],
    [
      "an event with all that there is",
      (id) =>
        stream(`\ufeff: hi\r\nid: 1\r\nretry: 5\r\nevent: message\r\n${event(answer(id, '{"a":1.0}'))}`),
    ],
    [
      "an event of several lines",
      (id) => stream(`data: {"jsonrpc":"2.0","id":${id},\ndata: "result":{"a":1.0}}\n\n`),
    ],
    [
      "events of other names before",
      (id) => stream(`event: endpoint\n${event("/messages")}${event(answer(id, '{"a":1.0}'))}`),
    ],
    [
      "events that are no messages before",
      (id) => stream(event("hello") + event("{}") + event(answer(id, '{"a":1.0}'))),
    ],
  ])("come as %s", async (_about, respond) => {
    const server = serve(calls(({ id }) => respond(id)));
    const upstream = await connect(server);
    expect(await resultOf(callTool(upstream, "any"))).toBe('{"a":1.0}');
  });

  test("may be errors under any status, and are handed on as they stand", async () => {
    const error = '{"code":-32601,"message":"no such thing","data":{"x":1.0}}';
    for (const status of [200, 400, 404, 500]) {
      const server = serve(
        calls(({ id }) => json(`{"jsonrpc":"2.0","id":${id},"error":${error}}`, {}, status)),
      );
      const upstream = await connect(server);
      expect(await callTool(upstream, "any").outcome).toMatchObject({ kind: "error", text: error });
      expect(await resultOf(request(upstream, "ping", undefined))).toBe('{"polite":true}');
    }
  });

  test("may leave their stream open: the call is done, and the stream is let go", async () => {
    let gone = false;
    const server = serve(
      calls(({ id, signal }) => {
        signal.addEventListener("abort", () => (gone = true));
        const { response, send } = openStream();
        send(event(answer(id, "{}")));
        return response;
      }),
    );
    const upstream = await connect(server);
    expect(await resultOf(callTool(upstream, "any"))).toBe("{}");
    await until("the stream is let go", () => gone);
  });

  test.each<readonly [string, (id: number | undefined) => Response, string]>([
    ["202 and nothing", () => new Response(null, { status: 202 }), "status 202 without a message"],
    [
      "HTML",
      () => new Response("<p>hi", { headers: { "content-type": "text/html" } }),
      "status 200 without a message",
    ],
    ["JSON that is no message", () => json('{"hello":"world"}'), '{"hello":"world"}'],
    ["no JSON", () => json("\u001b[31mhi"), "(hi)"],
    ["the answer to another call", () => json(answer(999, "{}")), "something else"],
    ["a batch of others", () => json(`[${answer(998, "{}")},${answer(999, "{}")}]`), "something else"],
    ["an empty stream", () => stream(""), "ended its stream"],
    ["a stream without the answer", () => stream(event(answer(999, "{}"))), "ended its stream"],
    ["an answer without its last line", (id) => stream(`data: ${answer(id, "{}")}\n`), "ended its stream"],
  ])("are missing where the server sends %s", async (_about, respond, said) => {
    const server = serve(calls(({ id }) => respond(id)));
    const upstream = await connect(server);
    const { code, sentence } = await lossOf(callTool(upstream, "any"));
    expect(code).toBe("server-lost");
    expect(sentence).toContain(server.where);
    expect(sentence).toContain(said.replace("(hi)", "hi"));
    expect(sentence).not.toMatch(/[\u0000-\u001f]/);
    expect(await resultOf(request(upstream, "ping", undefined))).toBe('{"polite":true}');
  });

  test("are bounded, in both forms, and the rest is not read", async () => {
    const tooMuch = "x".repeat(MIB);
    let pulled = 0;
    const endless = (): Response => {
      const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
        pulled++;
        controller.enqueue(new Uint8Array(64 * 1024).fill(0x78));
      };
      return new Response(new ReadableStream({ pull }), { headers: { "content-type": "text/event-stream" } });
    };
    const responses = [
      (id: number | undefined) => json(answer(id, `"${tooMuch}"`)),
      (id: number | undefined) => stream(event(answer(id, `"${tooMuch}"`))),
      endless,
      () => gzipped(" ".repeat(50 * MIB)),
    ];
    const server = serve(calls(({ id }) => responses.shift()?.(id)));
    const upstream = await connect(server);
    for (let left = responses.length; left > 0; left--) {
      const { sentence } = await lossOf(callTool(upstream, "any"));
      expect(sentence).toContain("over 1 MiB");
    }
    expect(pulled).toBeLessThan(1000);
    expect(await resultOf(request(upstream, "ping", undefined))).toBe('{"polite":true}');
  });
});

describe("a server of the SDK", () => {
  test.each([
    ["as it comes", []],
    ["that answers in JSON", ["--json"]],
    ["without sessions", ["--stateless"]],
    ["without sessions, in JSON", ["--stateless", "--json"]],
  ])("%s", async (_about, flags) => {
    const server = await openSdkServer(...flags, "--require", "X-Key=open sesame");
    opened.push(server);
    const closed = await failure(connect(server));
    expect(closed.message).toContain("status 401");
    const upstream = await connect(server, {
      spec: { url: server.url, headers: { "X-Key": "open sesame" } },
    });
    expect(await textOf(callTool(upstream, "echo", { text: "é😀" }))).toBe("é😀");
    expect(await callTool(upstream, "no such tool").outcome).toMatchObject({ kind: "error" });
    await upstream.close();
  });
});

describe("refusals", () => {
  test.each([
    [401, "server-lost", "sign in"],
    [403, "server-lost", "headers"],
    [404, "server-lost", "no MCP endpoint"],
    [405, "server-lost", "POST"],
    [413, "server-lost", "too large"],
    [418, "server-lost", "418"],
    [429, "server-busy", "too many requests"],
    [500, "server-lost", "fault of its own"],
    [503, "server-busy", "fault of its own"],
  ])("with status %d lose the call and nothing else", async (status, code, hint) => {
    const noSession: Script = ({ rpc, id }) => {
      if (rpc === "initialize") return json(answer(id, JSON.stringify(HELLO)));
      return rpc === "tools/call" ? new Response("because\u001b[2J of\r\nthis", { status }) : undefined;
    };
    const server = serve(noSession);
    const upstream = await connect(server);
    const loss = await lossOf(callTool(upstream, "any"));
    expect(loss.code).toBe(code);
    expect(loss.sentence).toContain(`The server at ${server.where} answered with HTTP status ${status}`);
    expect(loss.sentence).toContain(hint);
    expect(loss.sentence).toContain("it said: because [2J of this");
    expect(await resultOf(request(upstream, "ping", undefined))).toBe('{"polite":true}');
  });

  test("never become a 401 of ours, and quote nothing that was secret", async () => {
    const secret = "correct-horse-battery";
    const padding = "x".repeat(190);
    const server = serve(
      calls(
        ({ headers, body }) =>
          new Response(`${padding} ${headers.get("authorization")} ${body}`, { status: 401 }),
      ),
    );
    const url = `${server.url}?key=query-secret`.replace("//", "//user:url-password@");
    const upstream = await connect(server, { spec: { url, headers: { Authorization: `Bearer ${secret}` } } });
    const { code, sentence } = await lossOf(callTool(upstream, "any", { text: "query-secret url-password" }));
    expect(code).toBe("server-lost");
    for (const hidden of [secret, "correct-h", "query-secret", "url-password"]) {
      expect(sentence).not.toContain(hidden);
    }
    expect(sentence.length).toBeLessThan(500);
  });

  test("that are endless are not read to their end", async () => {
    let pulled = 0;
    const body = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(16 * 1024).fill(0x78));
        },
      });
    const server = serve(calls(() => new Response(body(), { status: 500 })));
    const upstream = await connect(server);
    expect((await lossOf(callTool(upstream, "any"))).sentence).toContain("500");
    expect(pulled).toBeLessThan(1000);
  });
});

describe("the session", () => {
  test.each([
    [404, "Session not found"],
    [404, ""],
    [400, "Bad Request: No valid session ID provided"],
  ])("is over at %d %p: the connection too, so that it is made anew", async (status, said) => {
    const held = openStream();
    const server = serve(
      calls((heard) => (heard.body.includes("waits") ? held.response : new Response(said, { status }))),
    );
    const upstream = await connect(server);
    const waiting = callTool(upstream, "waits");
    await until("it waits", () => server.received.some(({ body }) => body.includes("waits")));
    const loss = await lossOf(callTool(upstream, "any"));
    expect(loss.sentence).toContain("no longer knows this session");
    expect((await within("closed", upstream.closed)).message).toBe(loss.sentence);
    expect((await lossOf(waiting)).sentence).toBe(loss.sentence);
    const asked = server.received.length;
    expect((await lossOf(callTool(upstream, "late"))).sentence).toBe(loss.sentence);
    await upstream.close();
    expect(server.received.length).toBe(asked);
  });

  test("is not over at 400 for another reason", async () => {
    const server = serve(calls(() => new Response("bad arguments", { status: 400 })));
    const upstream = await connect(server);
    expect((await lossOf(callTool(upstream, "any"))).sentence).toContain("bad arguments");
    expect(await resultOf(request(upstream, "ping", undefined))).toBe('{"polite":true}');
  });

  test("is ended by close, once, and its absence is no trouble", async () => {
    const server = serve(({ method }) =>
      method === "DELETE" ? new Response("no", { status: 405 }) : undefined,
    );
    const upstream = await connect(server);
    await Promise.all([upstream.close(), upstream.close()]);
    expect(server.received.filter(({ method }) => method === "DELETE")).toHaveLength(1);
  });

  test("does not hold close up when the server does not answer", async () => {
    const never = Promise.withResolvers<Response>();
    const server = serve(({ method }) => (method === "DELETE" ? never.promise : undefined));
    const upstream = await connect(server);
    await within("closed", upstream.close());
    never.resolve(new Response());
  });

  test("with an id that cannot be sent back is not begun", async () => {
    const headers = { "mcp-session-id": "two words" };
    const server = serve(({ rpc, id }) =>
      rpc === "initialize" ? json(answer(id, JSON.stringify(HELLO)), headers) : undefined,
    );
    expect((await failure(connect(server))).message).toContain("session id");
  });
});

describe("a server that is not there", () => {
  test("is named with host and port", async () => {
    const server = serve();
    await server.stop();
    const error = await failure(connect(server));
    expect(error.message).toContain(`Cannot connect to ${server.where}: nothing listens there`);
  });

  test("is named by its host where the name is unknown, and nothing else of the URL is", async () => {
    const error = await failure(
      connect({ url: "https://user:word@no-such-host.invalid/private/path?key=secret" }),
    );
    expect(error.message).toContain("Cannot connect to no-such-host.invalid:443: ");
    expect(Bun.inspect(error)).not.toMatch(/user:|word|private|secret/);
  });

  test("is named without the rest of its URL when it hangs up", async () => {
    const server = serve(calls(() => openStream().response));
    const upstream = await connect(server, { spec: { url: `${server.url}?key=secret`, headers: {} } });
    const loss = Promise.withResolvers<AppError>();
    const silent = {
      result: () => undefined,
      error: () => undefined,
      progress: () => undefined,
      lost: loss.resolve,
    };
    upstream.begin(
      { method: "tools/call", params: undefined, progressToken: undefined, timeoutMs: 60_000 },
      silent,
    );
    await until("the call is there", () => server.received.some(({ rpc }) => rpc === "tools/call"));
    await server.stop();
    expect(Bun.inspect(await loss.promise)).not.toMatch(/key|secret/);
  });

  test("is told from one that speaks no TLS, no HTTP, no MCP, or hangs up", async () => {
    const server = serve();
    const secure = await failure(connect({ url: server.url.replace("http:", "https:") }));
    expect(secure.message).toContain("TLS");

    const replies = [
      "SSH-2.0-OpenSSH_9.2\r\n",
      "",
      "HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n{",
    ];
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket) {
          socket.write(replies.shift() ?? "");
          socket.end();
        },
      },
    });
    const url = `http://127.0.0.1:${listener.port}/mcp`;
    expect((await failure(connect({ url }))).message).toContain("did not answer in HTTP");
    expect((await failure(connect({ url }))).message).toContain("closed the connection");
    expect((await failure(connect({ url }))).message).toContain("closed the connection");
    listener.stop(true);

    const website = serve(() => new Response("<html>", { headers: { "content-type": "text/html" } }));
    expect((await failure(connect(website))).message).toContain("without a message");
  });

  test("any more ends the connection, and one in its place is found after a reconnect", async () => {
    const first = serve();
    const upstream = await connect(first);
    await first.stop();
    const loss = await lossOf(callTool(upstream, "any"));
    expect(loss.sentence).toContain(first.where);
    // Bun may find out with the first call or with the second, when it has no connection left to try.
    await lossOf(callTool(upstream, "again"));
    expect((await within("closed", upstream.closed)).message).toContain("nothing listens there");
    const second = serve(undefined, first.port);
    expect(await resultOf(callTool(await connect(second), "any"))).toBe('{"polite":true}');
  });

  test("is not waited for beyond the deadline, nor after the start was called off", async () => {
    const never = Promise.withResolvers<Response>();
    const server = serve(({ rpc }) => (rpc === "notifications/initialized" ? never.promise : undefined));
    const late = await failure(connect(server, { startTimeoutMs: 200 }));
    expect(late.message).toContain("within 0.2 s");
    const calledOff = new AbortController();
    const connecting = failure(connect(server, {}, undefined, calledOff.signal));
    await until("it is under way", () => server.open.now > 0);
    calledOff.abort();
    expect((await connecting).message).toContain("called off");
    expect(server.received.some(({ rpc }) => rpc === "notifications/cancelled")).toBe(false);
    never.resolve(new Response());
  });
});

describe("redirects", () => {
  test.each([301, 302, 307, 308])(
    "with status %d are followed within the origin, with method and body",
    async (status) => {
      const server = serve(({ path, rpc }) =>
        path === "/mcp" && rpc !== undefined
          ? new Response("moved", { status, headers: { location: "/mcp/" } })
          : undefined,
      );
      const upstream = await connect(server);
      expect(await resultOf(callTool(upstream, "any"))).toBe('{"polite":true}');
      const posts = server.received.filter(({ rpc }) => rpc !== undefined);
      expect(posts.map(({ path, rpc }) => `${path} ${rpc}`)).toEqual([
        "/mcp initialize",
        "/mcp/ initialize",
        "/mcp/ notifications/initialized",
        "/mcp/ tools/call",
      ]);
    },
  );

  test("to another origin are not followed: nothing is sent there", async () => {
    const elsewhere = serve();
    const server = serve(
      () => new Response(null, { status: 307, headers: { location: `${elsewhere.url}?a=b` } }),
    );
    const spec = { url: server.url, headers: { Authorization: "Bearer secret-token" } };
    const error = await failure(connect(server, { spec }));
    expect(error.message).toContain(`redirects to http://${elsewhere.where},`);
    expect(elsewhere.received).toEqual([]);
    expect(server.received).toHaveLength(1);
  });

  test.each([
    ["in circles", "/mcp", "more than 3 times", 4],
    ["nowhere", undefined, "nowhere", 1],
    ["to what is no URL", "http://[", "nowhere", 1],
  ])("%s end", async (_about, location, said, requests) => {
    const server = serve(
      () => new Response(null, { status: 308, headers: location === undefined ? {} : { location } }),
    );
    expect((await failure(connect(server))).message).toContain(said);
    expect(server.received).toHaveLength(requests);
  });
});

describe("the stream of a call", () => {
  test("carries progress, notifications and requests beside the answer", async () => {
    const heard: string[] = [];
    const server = serve(
      calls(({ id }) =>
        stream(
          event(
            `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${id},"progress":1}}`,
          ) +
            event('{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1.0}}') +
            event('{"jsonrpc":"2.0","id":"theirs","method":"ping"}') +
            event(`{"jsonrpc":"2.0","id":${id},"method":"sampling/createMessage"}`) +
            event(answer(id, "{}")),
        ),
      ),
    );
    const upstream = await connect(
      server,
      {},
      {
        notification: (method, params) => heard.push(`${method} ${Buffer.from(params ?? []).toString()}`),
      },
    );
    const call = callTool(upstream, "any", {}, { token: '"mine"' });
    expect(await resultOf(call)).toBe("{}");
    expect(call.heard).toEqual(["progress", "result"]);
    expect(heard).toEqual(['notifications/message {"data":1.0}']);
    const replies = () =>
      server.received.filter(
        ({ method, rpc, body }) => method === "POST" && rpc === undefined && body !== "",
      );
    await until("both requests are answered", () => replies().length === 2);
    const byId = replies()
      .map(({ body }) => JSON.parse(body))
      .toSorted((a) => (a.id === "theirs" ? -1 : 1));
    expect(byId).toMatchObject([
      { jsonrpc: "2.0", id: "theirs", result: {} },
      { jsonrpc: "2.0", error: { code: -32601 } },
    ]);
  });

  test("goes on after it broke off, from the last event", async () => {
    const resumed: (string | null)[] = [];
    let callId: number | undefined;
    const server = serve(({ method, rpc, id, headers }) => {
      if (rpc === "tools/call") {
        callId = id;
        return stream("id: first\nretry: 100\ndata:\n\n");
      }
      if (method !== "GET" || callId === undefined) return undefined;
      resumed.push(headers.get("last-event-id"));
      if (resumed.length === 1) {
        const token = `{"progressToken":${callId},"progress":1}`;
        return stream(
          event(`{"jsonrpc":"2.0","method":"notifications/progress","params":${token}}`, "id: second\n"),
        );
      }
      return stream(event(answer(callId, '{"resumed":true}')));
    });
    const upstream = await connect(server);
    const call = callTool(upstream, "any", {}, { token: "1" });
    expect(await resultOf(call)).toBe('{"resumed":true}');
    expect(call.heard).toEqual(["progress", "result"]);
    expect(resumed).toEqual(["first", "second"]);
  });

  test("is given up where going on brings nothing", async () => {
    let gets = 0;
    const server = serve(({ method, rpc }) => {
      if (rpc === "tools/call") return stream("id: 1\nretry: 0\ndata:\n\n");
      if (method !== "GET" || !server.received.some((earlier) => earlier.rpc === "tools/call"))
        return undefined;
      gets++;
      return stream("");
    });
    const upstream = await connect(server);
    expect((await lossOf(callTool(upstream, "any"))).sentence).toContain("ended its stream");
    expect(gets).toBe(4);
  });

  test("that breaks without an event id loses its call alone", async () => {
    const broken = openStream();
    const server = serve(calls(() => broken.response));
    const upstream = await connect(server);
    const call = callTool(upstream, "any");
    broken.send(": hi\n\n");
    await until("the call is there", () => server.received.some(({ rpc }) => rpc === "tools/call"));
    broken.broken();
    expect((await lossOf(call)).sentence).toContain(server.where);
    expect(await resultOf(request(upstream, "ping", undefined))).toBe('{"polite":true}');
  });
});

describe("the listening stream", () => {
  const notice = (n: number): string =>
    event(`{"jsonrpc":"2.0","method":"notifications/n${n}"}`, `id: ${n}\nretry: 100\n`);

  test("is opened again when it ends or breaks, from the last event", async () => {
    const heard: string[] = [];
    const streams = [openStream(), openStream(), openStream()];
    const asked: (string | null)[] = [];
    const server = serve(({ method, headers }) => {
      if (method !== "GET") return undefined;
      asked.push(headers.get("last-event-id"));
      return streams[asked.length - 1]?.response;
    });
    await connect(server, {}, { notification: (method) => heard.push(method) });
    streams[0]?.send(notice(1));
    await until("the first is heard", () => heard.length === 1);
    streams[0]?.end();
    await until("it is opened again", () => asked.length === 2);
    streams[1]?.send(notice(2));
    await until("the second is heard", () => heard.length === 2);
    streams[1]?.broken();
    await until("it is opened once more", () => asked.length === 3);
    streams[2]?.send(notice(3));
    await until("the third is heard", () => heard.length === 3);
    expect(heard).toEqual(["notifications/n1", "notifications/n2", "notifications/n3"]);
    expect(asked).toEqual([null, "1", "2"]);
  });

  test.each([405, 404, 400, 401])("is done without where the server answers %d", async (status) => {
    const server = serve(({ method }) => (method === "GET" ? new Response("no", { status }) : undefined));
    const upstream = await connect(server);
    await until("it was asked for", () => server.received.some(({ method }) => method === "GET"));
    expect(await resultOf(callTool(upstream, "any"))).toBe('{"polite":true}');
    await upstream.close();
    expect(server.received.filter(({ method }) => method === "GET")).toHaveLength(1);
  });

  test("tells that the session is over, once it was there", async () => {
    const first = openStream();
    let gets = 0;
    const server = serve(({ method }) => {
      if (method !== "GET") return undefined;
      return ++gets === 1 ? first.response : new Response("gone", { status: 404 });
    });
    const upstream = await connect(server);
    first.send("retry: 100\n\n");
    await until("it is open", () => gets === 1);
    first.end();
    expect((await within("closed", upstream.closed)).message).toContain("no longer knows this session");
  });

  test("ends with the connection", async () => {
    let gone = false;
    const server = serve(({ method, signal }) => {
      if (method !== "GET") return undefined;
      signal.addEventListener("abort", () => (gone = true));
      const { response, send } = openStream();
      send(": hello\n\n");
      return response;
    });
    const upstream = await connect(server);
    await until("it is open", () => server.received.some(({ method }) => method === "GET"));
    await upstream.close();
    await until("it is let go", () => gone);
  });
});

describe("bounds", () => {
  test("64 calls at once; the others wait their turn, and can be called off there", async () => {
    const all = Promise.withResolvers<undefined>();
    const server = serve(
      calls(async () => {
        await all.promise;
        return undefined;
      }),
    );
    const upstream = await connect(server);
    const first = Array.from({ length: 100 }, () => callTool(upstream, "any"));
    const never = callTool(upstream, "never");
    await until("the first are there", () => server.open.now === 64);
    never.cancel("not needed");
    expect(upstream.inFlight).toBe(100);
    all.resolve(undefined);
    expect(new Set(await Promise.all(first.map(resultOf)))).toEqual(new Set(['{"polite":true}']));
    expect(server.open.most).toBeLessThanOrEqual(65);
    expect(never.heard).toEqual([]);
    expect(server.received.some(({ body }) => body.includes('"never"'))).toBe(false);
    expect(server.received.some(({ rpc }) => rpc === "notifications/cancelled")).toBe(false);
  });

  test("256 answers to a server that asks without end, 16 at once; calls go on", async () => {
    const held = Promise.withResolvers<undefined>();
    const pings = Array.from({ length: 1000 }, (_, n) =>
      event(`{"jsonrpc":"2.0","id":"p${n}","method":"ping"}`),
    ).join("");
    const isReply = ({ method, rpc, body }: Received): boolean =>
      method === "POST" && rpc === undefined && body !== "";
    const server = serve(async (heard) => {
      if (heard.rpc === "tools/call") return stream(pings + event(answer(heard.id, "{}")));
      if (isReply(heard)) await held.promise;
      return undefined;
    });
    const upstream = await connect(server);
    expect(await resultOf(callTool(upstream, "any"))).toBe("{}");
    await until("answers are under way", () => server.open.now === 16);
    expect(await resultOf(request(upstream, "ping", undefined))).toBe('{"polite":true}');
    expect(server.received.filter(isReply)).toHaveLength(16);
    held.resolve(undefined);
    await until("all that were kept are sent", () => server.received.filter(isReply).length === 256);
    // A further message comes after what was kept: nothing of the rest was.
    upstream.notify("notifications/last", undefined);
    await until("the last comes", () => server.received.some(({ rpc }) => rpc === "notifications/last"));
    expect(server.received.filter(isReply)).toHaveLength(256);
  });
});

function gzipped(text: string): Response {
  const headers = { "content-type": "application/json", "content-encoding": "gzip" };
  return new Response(Bun.gzipSync(text), { headers });
}

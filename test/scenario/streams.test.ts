// Event streams: progress on the request's own, changes of lists on the session's, and clients that do not read.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until, within } from "../e2e/wait.ts";
import { Agent, call, type Headers, type Message, modernCall, modernHeaders, request } from "./agent.ts";
import { type Crib, OBEDIENT, openCrib, sawOnStderr } from "./appliance.ts";
import { readEvents } from "./events.ts";
import { open } from "./raw-http.ts";

const MIB = 1_048_576;

let crib: Crib;
let token = "";
let agent: Agent;
let session: Headers = {};

beforeAll(async () => {
  crib = await openCrib();
  await crib.add("obedient", OBEDIENT);
  await crib.add("still", OBEDIENT);
  token = await crib.token("all");
  agent = new Agent(crib.url, token);
  session = await agent.open();
});
afterAll(() => crib.stop());

const progress = (token_: unknown, count = 3, bytes = 0): string =>
  call("obedient__progress", { count, bytes }, 1, { progressToken: token_ });

describe("progress", () => {
  test.each(["text", 'é "x"', "", 7, -1, 1.5, 9_007_199_254_740_991])(
    "with token %p comes on the stream of the request, before its answer",
    async (given) => {
      const answer = await agent.post(progress(given), session);
      expect(answer.headers.get("content-type")).toBe("text/event-stream");
      expect(answer.headers.get("cache-control")).toBe("no-cache");
      expect(answer.headers.get("x-accel-buffering")).toBe("no");
      expect(answer.messages.map(({ method }) => method ?? "answer")).toEqual([
        "notifications/progress",
        "notifications/progress",
        "notifications/progress",
        "answer",
      ]);
      expect(answer.messages.slice(0, 3).map(({ params }) => params)).toEqual(
        [1, 2, 3].map((step) => ({ progressToken: given, progress: step, message: "" })),
      );
      // In the server's own digits.
      expect(answer.text).toContain('"progress":1.0,');
      expect(answer.messages[3]).toMatchObject({ id: 1, result: { content: [{ text: "progressed" }] } });
    },
  );

  test("that nobody asked for, or that cannot be read, leaves plain JSON", async () => {
    const silent = await agent.post(call("obedient__progress", { count: 3 }), session);
    expect(silent.headers.get("content-type")).toBe("application/json");
    const blind = await agent.post(progress("t"), { ...session, accept: "application/json" });
    expect(blind.headers.get("content-type")).toBe("application/json");
    for (const answer of [silent, blind]) expect(answer.messages).toMatchObject([{ id: 1, result: {} }]);
  });

  test("of two calls with one token, each on its own stream", async () => {
    const [first, second] = await Promise.all([
      agent.post(call("obedient__progress", { count: 5 }, "a", { progressToken: "same" }), session),
      agent.post(call("obedient__progress", { count: 2 }, "b", { progressToken: "same" }), session),
    ]);
    expect([first.messages.length, second.messages.length]).toEqual([6, 3]);
    expect([first.messages.at(-1)?.id, second.messages.at(-1)?.id]).toEqual(["a", "b"]);
  });

  test("of a modern request too, stamped at the end", async () => {
    const body = modernCall("obedient__progress", { count: 2 }, 1, { progressToken: "m" });
    const answer = await agent.post(body, modernHeaders("tools/call", "obedient__progress"));
    expect(answer.messages.map(({ params }) => params?.["progressToken"])).toEqual(["m", "m", undefined]);
    expect(answer.messages[2]?.result).toMatchObject({ resultType: "complete" });
    expect(answer.headers.get("mcp-session-id")).toBeNull();
  });
});

/** The stream of a session, and the next message on it. */
async function listen(
  headers: Headers,
  by = agent,
): Promise<{
  response: Response;
  next(): Promise<Message>;
  end(): Promise<void>;
  isOver(): Promise<boolean>;
}> {
  const response = await fetch(by.endpoint, {
    headers: by.headers({ ...headers, accept: "text/event-stream" }),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = readEvents(response);
  return {
    response,
    async next() {
      const event = await within("an event", events.next());
      if (event === undefined) throw new Error("the stream ended");
      return JSON.parse(event);
    },
    isOver: async () => (await within("the end", events.next())) === undefined,
    end: () => events.cancel(),
  };
}

describe("the stream of a session", () => {
  test("opens at once and tells of changed lists, on the endpoints that show them", async () => {
    const own = new Agent(crib.url, token, "/mcp/-/server/obedient");
    const others = new Agent(crib.url, token, "/mcp/-/server/still");
    const [ownSession, othersSession] = [await own.open(), await others.open()];
    const streams = [
      await listen(session),
      await listen(ownSession, own),
      await listen(othersSession, others),
    ];
    expect(streams[0]?.response.headers.get("mcp-session-id")).toBe(session["mcp-session-id"] ?? "");

    await agent.post(call("obedient__grow"), session);
    for (const stream of streams.slice(0, 2)) {
      expect(await stream.next()).toEqual({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
    }
    const list = await agent.post(request("tools/list"), session);
    expect(list.text).toContain("obedient__added_0");

    // The third heard nothing of it: what comes first on it is the end.
    const ended = await fetch(others.endpoint, { method: "DELETE", headers: others.headers(othersSession) });
    expect(ended.status).toBe(200);
    expect(await streams[2]?.isOver()).toBe(true);
    await Promise.all(streams.slice(0, 2).map((stream) => stream.end()));
  });

  test("is replaced by a second GET", async () => {
    const fresh = await agent.open();
    const first = await listen(fresh);
    const second = await listen(fresh);
    expect(await first.isOver()).toBe(true);
    await agent.post(call("obedient__grow"), session);
    expect((await second.next()).method).toBe("notifications/tools/list_changed");
    await second.end();
  });

  test("ends with the token", async () => {
    const brief = new Agent(crib.url, await crib.token("brief"));
    const stream = await listen(await brief.open(), brief);
    await crib.admin("DELETE", "/tokens/brief");
    expect(await stream.isOver()).toBe(true);
  });

  test("can come back after the client lost it", async () => {
    const fresh = await agent.open();
    for (let round = 0; round < 3; round++) {
      const stream = await listen(fresh);
      await stream.end();
    }
    const last = await listen(fresh);
    await agent.post(call("obedient__grow"), session);
    expect((await last.next()).method).toBe("notifications/tools/list_changed");
    await last.end();
  });
});

describe("a client that does not read", () => {
  test("costs a bounded amount of memory, and its call comes to an end", async () => {
    const body = call("obedient__progress", { count: 40_000, bytes: 4_000 }, 1, { progressToken: "flood" });
    const socket = await open(crib.port);
    socket.pause();
    const headers = Object.entries(agent.headers(session)).map(([name, value]) => `${name}: ${value}`);
    const [calls, before] = [await callsOf("obedient"), process.memoryUsage.rss()];
    socket.write(
      [
        "POST /mcp HTTP/1.1",
        `Host: 127.0.0.1:${crib.port}`,
        ...headers,
        `Content-Length: ${body.length}`,
        "",
        body,
      ].join("\r\n"),
    );
    // It is counted when the server has answered: all 160 MB have passed by then.
    await until("the call is over", async () => (await callsOf("obedient")) > calls, 15_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB);
    socket.destroy();
    expect((await agent.post(request("ping"), session)).status).toBe(200);
  }, 20_000);
});

/** Calls of tools that came to a good end. */
async function callsOf(server: string): Promise<number> {
  const metrics = await (await fetch(`${crib.url}/metrics`)).text();
  const line = `toolcrib_calls_total{server="${server}",method="tools/call",outcome="ok"} `;
  return Number(
    metrics
      .split("\n")
      .find((each) => each.startsWith(line))
      ?.slice(line.length) ?? 0,
  );
}

async function inFlight(): Promise<number> {
  const view: { inFlight: number } = JSON.parse(await (await crib.admin("GET", "/servers/obedient")).text());
  return view.inFlight;
}

describe("who goes away in the middle of a call", () => {
  test("in the modern era cancels it at the server", async () => {
    const abort = new AbortController();
    const body = modernCall("obedient__hold", {}, 1, { progressToken: "p" });
    const pending = agent
      .raw(body, modernHeaders("tools/call", "obedient__hold"), abort.signal)
      .catch(() => undefined);
    await sawOnStderr(crib, "obedient", "holding 1");
    abort.abort();
    await pending;
    await sawOnStderr(crib, "obedient", "cancelled");
    const told = await agent.post(call("obedient__cancelled"), session);
    expect(told.text).toContain("the client closed the connection");
    await agent.post(call("obedient__release"), session);
    expect(await inFlight()).toBe(0);
  });

  test("in the legacy era does not: a lost connection is no cancellation", async () => {
    const abort = new AbortController();
    const pending = agent.raw(call("still__hold"), session, abort.signal).catch(() => undefined);
    await sawOnStderr(crib, "still", "holding 1");
    abort.abort();
    await pending;
    await agent.post(call("still__release"), session);
    expect((await agent.post(call("still__cancelled"), session)).messages[0]?.result).toMatchObject({
      content: [{ text: "" }],
    });
  });
});

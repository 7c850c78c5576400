// One forwarded call: its outcome, its progress, its end before, while and after the server is there.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { createBus, type Events } from "../../src/events.ts";
import { Forwarder } from "../../src/gateway/forward.ts";
import type { View } from "../../src/gateway/view.ts";
import type { RefusedAttempt } from "../../src/model/cage-report.ts";
import type { PendingCall, Range } from "../../src/upstream/upstream.ts";
import {
  ASKER,
  bytes,
  catalogOf,
  fakeServers,
  type FakeServers,
  recordingReply,
  type RecordingReply,
} from "./lab.ts";
import { turns } from "../upstream/scripted-connector.ts";

interface Forwarded {
  readonly call: PendingCall;
  readonly reply: RecordingReply;
  readonly servers: FakeServers;
  readonly finished: readonly Events["call.finished"][];
  readonly settled: { times: number };
}

interface Options {
  /** Of the server: what the tool says of itself. */
  readonly annotations?: string;
  readonly ready?: boolean;
  readonly method?: string;
  readonly params?: string;
  readonly token?: string;
}

function forward({
  annotations,
  ready = true,
  method = "tools/call",
  params = '{"name":"t"}',
  token,
}: Options = {}): Forwarded {
  const servers = fakeServers(ready ? ["slow"] : []);
  const bus = createBus();
  const finished: Events["call.finished"][] = [];
  bus.on("call.finished", (event) => finished.push(event));
  const reply = recordingReply();
  const settled = { times: 0 };
  const start = token === undefined ? -1 : Buffer.from(params).indexOf(token);
  const progressToken: Range | undefined =
    token === undefined ? undefined : { start, end: start + Buffer.byteLength(token) };
  const call = new Forwarder(servers, bus).forward({
    server: "slow",
    asker: ASKER,
    method,
    params: bytes(params),
    progressToken,
    reply,
    ...(annotations === undefined ? {} : { view: viewOf(annotations), name: "slow__t" }),
    onSettled: () => settled.times++,
  });
  return { call, reply, servers, finished, settled };
}

/** The merged view of one server with one tool. */
function viewOf(annotations: string): View {
  const tools = `[{"name":"other","annotations":{"readOnlyHint":true}},{"name":"t","annotations":${annotations}}]`;
  const view = catalogOf({ slow: { tools } }).view({ kind: "merged", servers: undefined });
  if (view === undefined) throw new Error("no view");
  return view;
}

const only = <T>(items: readonly T[]): T => {
  const [first] = items;
  if (first === undefined || items.length !== 1) throw new Error(`${items.length} items`);
  return first;
};

describe("an outcome", () => {
  test("is handed on as bytes, with its bill", () => {
    const { servers, reply, finished, settled } = forward();
    const { sink, method, params, timeoutMs } = only(servers.reached);
    expect([method, params, timeoutMs]).toEqual(["tools/call", '{"name":"t"}', 99_000]);
    sink.result(bytes('{"big":9007199254740993,"x":1.0}'));
    expect(reply.resultText).toBe('{"big":9007199254740993,"x":1.0}');
    expect(settled.times).toBe(1);
    expect(only(finished)).toMatchObject({
      server: "slow",
      method: "tools/call",
      outcome: "ok",
      requestBytes: 12,
      resultBytes: 32,
    });
    expect(only(finished).durationMs).toBeGreaterThanOrEqual(0);
  });

  test.each([
    ["tools/call", '{"isError":true,"content":[]}', "tool-error"],
    ["tools/call", '{"content":[],"isError":false}', "ok"],
    ["tools/call", String.raw`{"content":[{"type":"text","text":"\"isError\":true"}]}`, "ok"],
    ["tools/call", '{"content":[],"isError" : true}', "tool-error"],
    ["tools/call", '{"structuredContent":{"isError":true},"content":[]}', "ok"],
    ["prompts/get", '{"isError":true}', "ok"],
  ] as const)("of %s with %s counts as %s", (method, result, outcome) => {
    const { servers, reply, finished } = forward({ method });
    only(servers.reached).sink.result(bytes(result));
    expect(reply.resultText).toBe(result);
    expect(only(finished).outcome).toBe(outcome);
  });

  test("that is the server's error is handed on as bytes", () => {
    const { servers, reply, finished } = forward();
    only(servers.reached).sink.error(bytes('{"code":-32042,"message":"no","data":{"x":1.0}}'));
    expect(reply.said).toEqual([
      { kind: "serverError", text: '{"code":-32042,"message":"no","data":{"x":1.0}}' },
    ]);
    expect(only(finished)).toMatchObject({ outcome: "error" });
  });

  test("that is none says what happened, to whom, and in words for machines", () => {
    const { servers, reply, finished } = forward();
    const error = new AppError("server-timeout", "too slow", { details: { timeoutMs: 5 } });
    only(servers.reached).sink.lost(error);
    expect(reply.refusal).toEqual({
      code: 5040,
      message:
        "slow: too slow. The call may have been carried out and was not repeated: find out before you make it again.",
      data: { server: "slow", code: "server-timeout", retry: "unknown", timeoutMs: 5 },
    });
    expect(only(finished)).toMatchObject({ outcome: "lost", resultBytes: 0 });
  });

  test("counts once: nothing is said after it", () => {
    const { servers, reply, finished, settled, call } = forward({ token: '"t"' });
    const { sink } = only(servers.reached);
    sink.result(bytes("{}"));
    sink.result(bytes("[]"));
    sink.error(bytes("{}"));
    sink.lost(new AppError("server-lost", "gone"));
    sink.progress(bytes('{"progressToken":1}'), { start: 17, end: 18 });
    call.cancel("late");
    expect(reply.said).toEqual([{ kind: "result", text: "{}" }]);
    expect([finished.length, settled.times]).toEqual([1, 1]);
    expect(only(servers.reached).cancelled).toEqual([]);
  });
});

describe("a call whose answer is lost", () => {
  const lost = new AppError("server-lost", "The server was ended by SIGKILL");
  const rows: readonly (readonly [string, Options, "safe" | "unknown"])[] = [
    ["a tool that only reads", { annotations: '{"readOnlyHint":true}' }, "safe"],
    ["a tool that may be repeated", { annotations: '{ "idempotentHint" : true }' }, "safe"],
    ["also where it destroys", { annotations: '{"idempotentHint":true,"destructiveHint":true}' }, "safe"],
    ["a tool that destroys", { annotations: '{"destructiveHint":true}' }, "unknown"],
    ["a tool that says that it does not only read", { annotations: '{"readOnlyHint":false}' }, "unknown"],
    ["a hint that is no boolean", { annotations: '{"readOnlyHint":"true"}' }, "unknown"],
    ["hints that are none", { annotations: '"readOnlyHint"' }, "unknown"],
    ["a tool that says nothing", { annotations: "{}" }, "unknown"],
    ["a tool of a server that was never read", {}, "unknown"],
    ["a prompt", { method: "prompts/get" }, "safe"],
    ["a resource", { method: "resources/read" }, "safe"],
    ["a method that nobody knows", { method: "vendor/do" }, "unknown"],
  ];
  test.each(rows)("of %s says whether it may be made again", (_about, options, retry) => {
    const { servers, reply } = forward(options);
    only(servers.reached).sink.lost(lost);
    expect(reply.refusal.data).toEqual({ server: "slow", code: "server-lost", retry });
    expect(reply.refusal.message).toBe(
      retry === "safe"
        ? "slow: The server was ended by SIGKILL. The call may be made again."
        : "slow: The server was ended by SIGKILL. The call may have been carried out and was not repeated: " +
            "find out before you make it again.",
    );
  });

  test("that never reached the server may, and only the reason is told", async () => {
    const { servers, reply } = forward({ ready: false, annotations: '{"destructiveHint":true}' });
    servers.failed("slow", new AppError("start-failed", "no key"));
    await turns();
    expect(servers.reached).toEqual([]);
    expect(reply.refusal).toMatchObject({ message: "slow: no key", data: { retry: "safe" } });
  });

  test("because the server does not read it may, too", () => {
    const { servers, reply } = forward({ annotations: '{"destructiveHint":true}' });
    only(servers.reached).sink.lost(new AppError("server-busy", "it is busy."));
    expect(reply.refusal).toMatchObject({
      message: "slow: it is busy. The call may be made again.",
      data: { retry: "safe" },
    });
  });

  test("is never sent a second time, whatever its tool says", async () => {
    for (const annotations of ['{"readOnlyHint":true}', "{}"]) {
      const { servers, reply, finished } = forward({ annotations });
      only(servers.reached).sink.lost(lost);
      await turns();
      servers.started("slow");
      await turns();
      expect(servers.reached).toHaveLength(1);
      expect([reply.said.length, finished.length]).toEqual([1, 1]);
    }
  });
});

describe("what the cage refused during a tool call", () => {
  const attempt = (what: string, more: Partial<RefusedAttempt> = {}): RefusedAttempt => ({
    at: Date.now() + 1,
    what,
    reason: "not on its list",
    count: 1,
    grant: what,
    ...more,
  });
  const HINT =
    "The cage refused api.example.com:443 (not on its list); " +
    "an administrator allows it with: toolcrib allow slow api.example.com:443";
  const block = (text: string): string => `{"type":"text","text":${JSON.stringify(text)}}`;

  const results: readonly (readonly [string, string])[] = [
    [
      '{ "content" : [ {"type":"text","text":"1.0"} ] ,"isError": true,"x":9007199254740993}',
      `{ "content" : [ {"type":"text","text":"1.0"} ,${block(HINT)}] ,"isError": true,"x":9007199254740993}`,
    ],
    ['{"isError":true,"content":[ ]}', `{"isError":true,"content":[ ${block(HINT)}]}`],
    ['{"isError":true}', '{"isError":true}'],
    ['{"isError":true,"content":"no list"}', '{"isError":true,"content":"no list"}'],
    ['{"content":[],"isError":false}', '{"content":[],"isError":false}'],
    [
      '{"structuredContent":{"isError":true},"content":[]}',
      '{"structuredContent":{"isError":true},"content":[]}',
    ],
    ['{"content":[]}', '{"content":[]}'],
  ];
  test.each(results)(
    "stands at the end of a failed result, which is untouched otherwise: %s",
    (sent, got) => {
      const { servers, reply } = forward();
      servers.refused.push(attempt("api.example.com:443"));
      only(servers.reached).sink.result(bytes(sent));
      expect(reply.resultText).toBe(got);
    },
  );

  test("stands at the end of the server's own error", () => {
    const { servers, reply } = forward();
    servers.refused.push(attempt("api.example.com:443"));
    only(servers.reached).sink.error(bytes(String.raw`{"code":-1,"message":"fetch \"failed\"","data":1.0}`));
    const [said] = reply.said;
    expect(said).toEqual({
      kind: "serverError",
      text: String.raw`{"code":-1,"message":"fetch \"failed\"` + ` ${HINT}","data":1.0}`,
    });
  });

  test("stands at the end of the sentence of a lost call, and of one that never started", async () => {
    const running = forward();
    running.servers.refused.push(attempt("api.example.com:443"));
    only(running.servers.reached).sink.lost(new AppError("server-lost", "gone"));
    expect(running.reply.refusal.message).toEndWith(`make it again. ${HINT}`);

    const starting = forward({ ready: false });
    starting.servers.refused.push(attempt("api.example.com:443"));
    starting.servers.failed("slow", new AppError("start-failed", "no update server"));
    await turns();
    expect(starting.reply.refusal.message).toBe(`slow: no update server. ${HINT}`);
  });

  test("names three at most, and quotes nothing that acts", () => {
    const { servers, reply } = forward();
    servers.refused.push(
      ...["a:1", "b:1", "c:1"].map((what) => attempt(what)),
      attempt("\u001b[31m evil\n", { grant: undefined }),
      attempt("/srv/it's here"),
    );
    only(servers.reached).sink.result(bytes('{"isError":true,"content":[]}'));
    const { content }: { content: { text: string }[] } = JSON.parse(reply.resultText);
    expect(content[0]?.text.split("\n")).toEqual([
      expect.stringContaining("toolcrib allow slow c:1"),
      String.raw`The cage refused \e[31m evil\n (not on its list).`,
      String.raw`The cage refused /srv/it's here (not on its list); an administrator allows it with: toolcrib allow slow '/srv/it'\''s here'`,
      "It refused 2 more: toolcrib cage slow lists them.",
    ]);
  });

  test("before it is not told, nor with any other method", () => {
    const before = forward();
    before.servers.refused.push(attempt("api.example.com:443", { at: Date.now() - 60_000 }));
    only(before.servers.reached).sink.result(bytes('{"isError":true,"content":[]}'));
    expect(before.reply.resultText).toBe('{"isError":true,"content":[]}');

    const other = forward({ method: "resources/read" });
    other.servers.refused.push(attempt("api.example.com:443"));
    only(other.servers.reached).sink.error(bytes('{"code":1,"message":"no"}'));
    expect(other.reply.said).toEqual([{ kind: "serverError", text: '{"code":1,"message":"no"}' }]);
  });
});

describe("progress", () => {
  const params = '{"_meta":{"progressToken":"my é"}}';
  test("carries the agent's own token, and all else as it came", () => {
    const { servers, reply } = forward({ params, token: '"my é"' });
    const { sink, token } = only(servers.reached);
    expect(token).toBe('"my é"');
    const raw = '{"progress":0.50,"progressToken":17,"total":9007199254740993,"message":"é"}';
    const start = raw.indexOf("17");
    sink.progress(bytes(raw), { start, end: start + 2 });
    expect(reply.said).toEqual([
      {
        kind: "notify",
        method: "notifications/progress",
        params: '{"progress":0.50,"progressToken":"my é","total":9007199254740993,"message":"é"}',
      },
    ]);
  });

  test("that nobody asked for is not told", () => {
    const { servers, reply } = forward();
    only(servers.reached).sink.progress(bytes('{"progressToken":1}'), { start: 17, end: 18 });
    expect(reply.said).toEqual([]);
  });
});

describe("a server that has to be started", () => {
  test("gets the request when it is there", async () => {
    const { servers, reply } = forward({ ready: false });
    await turns();
    expect([servers.reached, reply.said]).toEqual([[], []]);
    servers.started("slow");
    await turns();
    only(servers.reached).sink.result(bytes("{}"));
    expect(reply.resultText).toBe("{}");
  });

  test("and does not start answers with the reason", async () => {
    const { servers, reply, finished } = forward({ ready: false });
    servers.failed(
      "slow",
      new AppError("start-failed", "The server exited with code 2; its last line on stderr: no key"),
    );
    await turns();
    expect(reply.refusal.code).toBe(5020);
    expect(reply.refusal.message).toContain("no key");
    expect(only(finished).outcome).toBe("lost");
  });

  test("never gets a request that was cancelled before", async () => {
    const { servers, reply, call, settled, finished } = forward({ ready: false });
    call.cancel("not wanted any more");
    call.cancel("again");
    servers.started("slow");
    await turns();
    expect(servers.reached).toEqual([]);
    expect(reply.said).toEqual([{ kind: "drop" }]);
    expect(settled.times).toBe(1);
    expect(only(finished).outcome).toBe("cancelled");
  });
});

test("a server that hangs at its start collects calls up to a bound, and the others are told at once", async () => {
  const servers = fakeServers([]);
  const forwarder = new Forwarder(servers, createBus());
  const params = new Uint8Array(100 * 1_048_576);
  const send = (): { call: PendingCall; reply: RecordingReply } => {
    const reply = recordingReply();
    const options = {
      server: "slow",
      asker: ASKER,
      method: "tools/call",
      params,
      progressToken: undefined,
      reply,
    };
    return { call: forwarder.forward(options), reply };
  };
  const [first, second] = [send(), send()];
  expect(first.reply.said).toEqual([]);
  expect(second.reply.refusal).toMatchObject({ code: 5030, data: { server: "slow", code: "server-busy" } });
  // Whoever gives up makes room.
  first.call.cancel("not wanted any more");
  expect(send().reply.said).toEqual([]);
  servers.failed("slow", new AppError("start-failed", "it never started"));
  await turns();
  expect(servers.reached).toEqual([]);
  expect(send().reply.said).toEqual([]);
});

test("a call that is cancelled is cancelled at the server, and its answer is dropped", () => {
  const { servers, reply, call, finished } = forward();
  call.cancel("not wanted any more");
  const { sink, cancelled } = only(servers.reached);
  expect(cancelled).toEqual(["not wanted any more"]);
  sink.result(bytes("{}"));
  expect(reply.said).toEqual([{ kind: "drop" }]);
  expect(only(finished).outcome).toBe("cancelled");
});

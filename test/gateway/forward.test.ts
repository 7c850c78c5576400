// One forwarded call: its outcome, its progress, its end before, while and after the server is there.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { createBus, type Events } from "../../src/events.ts";
import { Forwarder } from "../../src/gateway/forward.ts";
import type { PendingCall, Range } from "../../src/upstream/upstream.ts";
import { bytes, fakeServers, type FakeServers, recordingReply, type RecordingReply } from "./lab.ts";

interface Forwarded {
  readonly call: PendingCall;
  readonly reply: RecordingReply;
  readonly servers: FakeServers;
  readonly finished: readonly Events["call.finished"][];
  readonly settled: { times: number };
}

interface Options {
  readonly ready?: boolean;
  readonly method?: string;
  readonly params?: string;
  readonly token?: string;
}

function forward({
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
    method,
    params: bytes(params),
    progressToken,
    reply,
    onSettled: () => settled.times++,
  });
  return { call, reply, servers, finished, settled };
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
      message: "slow: too slow",
      data: { server: "slow", code: "server-timeout", timeoutMs: 5 },
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
    await Promise.resolve();
    expect([servers.reached, reply.said]).toEqual([[], []]);
    servers.started("slow");
    await Promise.resolve();
    await Promise.resolve();
    only(servers.reached).sink.result(bytes("{}"));
    expect(reply.resultText).toBe("{}");
  });

  test("and does not start answers with the reason", async () => {
    const { servers, reply, finished } = forward({ ready: false });
    servers.failed(
      "slow",
      new AppError("start-failed", "The server exited with code 2; its last line on stderr: no key"),
    );
    await Promise.resolve();
    await Promise.resolve();
    expect(reply.refusal.code).toBe(5020);
    expect(reply.refusal.message).toContain("no key");
    expect(only(finished).outcome).toBe("lost");
  });

  test("never gets a request that was cancelled before", async () => {
    const { servers, reply, call, settled, finished } = forward({ ready: false });
    call.cancel("not wanted any more");
    call.cancel("again");
    servers.started("slow");
    await Promise.resolve();
    await Promise.resolve();
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
    const options = { server: "slow", method: "tools/call", params, progressToken: undefined, reply };
    return { call: forwarder.forward(options), reply };
  };
  const [first, second] = [send(), send()];
  expect(first.reply.said).toEqual([]);
  expect(second.reply.refusal).toMatchObject({ code: 5030, data: { server: "slow", code: "server-busy" } });
  // Whoever gives up makes room.
  first.call.cancel("not wanted any more");
  expect(send().reply.said).toEqual([]);
  servers.failed("slow", new AppError("start-failed", "it never started"));
  await Promise.resolve();
  await Promise.resolve();
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

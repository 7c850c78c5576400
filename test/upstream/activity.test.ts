// Who is idle and who is dead, seen by looking from time to time: on a clock of the test.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { Activity, HEARTBEAT } from "../../src/upstream/activity.ts";
import type { AnswerSink } from "../../src/upstream/upstream.ts";
import { ScriptedUpstream } from "./scripted-connector.ts";

const START = 1_000_000;
const { quietMs, timeoutMs } = HEARTBEAT;
const silence = (sink: AnswerSink): void => sink.lost(new AppError("server-timeout", "no answer"));

function open(isPinged = true): { activity: Activity; upstream: ScriptedUpstream; dead: string[] } {
  const upstream = new ScriptedUpstream();
  const dead: string[] = [];
  const onDead = (error: AppError): void => void dead.push(error.message);
  return { activity: new Activity({ upstream, isPinged, onDead, now: START }), upstream, dead };
}

const NOBODY: AnswerSink = {
  result: () => undefined,
  error: () => undefined,
  progress: () => undefined,
  lost: () => undefined,
};
const call = (upstream: ScriptedUpstream): void =>
  void upstream.begin(
    { method: "tools/call", params: undefined, progressToken: undefined, timeoutMs: 1 },
    NOBODY,
  );

describe("idle", () => {
  test("since it began, until it is used", () => {
    const { activity, upstream } = open();
    expect(activity.idleSince(START + 500)).toBe(START);
    call(upstream);
    expect(activity.inFlight).toBe(1);
    expect(activity.idleSince(START + 1_000)).toBe(START + 1_000);
    expect(activity.idleSince(START + 9_000)).toBe(START + 9_000);
    upstream.settle();
    expect(activity.inFlight).toBe(0);
    expect(activity.idleSince(START + 10_000)).toBe(START + 9_000);
  });

  test("not when a call came and went between two looks", () => {
    const { activity, upstream } = open();
    call(upstream);
    upstream.settle();
    expect(activity.idleSince(START + 5_000)).toBe(START + 5_000);
    expect(activity.idleSince(START + 6_000)).toBe(START + 5_000);
  });

  test("no longer than there is time: a clock that was set back counts from there", () => {
    const { activity } = open();
    expect(activity.idleSince(START - 3_600_000)).toBe(START - 3_600_000);
    expect(activity.idleSince(START)).toBe(START - 3_600_000);
  });
});

describe("a ping", () => {
  test("is sent after 30 s without a call, and every 30 s from there", () => {
    const { activity, upstream } = open();
    activity.check(START + quietMs - 1);
    expect(upstream.requests).toEqual([]);
    activity.check(START + quietMs);
    expect(upstream.requests).toEqual([
      { method: "ping", params: undefined, progressToken: undefined, timeoutMs },
    ]);
    // One at a time.
    activity.check(START + 10 * quietMs);
    expect(upstream.requests).toHaveLength(1);
    upstream.settle();
    activity.check(START + 2 * quietMs - 1);
    expect(upstream.requests).toHaveLength(1);
    activity.check(START + 2 * quietMs);
    expect(upstream.requests).toHaveLength(2);
  });

  test("is no use of the server: neither in flight nor a sign of life of a caller", () => {
    const { activity, upstream } = open();
    activity.check(START + quietMs);
    expect(activity.inFlight).toBe(0);
    expect(activity.idleSince(START + quietMs)).toBe(START);
    upstream.settle();
    expect(activity.idleSince(START + quietMs + 1)).toBe(START);
  });

  test("is not sent while a call is under way, nor within 30 s after one", () => {
    const { activity, upstream } = open();
    call(upstream);
    activity.check(START + quietMs);
    activity.check(START + 100 * quietMs);
    upstream.settle();
    activity.check(START + 101 * quietMs - 1);
    expect(upstream.requests).toHaveLength(1);
    activity.check(START + 101 * quietMs);
    expect(upstream.requests.map(({ method }) => method)).toEqual(["tools/call", "ping"]);
  });

  test("is never sent where it is not wanted", () => {
    const { activity, upstream } = open(false);
    activity.check(START + 100 * quietMs);
    expect(upstream.requests).toEqual([]);
  });
});

/** Pings it again and again, each answered like that; how often it was said to be dead. */
function beat(answers: readonly ((sink: AnswerSink) => void)[]): string[] {
  const { activity, upstream, dead } = open();
  answers.forEach((answer, index) => {
    activity.check(START + (index + 1) * quietMs);
    upstream.settle(answer);
  });
  return dead;
}

describe("a server is dead", () => {
  test("after three pings in a row without an answer, and not two", () => {
    expect(beat([silence, silence])).toEqual([]);
    expect(beat([silence, silence, silence])).toEqual([
      "The server did not answer 3 pings in a row within 10 s each",
    ]);
  });

  test("when it does not read its input, either", () => {
    const unread = (sink: AnswerSink): void => sink.lost(new AppError("server-busy", "does not read"));
    expect(beat([unread, unread, unread])).toHaveLength(1);
  });

  const answers: readonly (readonly [string, (sink: AnswerSink) => void])[] = [
    ["a result", (sink) => sink.result(Buffer.from("{}"))],
    ["method not found", (sink) => sink.error(Buffer.from('{"code":-32601,"message":"no"}'))],
    ["any other error", (sink) => sink.error(Buffer.from("{}"))],
  ];
  test.each(answers)("not after %s, which is an answer", (_what, answer) => {
    expect(beat([silence, silence, answer, silence, silence, answer, answer, answer])).toEqual([]);
  });

  test.each([
    ["its end, which is told by others", new AppError("server-lost", "exited")],
    ["a status that says that it is busy", new AppError("server-busy", "503", { details: { status: 503 } })],
  ])("not after %s", (_what, error) => {
    const lost = (sink: AnswerSink): void => sink.lost(error);
    expect(beat([lost, lost, lost, lost])).toEqual([]);
  });

  test("not while it was at work: a ping that was overtaken by a call does not count", () => {
    const { activity, upstream, dead } = open();
    for (let index = 1; index <= 5; index++) {
      activity.check(START + 10 * index * quietMs);
      call(upstream);
      upstream.settle(silence);
      expect(activity.inFlight).toBe(1);
      upstream.settle();
      activity.idleSince(START + 10 * index * quietMs);
    }
    expect(dead).toEqual([]);
  });
});

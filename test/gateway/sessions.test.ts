// Sessions: whose they are, how many there may be, when they end and what ends with them.

import { describe, expect, test } from "bun:test";
import { type Session, Sessions } from "../../src/gateway/sessions.ts";

const MERGED = { kind: "merged", servers: undefined } as const;

function open(maxSessions = 100): {
  sessions: Sessions;
  clock: { now: number };
  begin(caller: string): Session;
} {
  const clock = { now: 1_000 };
  const sessions = new Sessions({ maxSessions, idleMs: 100 }, () => clock.now);
  return { sessions, clock, begin: (caller) => sessions.open(caller, MERGED, "2025-11-25") };
}

/** A call that writes down why it was cancelled. */
function fakeCall(): { cancel(reason: string): void; reasons: string[] } {
  const reasons: string[] = [];
  return { reasons, cancel: (reason) => void reasons.push(reason) };
}

function fakeStream(): { send(): void; close(): void; closed: number } {
  return {
    closed: 0,
    send: () => undefined,
    close() {
      this.closed++;
    },
  };
}

describe("an id", () => {
  test("is visible ASCII, unlike any other, and not to be guessed from it", () => {
    const { begin } = open(1_000);
    const ids = Array.from({ length: 500 }, () => begin("a").id);
    expect(new Set(ids).size).toBe(500);
    for (const id of ids) expect(id).toMatch(/^[\x21-\x7e]{36}$/);
  });

  test("is worth nothing to another caller", () => {
    const { sessions, begin } = open();
    const session = begin("a");
    expect(sessions.find(session.id, "a")).toBe(session);
    for (const [id, caller] of [
      [session.id, "b"],
      [session.id, ""],
      [session.id.toUpperCase(), "a"],
      [`${session.id} `, "a"],
      ["", "a"],
      ["__proto__", "a"],
    ] as const) {
      expect(sessions.find(id, caller)).toBeUndefined();
    }
  });
});

describe("a session ends", () => {
  test("with what is in flight and its stream", () => {
    const { sessions, begin } = open();
    const session = begin("a");
    const [first, second, stream] = [fakeCall(), fakeCall(), fakeStream()];
    session.track("1", first);
    session.track('"x"', second);
    session.stream = stream;
    sessions.end(session);
    expect([first.reasons, second.reasons]).toEqual([["the session ended"], ["the session ended"]]);
    expect(stream.closed).toBe(1);
    expect(session.stream).toBeUndefined();
    expect(sessions.find(session.id, "a")).toBeUndefined();
    expect(sessions.size).toBe(0);
  });

  test("when it was idle too long; one with a call or a stream is not idle", () => {
    const { sessions, clock, begin } = open();
    const [idle, used, busy, listening] = [begin("a"), begin("a"), begin("a"), begin("a")];
    busy.track("1", fakeCall());
    listening.stream = fakeStream();
    clock.now += 90;
    sessions.find(used.id, "a");
    clock.now += 20;
    sessions.expire();
    const left = [idle, used, busy, listening].map(({ id }) => sessions.find(id, "a") !== undefined);
    expect(left).toEqual([false, true, true, true]);
    busy.settled("1");
    listening.stream = undefined;
    clock.now += 101;
    sessions.expire();
    expect(sessions.size).toBe(0);
  });

  test("somebody else's question does not keep it alive", () => {
    const { sessions, clock, begin } = open();
    const { id } = begin("a");
    clock.now += 101;
    expect(sessions.find(id, "b")).toBeUndefined();
    sessions.expire();
    expect(sessions.size).toBe(0);
  });

  test("with all of its caller's, or with all", () => {
    const { sessions, begin } = open();
    const [first, second, other] = [begin("a"), begin("a"), begin("b")];
    const call = fakeCall();
    second.track("1", call);
    sessions.endAllOf("a");
    expect([first, second].map(({ id }) => sessions.find(id, "a"))).toEqual([undefined, undefined]);
    expect(call.reasons).toHaveLength(1);
    expect(sessions.find(other.id, "b")).toBe(other);
    sessions.endAll();
    expect([...sessions]).toEqual([]);
  });
});

describe("where there are too many", () => {
  test("the caller's own oldest idle one goes, never another caller's", () => {
    const { sessions, clock, begin } = open(4);
    const others = begin("b");
    const mine = ["first", "second", "third"].map(() => {
      clock.now++;
      return begin("a");
    });
    mine[0]?.track("1", fakeCall());
    const fresh = begin("a");
    expect(sessions.size).toBe(4);
    const alive = [others, ...mine, fresh].filter(
      ({ id, callerId }) => sessions.find(id, callerId) !== undefined,
    );
    expect(alive).toEqual([others, mine[0], mine[2], fresh].filter((each) => each !== undefined));
    for (let index = 0; index < 100; index++) begin("a");
    expect(sessions.find(others.id, "b")).toBe(others);
    expect(sessions.size).toBe(4);
  });

  test("one that has none takes the place of the oldest idle one", () => {
    const { sessions, clock, begin } = open(2);
    const old = begin("a");
    clock.now++;
    const young = begin("b");
    const fresh = begin("c");
    expect(sessions.find(old.id, "a")).toBeUndefined();
    expect(sessions.find(young.id, "b")).toBe(young);
    expect(sessions.find(fresh.id, "c")).toBe(fresh);
  });

  test("and all are busy, the oldest goes with its calls", () => {
    const { sessions, clock, begin } = open(2);
    const call = fakeCall();
    begin("a").track("1", call);
    clock.now++;
    begin("b").track("1", fakeCall());
    begin("c");
    expect(call.reasons).toEqual(["the session ended"]);
    expect(sessions.size).toBe(2);
  });
});

describe("a call in flight", () => {
  test("is cancelled by its id, once it is known, and not after it has settled", () => {
    const session = open().begin("a");
    const [number, string] = [fakeCall(), fakeCall()];
    session.track("1", number);
    session.track('"1"', string);
    session.cancel("2", "no");
    session.cancel('"1"', "mine");
    expect([number.reasons, string.reasons]).toEqual([[], ["mine"]]);
    session.settled("1");
    session.cancel("1", "late");
    expect(number.reasons).toEqual([]);
    expect(session.busy).toBe(true);
    session.settled('"1"');
    expect(session.busy).toBe(false);
  });
});

// The restart table: every phase with every event, the delays, the crash loop, and what no sequence may do.

import { describe, expect, test } from "bun:test";
import {
  delayMs,
  RESTART,
  restart,
  STOPPED,
  type Phase,
  type RestartEvent,
  type RestartState,
} from "../../src/process/restart.ts";

const NOW = 1_000_000;
const MIDDLE = (): number => 0.5;
const MINUTE = 60_000;

/** One example of each phase. */
const STATES: Readonly<Record<Phase, RestartState>> = {
  stopped: STOPPED,
  starting: { ...STOPPED, phase: "starting", attempt: 1, exits: [NOW - 1000] },
  ready: { ...STOPPED, phase: "ready", attempt: 1, exits: [NOW - 1000], readySince: NOW - 500 },
  "backing-off": { ...STOPPED, phase: "backing-off", attempt: 1, exits: [NOW - 1000], dueAt: NOW },
  "crash-loop": { ...STOPPED, phase: "crash-loop", attempt: 6, exits: [NOW - 1000], dueAt: NOW },
  blocked: { ...STOPPED, phase: "blocked" },
};

/** The phase that comes after, or `same` where the very same state has to come back. */
const TABLE: readonly (readonly [Phase, Readonly<Record<RestartEvent, Phase | "same">>])[] = [
  [
    "stopped",
    {
      wanted: "starting",
      ready: "same",
      ended: "same",
      expired: "same",
      blocked: "same",
      rested: "same",
      due: "same",
      reset: "same",
      stopped: "same",
    },
  ],
  [
    "starting",
    {
      wanted: "same",
      ready: "ready",
      ended: "backing-off",
      expired: "same",
      blocked: "blocked",
      rested: "stopped",
      due: "same",
      reset: "stopped",
      stopped: "stopped",
    },
  ],
  [
    "ready",
    {
      wanted: "same",
      ready: "same",
      ended: "backing-off",
      expired: "stopped",
      blocked: "same",
      rested: "stopped",
      due: "same",
      reset: "stopped",
      stopped: "stopped",
    },
  ],
  [
    "backing-off",
    {
      wanted: "same",
      ready: "same",
      ended: "same",
      expired: "same",
      blocked: "same",
      rested: "same",
      due: "starting",
      reset: "stopped",
      stopped: "stopped",
    },
  ],
  [
    "crash-loop",
    {
      wanted: "same",
      ready: "same",
      ended: "same",
      expired: "same",
      blocked: "same",
      rested: "same",
      due: "starting",
      reset: "stopped",
      stopped: "stopped",
    },
  ],
  [
    "blocked",
    {
      wanted: "same",
      ready: "same",
      ended: "same",
      expired: "same",
      blocked: "same",
      rested: "same",
      due: "same",
      reset: "stopped",
      stopped: "stopped",
    },
  ],
];

const isEvent = (name: string): name is RestartEvent => name in (TABLE[0]?.[1] ?? {});

describe("every phase with every event", () => {
  for (const [phase, row] of TABLE) {
    for (const [event, wanted] of Object.entries(row)) {
      test(`${phase} + ${event} → ${wanted}`, () => {
        if (!isEvent(event)) throw new Error(event);
        const next = restart(STATES[phase], event, NOW, MIDDLE);
        if (wanted === "same") expect(next).toBe(STATES[phase]);
        else expect(next.phase).toBe(wanted);
      });
    }
  }
});

describe("what a change of phase does to the rest of the state", () => {
  test("due comes when its time has come, and not before", () => {
    for (const phase of ["backing-off", "crash-loop"] as const) {
      const waiting = { ...STATES[phase], dueAt: NOW };
      expect(restart(waiting, "due", NOW - 1, MIDDLE)).toBe(waiting);
      expect(restart(waiting, "due", NOW, MIDDLE).phase).toBe("starting");
    }
  });

  test("reset and stopped forget all of the past", () => {
    for (const phase of ["starting", "ready", "backing-off", "crash-loop", "blocked"] as const) {
      expect(restart(STATES[phase], "reset", NOW, MIDDLE)).toBe(STOPPED);
      expect(restart(STATES[phase], "stopped", NOW, MIDDLE)).toBe(STOPPED);
    }
  });

  test("ready does not forget the attempts: only ten minutes of it do", () => {
    const ready = restart(STATES.starting, "ready", NOW, MIDDLE);
    expect(ready).toMatchObject({ phase: "ready", attempt: 1, readySince: NOW, exits: [NOW - 1000] });

    const early = restart(ready, "ended", NOW + RESTART.resetAfterReadyMs - 1, MIDDLE);
    expect(early).toMatchObject({ phase: "backing-off", attempt: 2 });

    const late = restart(ready, "ended", NOW + RESTART.resetAfterReadyMs, MIDDLE);
    expect(late).toMatchObject({
      phase: "backing-off",
      attempt: 1,
      exits: [NOW + RESTART.resetAfterReadyMs],
      dueAt: NOW + RESTART.resetAfterReadyMs + RESTART.firstDelayMs,
    });
  });
});

describe("a server that rests", () => {
  test("has its past before it when it is wanted again", () => {
    const rested = restart(STATES.ready, "rested", NOW, MIDDLE);
    expect(rested).toEqual({ ...STOPPED, attempt: 1, exits: [NOW - 1000] });
    const started = restart(rested, "wanted", NOW, MIDDLE);
    expect(restart(started, "ended", NOW, MIDDLE)).toMatchObject({ attempt: 2, exits: [NOW - 1000, NOW] });
  });

  test("has none when it was ready for long", () => {
    expect(restart(STATES.ready, "rested", NOW + RESTART.resetAfterReadyMs, MIDDLE)).toEqual(STOPPED);
  });

  test("cannot get out of a crash loop by it", () => {
    const loop = crash(6, STOPPED, NOW)[5] ?? STOPPED;
    const dueAt = loop.dueAt ?? 0;
    const probe = restart(loop, "due", dueAt, MIDDLE);
    const rested = restart(probe, "rested", dueAt, MIDDLE);
    expect(rested.exits).toHaveLength(RESTART.crashLoopExits);
  });
});

test("a blocked start is no exit, and nothing but a reset or a stop leads out of it", () => {
  const blocked = restart(STATES.starting, "blocked", NOW, MIDDLE);
  expect(blocked).toEqual({ ...STOPPED, phase: "blocked" });
  for (const event of ["wanted", "due", "ready", "ended", "expired", "rested", "blocked"] as const) {
    expect(restart(blocked, event, NOW + 1e9, MIDDLE)).toBe(blocked);
  }
  expect(restart(restart(blocked, "reset", NOW, MIDDLE), "wanted", NOW, MIDDLE).phase).toBe("starting");
});

describe("a session that the server forgot", () => {
  const ready: RestartState = { ...STATES.ready, attempt: 5, readySince: NOW };

  test("is begun anew at once when it had lived, and counts for nothing", () => {
    expect(restart(ready, "expired", NOW + RESTART.sessionLifeMs, MIDDLE)).toEqual({
      ...ready,
      phase: "backing-off",
      readySince: undefined,
      dueAt: NOW + RESTART.sessionLifeMs + RESTART.firstDelayMs,
    });
  });

  test("waits for somebody who wants it when it had not", () => {
    const stopped = restart(ready, "expired", NOW + RESTART.sessionLifeMs - 1, MIDDLE);
    expect(stopped).toEqual({ ...ready, phase: "stopped", readySince: undefined });
    expect(restart(stopped, "wanted", NOW + RESTART.sessionLifeMs, MIDDLE).phase).toBe("starting");
  });
});

describe("the delay is 0.25 s · 2ⁿ up to 60 s, ±20%", () => {
  const PLAIN = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000];
  test.each(PLAIN.map((plain, attempt) => [attempt, plain] as const))("n = %d: %d ms", (attempt, plain) => {
    expect(delayMs(attempt, () => 0)).toBe(plain * 0.8);
    expect(delayMs(attempt, MIDDLE)).toBe(plain);
    expect(delayMs(attempt, () => 1 - Number.EPSILON)).toBe(plain * 1.2);
  });

  test("however many attempts there were", () => {
    for (const attempt of [100, 1e6, Number.MAX_SAFE_INTEGER]) expect(delayMs(attempt, MIDDLE)).toBe(60_000);
  });
});

/** Ends a start again and again, each as soon as it is due; the states after each end. */
function crash(times: number, from: RestartState, begin: number): readonly RestartState[] {
  const seen: RestartState[] = [];
  let state = from;
  let now = begin;
  for (let index = 0; index < times; index++) {
    state = restart(state, state.phase === "stopped" ? "wanted" : "due", now, MIDDLE);
    state = restart(state, "ended", now, MIDDLE);
    seen.push(state);
    now = state.dueAt ?? now;
  }
  return seen;
}

describe("the crash loop", () => {
  test("six exits within five minutes, and not five", () => {
    const states = crash(6, STOPPED, NOW);
    expect(states.map((state) => state.phase)).toEqual([
      ...Array.from({ length: 5 }, () => "backing-off" as const),
      "crash-loop",
    ]);
    const last = states[5];
    expect(last?.dueAt).toBe((last?.exits.at(-1) ?? 0) + RESTART.crashLoopProbeMs);
  });

  test("six exits over more than five minutes are none", () => {
    let state = STOPPED;
    for (let index = 0; index < 20; index++) {
      const now = NOW + index * MINUTE;
      state = restart({ ...state, phase: "starting" }, "ended", now, MIDDLE);
      expect(state.phase).toBe("backing-off");
    }
    expect(state.exits).toHaveLength(5);
  });

  test("is probed after five minutes; a probe that fails goes straight back", () => {
    const loop = crash(6, STOPPED, NOW)[5] ?? STOPPED;
    const dueAt = loop.dueAt ?? 0;
    expect(restart(loop, "wanted", dueAt, MIDDLE)).toBe(loop);
    const probe = restart(loop, "due", dueAt, MIDDLE);
    expect(probe).toMatchObject({ phase: "starting", probing: true, dueAt: undefined });
    expect(restart(probe, "ended", dueAt + 10, MIDDLE)).toMatchObject({
      phase: "crash-loop",
      probing: false,
      dueAt: dueAt + 10 + RESTART.crashLoopProbeMs,
    });
  });

  test("a probe that gets ready is an ordinary server again", () => {
    const loop = crash(6, STOPPED, NOW)[5] ?? STOPPED;
    const dueAt = loop.dueAt ?? 0;
    const ready = restart(restart(loop, "due", dueAt, MIDDLE), "ready", dueAt, MIDDLE);
    expect(ready).toMatchObject({ phase: "ready", probing: false });
    expect(restart(ready, "ended", dueAt + MINUTE, MIDDLE).phase).toBe("backing-off");
  });

  test("a person's reset leaves it at once", () => {
    const loop = crash(6, STOPPED, NOW)[5] ?? STOPPED;
    const started = restart(restart(loop, "reset", NOW, MIDDLE), "wanted", NOW, MIDDLE);
    expect(started).toEqual({ ...STOPPED, phase: "starting" });
  });
});

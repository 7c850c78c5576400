// What no sequence of events may do to the restart table, on a fake clock: found by random walks through it.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  RESTART,
  restart,
  STOPPED,
  type Phase,
  type RestartEvent,
  type RestartState,
} from "../../src/process/restart.ts";

const NOW = 1_000_000;
const MINUTE = 60_000;

const EVENTS = [
  "wanted",
  "ready",
  "ended",
  "expired",
  "blocked",
  "rested",
  "due",
  "reset",
  "stopped",
] as const satisfies readonly RestartEvent[];
const PHASES = [
  "stopped",
  "starting",
  "ready",
  "backing-off",
  "crash-loop",
  "blocked",
] as const satisfies readonly Phase[];

interface Step {
  readonly event: RestartEvent;
  readonly afterMs: number;
  readonly random: number;
}

const STEPS = fc.array(
  fc.record({
    // Mostly crashes and what leads to them: a crash loop takes six.
    event: fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom<RestartEvent>("wanted", "due", "ended") },
      { weight: 6, arbitrary: fc.constant<RestartEvent>("ready") },
      { weight: 3, arbitrary: fc.constantFrom<RestartEvent>(...EVENTS) },
    ),
    afterMs: fc.oneof(
      { weight: 6, arbitrary: fc.nat({ max: 10_000 }) },
      { weight: 1, arbitrary: fc.nat({ max: 20 * MINUTE }) },
    ),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
  { minLength: 1, maxLength: 200, size: "max" },
);

/** Each step on a fake clock: what was, what happened, what came of it. */
function* walk(
  steps: readonly Step[],
): Generator<{ was: RestartState; event: RestartEvent; now: number; is: RestartState }> {
  let was = STOPPED;
  let now = NOW;
  for (const { event, afterMs, random } of steps) {
    now += afterMs;
    const is = restart(was, event, now, () => random);
    yield { was, event, now, is };
    was = is;
  }
}

describe("whatever happens", () => {
  const WAITS: ReadonlySet<Phase> = new Set(["backing-off", "crash-loop"]);
  const rules: readonly (readonly [string, (steps: readonly Step[]) => void])[] = [
    [
      "there are never two lives: a start comes out of rest or a wait, a connection out of a start",
      (steps) => {
        let alive = 0;
        for (const { was, is } of walk(steps)) {
          const begins = is.phase === "starting" && was.phase !== "starting";
          if (begins) {
            expect(["stopped", "backing-off", "crash-loop"]).toContain(was.phase);
            alive++;
          }
          if (is.phase === "ready" && was.phase !== "ready") expect(was.phase).toBe("starting");
          const lived = was.phase === "starting" || was.phase === "ready";
          const lives = is.phase === "starting" || is.phase === "ready";
          if (lived && !lives) alive--;
          expect(alive).toBe(lives ? 1 : 0);
        }
      },
    ],
    [
      "it starts because it is wanted, or because its wait is over, and not before",
      (steps) => {
        for (const { was, event, now, is } of walk(steps)) {
          if (is.phase !== "starting" || was.phase === "starting") continue;
          if (event === "wanted") expect(was.phase).toBe("stopped");
          else {
            expect(event).toBe("due");
            expect(was.dueAt ?? Infinity).toBeLessThanOrEqual(now);
          }
        }
      },
    ],
    [
      "every wait has an end, within its bounds",
      (steps) => {
        for (const { was, now, is, event } of walk(steps)) {
          expect(is.dueAt !== undefined).toBe(WAITS.has(is.phase));
          if (is === was || is.dueAt === undefined) continue;
          const waitMs = is.dueAt - now;
          if (is.phase === "crash-loop") expect(waitMs).toBe(RESTART.crashLoopProbeMs);
          else if (event === "expired") expect(waitMs).toBe(RESTART.firstDelayMs);
          else {
            const plain = Math.min(RESTART.maxDelayMs, RESTART.firstDelayMs * 2 ** (is.attempt - 1));
            expect(waitMs).toBeGreaterThanOrEqual(Math.floor(plain * (1 - RESTART.jitter)));
            expect(waitMs).toBeLessThanOrEqual(Math.ceil(plain * (1 + RESTART.jitter)));
          }
        }
      },
    ],
    [
      "six exits within five minutes are a crash loop, a failed probe is one, and nothing else",
      (steps) => {
        for (const { was, now, is } of walk(steps)) {
          if (is.phase !== "crash-loop" || was.phase === "crash-loop") continue;
          const recent = is.exits.filter((at) => now - at < RESTART.crashLoopWindowMs);
          expect(was.probing || recent.length >= RESTART.crashLoopExits).toBe(true);
        }
        for (const { was, now, is, event } of walk(steps)) {
          if (event !== "ended" || is === was) continue;
          const recent = is.exits.filter((at) => now - at < RESTART.crashLoopWindowMs);
          if (recent.length >= RESTART.crashLoopExits) expect(is.phase).toBe("crash-loop");
        }
      },
    ],
    [
      "a reset and a stop forget everything, from everywhere",
      (steps) => {
        for (const { event, is } of walk(steps)) {
          if (event === "reset" || event === "stopped") expect(is).toEqual(STOPPED);
        }
      },
    ],
    [
      "blocked stays blocked until then",
      (steps) => {
        for (const { was, event, is } of walk(steps)) {
          if (was.phase === "blocked" && event !== "reset" && event !== "stopped") expect(is).toBe(was);
          if (is.phase === "blocked" && was.phase !== "blocked") {
            expect([was.phase, event]).toEqual(["starting", "blocked"]);
          }
        }
      },
    ],
    [
      "what it remembers is bounded and belongs to its phase",
      (steps) => {
        for (const { is } of walk(steps)) {
          expect(is.readySince !== undefined).toBe(is.phase === "ready");
          expect(is.probing && is.phase !== "starting").toBe(false);
          expect(is.exits.length).toBeLessThanOrEqual(RESTART.crashLoopExits);
          expect(is.exits).toEqual(is.exits.toSorted((a, b) => a - b));
        }
      },
    ],
  ];
  test.each(rules)("%s", (_rule, holds) => {
    fc.assert(fc.property(STEPS, holds), { numRuns: 300 });
  });
});

test("the walks come through every phase, by every event that changes one", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(STEPS, (steps) => {
      for (const { was, event, is } of walk(steps)) {
        if (is !== was) seen.add(`${was.phase} ${event}`).add(is.phase);
      }
    }),
    { numRuns: 1_000, seed: 1 },
  );
  for (const phase of PHASES) expect(seen).toContain(phase);
  for (const way of [
    "crash-loop due",
    "crash-loop reset",
    "starting blocked",
    "ready rested",
    "ready expired",
  ]) {
    expect(seen).toContain(way);
  }
});

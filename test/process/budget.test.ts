// The host's budget: who may start, who waits and in which order, what is asked to go, and what the late are told.

import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import * as fc from "fast-check";
import { AppError } from "../../src/errors.ts";
import {
  HostBudget,
  NO_SHARE,
  type HostLimits,
  type Place,
  type Share,
  type StartRequest,
} from "../../src/process/budget.ts";
import { turns } from "../upstream/scripted-connector.ts";

const MIB = 1024 ** 2;
const share = (mebibytes: number, processes = 1): Share => ({
  memoryBytes: mebibytes * MIB,
  processes,
  instances: 1,
});

interface Start {
  readonly abort: AbortController;
  place: Place | undefined;
  error: unknown;
}

interface Lab {
  readonly budget: HostBudget;
  /** What was asked to be made free, in order. */
  readonly short: Share[];
  start(server: string, asks: Share, more?: Partial<StartRequest>): Promise<Start>;
}

function open(limits: Partial<HostLimits> = {}, makeRoom: (short: Share) => void = () => undefined): Lab {
  const short: Share[] = [];
  const budget = new HostBudget({
    limits: { memoryBytes: 1000 * MIB, processes: 100, instances: 10, parallelStarts: 100, ...limits },
    makeRoom: (missing) => {
      short.push(missing);
      makeRoom(missing);
    },
  });
  return {
    budget,
    short,
    async start(server, asks, more = {}) {
      const start: Start = { abort: new AbortController(), place: undefined, error: undefined };
      budget.enter({ server, asks, timeoutMs: 60_000, signal: start.abort.signal, ...more }).then(
        (place) => {
          start.place = place;
        },
        (error: unknown) => {
          start.error = error;
        },
      );
      await turns();
      return start;
    },
  };
}

async function advance(ms: number): Promise<void> {
  jest.advanceTimersByTime(ms);
  await turns();
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  const timers = jest.getTimerCount();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

describe("room", () => {
  test("is given as long as there is some; the next ones wait in order", async () => {
    const { start, budget } = open();
    const [a, b] = [await start("a", share(600)), await start("b", share(400))];
    const [c, d] = [await start("c", share(300)), await start("d", share(1))];
    expect([a, b, c, d].map(({ place }) => place !== undefined)).toEqual([true, true, false, false]);
    expect(budget.used).toEqual({ memoryBytes: 1000 * MIB, processes: 2, instances: 2 });
    expect(budget.waiting).toBe(2);
    // Enough for d, which came later: it does not overtake.
    b.place?.measured({ memoryBytes: 300 * MIB, processes: 1 });
    budget.review();
    await turns();
    expect([c.place, d.place]).toEqual([undefined, undefined]);
    b.place?.gone();
    await turns();
    expect(c.place).toBeDefined();
    expect(d.place).toBeDefined();
    expect(budget.waiting).toBe(0);
  });

  test.each([
    ["memory", share(1001)],
    ["processes", share(1, 101)],
  ])("is never too small for one alone: %s", async (_what, asks) => {
    const { start, budget } = open();
    const other = await start("other", share(1));
    const large = await start("large", asks);
    expect(large.place).toBeUndefined();
    other.place?.gone();
    await turns();
    expect(large.place).toBeDefined();
    expect((await start("next", share(1000, 100))).place).toBeUndefined();
    large.place?.gone();
    await turns();
    expect(budget.waiting).toBe(0);
  });

  test("is bounded in the number of starts that live", async () => {
    const { start } = open({ instances: 1 });
    const first = await start("a", share(1));
    const second = await start("b", share(1));
    expect(second.place).toBeUndefined();
    first.place?.gone();
    await turns();
    expect(second.place).toBeDefined();
  });

  test("is measured, not guessed, once it can be", async () => {
    const { start, budget } = open();
    const first = await start("a", share(900));
    first.place?.measured({ memoryBytes: 30 * MIB, processes: 7 });
    expect(budget.used).toEqual({ memoryBytes: 30 * MIB, processes: 7, instances: 1 });
    expect(first.place?.share.memoryBytes).toBe(30 * MIB);
    expect((await start("b", share(900))).place).toBeDefined();
  });

  test("is not needed by a server that runs elsewhere, but its turn is", async () => {
    const { start } = open({ parallelStarts: 1 });
    const full = await start("a", share(1000));
    const waits = await start("b", share(1));
    const remote = await start("remote", NO_SHARE);
    expect(remote.place).toBeUndefined();
    full.place?.started();
    await turns();
    expect([waits.place !== undefined, remote.place !== undefined]).toEqual([false, true]);
    remote.place?.gone();
    full.place?.gone();
    await turns();
    expect(waits.place).toBeDefined();
  });
});

describe("starts at once", () => {
  test("are bounded: one for each that is up, gone, or hangs", async () => {
    const { start, budget } = open({ parallelStarts: 2 });
    const all = [
      await start("a", share(1)),
      await start("b", share(1)),
      await start("c", share(1)),
      await start("d", share(1)),
      await start("e", share(1)),
    ];
    const begun = (): boolean[] => all.map(({ place }) => place !== undefined);
    expect(begun()).toEqual([true, true, false, false, false]);
    expect(budget.hasRoom(share(1))).toBe(false);
    all[1]?.place?.started();
    all[1]?.place?.started();
    await turns();
    expect(begun()).toEqual([true, true, true, false, false]);
    all[1]?.place?.gone();
    await turns();
    expect(begun()).toEqual([true, true, true, false, false]);
    all[0]?.place?.gone();
    all[0]?.place?.gone();
    await turns();
    expect(begun()).toEqual([true, true, true, true, false]);
    all[2]?.place?.started();
    all[3]?.place?.started();
    await turns();
    all[4]?.place?.started();
    expect(budget.hasRoom(share(1))).toBe(true);
    expect(budget.hasRoom(share(1000))).toBe(false);
  });
});

describe("where something is short", () => {
  test("what is missing is asked for, less what is on its way out", async () => {
    const { start, short } = open();
    const [a, b] = [await start("a", share(500, 50)), await start("b", share(500, 50))];
    const c = await start("c", share(100, 10));
    expect(short.at(-1)).toEqual({ memoryBytes: 100 * MIB, processes: 10, instances: 0 });
    a.place?.leaving();
    const asked = short.length;
    const d = await start("d", share(100, 10));
    expect(short).toHaveLength(asked);
    expect([c.place, d.place]).toEqual([undefined, undefined]);
    a.place?.gone();
    await turns();
    expect([c, d].every(({ place }) => place !== undefined)).toBe(true);
    b.place?.gone();
  });

  test("because what runs has grown, room is asked for, and nobody new is let in", async () => {
    const { start, short, budget } = open();
    const a = await start("a", share(500));
    a.place?.measured({ memoryBytes: 1200 * MIB, processes: 1 });
    budget.review();
    expect(short).toEqual([{ memoryBytes: 200 * MIB, processes: 0, instances: 0 }]);
    const b = await start("b", share(1));
    expect(b.place).toBeUndefined();
    a.place?.gone();
    await turns();
    expect(b.place).toBeDefined();
  });

  test("whoever is ended for it makes the room", async () => {
    const leaving: Place[] = [];
    const { start } = open({}, () => leaving.shift()?.leaving());
    const idle = await start("idle", share(1000));
    if (idle.place !== undefined) leaving.push(idle.place);
    const next = await start("next", share(500));
    expect(leaving).toEqual([]);
    idle.place?.gone();
    await turns();
    expect(next.place).toBeDefined();
  });
});

describe("a start that waits too long", () => {
  test("is told what is in the way, and who has most of it", async () => {
    const { start, budget } = open();
    await start("huge", share(700));
    await start("large", share(200));
    await start("small", share(50));
    await start("tiny", share(10));
    const late = await start("late", share(96), { timeoutMs: 5_000 });
    await advance(4_999);
    expect(late.error).toBeUndefined();
    await advance(1);
    expect(late.error).toBeInstanceOf(AppError);
    expect(late.error).toMatchObject({ code: "server-busy" });
    expect(String(late.error)).toContain(
      "The server waited 5 s for its start: it needs 96 MiB, and of the 1000 MiB that all servers may have " +
        "(setting host_memory_bytes) others have 960 MiB and are in use, " +
        "most of all huge (700 MiB), large (200 MiB), small (50 MiB). Try again later.",
    );
    expect(budget.waiting).toBe(0);
  });

  test.each([
    [{ processes: 2 }, "2 processes that all servers may have (setting host_processes)"],
    [{ instances: 1 }, "setting max_instances"],
    [{ parallelStarts: 1 }, "as many starts are under way as may be at once (1, setting parallel_starts)"],
  ])("names the setting: %j", async (limits, words) => {
    const { start } = open(limits);
    await start("a", share(1, 2));
    const late = await start("late", share(1), { timeoutMs: 1_000 });
    await advance(1_000);
    expect(String(late.error)).toContain(words);
  });

  test("lets those behind it pass", async () => {
    const { start } = open();
    await start("a", share(900));
    const [late, next] = [
      await start("late", share(200), { timeoutMs: 1_000 }),
      await start("next", share(100)),
    ];
    expect(next.place).toBeUndefined();
    await advance(1_000);
    expect(late.place).toBeUndefined();
    expect(next.place).toBeDefined();
  });

  test("or is given up is not let in, and takes nobody's place", async () => {
    const { start, budget } = open();
    const a = await start("a", share(1000));
    const [gaveUp, next] = [await start("b", share(1000)), await start("c", share(1000))];
    gaveUp.abort.abort(new Error("enough"));
    await turns();
    expect(gaveUp.error).toEqual(new Error("enough"));
    a.place?.gone();
    await turns();
    expect([gaveUp.place, next.place !== undefined]).toEqual([undefined, true]);
    const late = await start("d", share(1), { signal: AbortSignal.abort(new Error("too late")) });
    expect(late.error).toEqual(new Error("too late"));
    expect(budget.waiting).toBe(0);
  });
});

test("whatever happens: the bounds hold, nobody is overtaken, and in the end all who waited were let in", async () => {
  const steps = fc.array(
    fc.record({
      act: fc.constantFrom("start", "start", "up", "gone", "abort"),
      at: fc.nat(20),
      mebibytes: fc.integer({ min: 1, max: 700 }),
      processes: fc.integer({ min: 1, max: 40 }),
    }),
    { maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (acts) => {
      const limits = { memoryBytes: 1000 * MIB, processes: 100, instances: 5, parallelStarts: 3 };
      const { start, budget } = open(limits);
      const all: Start[] = [];
      for (const { act, at, mebibytes, processes } of acts) {
        const one = all[at % Math.max(1, all.length)];
        if (act === "start") all.push(await start(`s${all.length}`, share(mebibytes, processes)));
        if (act === "up") one?.place?.started();
        if (act === "gone") one?.place?.gone();
        if (act === "abort" && one?.place === undefined) one?.abort.abort(new Error("given up"));
        await turns();
        const { used } = budget;
        expect(used.memoryBytes).toBeLessThanOrEqual(limits.memoryBytes);
        expect(used.processes).toBeLessThanOrEqual(limits.processes);
        expect(used.instances).toBeLessThanOrEqual(limits.instances);
        const waiting = all.findIndex(({ place, error }) => place === undefined && error === undefined);
        const overtaken = all.slice(waiting).some(({ place }) => place !== undefined);
        expect(waiting >= 0 && overtaken).toBe(false);
      }
      for (const each of all) {
        each.place?.gone();
        await turns();
      }
      expect(all.every(({ place, error }) => place !== undefined || error !== undefined)).toBe(true);
      expect([budget.waiting, budget.used.instances]).toEqual([0, 0]);
    }),
    { numRuns: 100 },
  );
});

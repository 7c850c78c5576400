// The pulse: who is beaten when, and that its timer lives no longer than there is somebody to beat.

import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { type Beating, Pulse } from "../../src/http/pulse.ts";

const PERIOD_MS = 15_000;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function heart(): Beating & { beats: number } {
  return {
    beats: 0,
    beat() {
      this.beats++;
    },
  };
}

test("nobody is beaten in the first period, all are in each one after it", () => {
  const pulse = new Pulse();
  const [first, second] = [heart(), heart()];
  pulse.add(first);
  jest.advanceTimersByTime(PERIOD_MS);
  pulse.add(second);
  expect([first.beats, second.beats]).toEqual([0, 0]);
  jest.advanceTimersByTime(PERIOD_MS);
  expect([first.beats, second.beats]).toEqual([1, 0]);
  jest.advanceTimersByTime(2 * PERIOD_MS);
  expect([first.beats, second.beats]).toEqual([3, 2]);
  pulse.close();
});

test("who has left is not beaten, whenever it left", () => {
  const pulse = new Pulse();
  const [early, late, other] = [heart(), heart(), heart()];
  for (const each of [early, late, other]) pulse.add(each);
  pulse.delete(early);
  jest.advanceTimersByTime(2 * PERIOD_MS);
  pulse.delete(late);
  pulse.delete(late);
  jest.advanceTimersByTime(PERIOD_MS);
  expect([early.beats, late.beats, other.beats]).toEqual([0, 1, 2]);
  pulse.close();
});

test("the timer ends with the last one, and begins anew with the next", () => {
  const pulse = new Pulse();
  expect(jest.getTimerCount()).toBe(0);
  const first = heart();
  pulse.add(first);
  expect(jest.getTimerCount()).toBe(1);
  pulse.delete(first);
  jest.advanceTimersByTime(PERIOD_MS);
  expect(jest.getTimerCount()).toBe(0);
  const second = heart();
  pulse.add(second);
  jest.advanceTimersByTime(2 * PERIOD_MS);
  expect([first.beats, second.beats]).toEqual([0, 1]);
  pulse.close();
  expect(jest.getTimerCount()).toBe(0);
});

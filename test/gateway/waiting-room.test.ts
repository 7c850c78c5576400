// How many calls may wait for a server to start, and how much they may hold.

import { expect, test } from "bun:test";
import { WaitingRoom } from "../../src/gateway/waiting-room.ts";

const MIB = 1_048_576;

test("a server's calls are bounded by what they hold, and another server's are not touched", () => {
  const room = new WaitingRoom();
  const first = room.enter("hangs", 100 * MIB);
  expect(first).toBeDefined();
  expect(room.enter("hangs", 100 * MIB)).toBeUndefined();
  expect(room.enter("hangs", MIB)).toBeDefined();
  expect(room.enter("other", 100 * MIB)).toBeDefined();
  first?.();
  expect(room.enter("hangs", 100 * MIB)).toBeDefined();
});

test("one call of any size may wait", () => {
  const room = new WaitingRoom();
  expect(room.enter("hangs", 1024 * MIB)).toBeDefined();
  expect(room.enter("hangs", 0)).toBeUndefined();
});

test("they are bounded by their number", () => {
  const room = new WaitingRoom();
  let entered = 0;
  while (entered < 1_000_000 && room.enter("hangs", 1) !== undefined) entered++;
  expect(entered).toBe(10_000);
});

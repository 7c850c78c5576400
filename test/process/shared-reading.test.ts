// A stream that always has more: everybody else still has their turn.

import { expect, test } from "bun:test";
import { readShared } from "../../src/process/shared-reading.ts";

const MANY = 1_000_000;

/** Each read of it resolves without a turn of the event loop, as those of a full pipe do. */
async function* flood(): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(1);
  for (let count = 0; count < MANY; count++) yield chunk;
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1);
  throw new Error("broken off");
}

test("a flood does not keep the event loop to itself", async () => {
  let turns = 0;
  let chunks = 0;
  const count = (): void => {
    turns++;
    if (turns < 3) setImmediate(count);
  };
  setImmediate(count);
  await readShared(flood(), () => {
    chunks++;
    return turns < 3;
  });
  expect(turns).toBe(3);
  expect(chunks).toBeLessThan(MANY);
});

test("every chunk comes once and in order, up to the one that is refused", async () => {
  const given = Array.from({ length: 200 }, (_, index) => Uint8Array.of(index));
  const taken: number[] = [];
  const take = (chunk: Uint8Array): boolean => {
    taken.push(chunk[0] ?? -1);
    return taken.length < 150;
  };
  await readShared(given, take);
  expect(taken).toEqual(Array.from({ length: 150 }, (_, index) => index));
});

test("a stream that breaks rejects", () => {
  expect(readShared(broken(), () => true)).rejects.toThrow("broken off");
});

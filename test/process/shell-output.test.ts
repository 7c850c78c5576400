// The queue between the program of a shell and its reader: order, the brake, and the bound that holds in any case.

import { describe, expect, test } from "bun:test";
import type { ShellOutput } from "../../src/model/shell.ts";
import { OutputQueue } from "../../src/process/shell-output.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

function braked() {
  const calls: string[] = [];
  const queue = new OutputQueue();
  queue.brakeWith({ hold: () => void calls.push("hold"), release: () => void calls.push("release") });
  return { queue, calls };
}

async function allOf(queue: OutputQueue): Promise<readonly ShellOutput[]> {
  return Array.fromAsync(queue.read());
}

function textOf({ bytes }: ShellOutput): string {
  return Buffer.from(bytes).toString();
}

test("what was printed before the end is read in order, then it is over", async () => {
  const queue = new OutputQueue();
  queue.push("out", Buffer.from("one"));
  queue.push("err", Buffer.from("two"));
  queue.end();
  queue.push("out", Buffer.from("too late"));
  const read = await allOf(queue);
  expect(read.map((part) => `${part.stream} ${textOf(part)}`)).toEqual(["out one", "err two"]);
});

test("a reader that came first gets what comes", async () => {
  const queue = new OutputQueue();
  const reader = queue.read();
  const first = reader.next();
  queue.push("out", Buffer.from("late"));
  expect(textOf((await first).value)).toBe("late");
  const over = reader.next();
  queue.end();
  expect((await over).done).toBe(true);
});

describe("a program that is faster than its reader", () => {
  test("is held back, and again with all that comes nevertheless, and goes on when little is left", async () => {
    const { queue, calls } = braked();
    for (let count = 0; count < 3; count++) queue.push("out", new Uint8Array(100 * KIB));
    expect(calls).toEqual(["hold"]);
    queue.push("out", new Uint8Array(1));
    expect(calls).toEqual(["hold", "hold"]);
    const reader = queue.read();
    await reader.next();
    await reader.next();
    expect(calls).toEqual(["hold", "hold"]);
    await reader.next();
    expect(calls).toEqual(["hold", "hold", "release"]);
  });

  test("waits for room where it can", async () => {
    const queue = new OutputQueue();
    await queue.room();
    queue.push("out", new Uint8Array(300 * KIB));
    let hasRoom = false;
    const room = queue.room().then(() => (hasRoom = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(hasRoom).toBe(false);
    await queue.read().next();
    await room;
    expect(hasRoom).toBe(true);
  });

  test("is let go at the end, though nobody reads", async () => {
    const { queue, calls } = braked();
    queue.push("out", new Uint8Array(300 * KIB));
    const room = queue.room();
    queue.end();
    await room;
    expect(calls).toEqual(["hold", "release"]);
  });

  test("and cannot be held back costs a bounded amount, and the reader is told what is missing", async () => {
    const queue = new OutputQueue();
    for (let count = 0; count < 100; count++) queue.push("out", new Uint8Array(MIB));
    queue.end();
    const read = await allOf(queue);
    const kept = read.filter(({ stream }) => stream === "out").length;
    expect(kept).toBeLessThanOrEqual(16);
    expect(read).toHaveLength(kept + 1);
    const notice = read.at(-1);
    expect(notice?.stream).toBe("err");
    expect(Buffer.from(notice?.bytes ?? "").toString()).toContain(
      `[${(100 - kept) * MIB} bytes were left out`,
    );
  });

  test("in short pieces costs no more", async () => {
    const queue = new OutputQueue();
    for (let count = 0; count < 100_000; count++) queue.push("out", new Uint8Array(1));
    queue.end();
    expect((await allOf(queue)).length).toBeLessThan(70_000);
  });
});

// The table of waiting calls, on a clock of the test's own: one outcome for each sink, and time that progress gives
// back. The real timer is looked at once, to see that it stops.

import { afterEach, describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { PendingCalls } from "../../src/upstream/pending-calls.ts";
import { parseOwnId, readProgress } from "../../src/upstream/server-message.ts";
import type { AnswerSink } from "../../src/upstream/upstream.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const GONE = new AppError("server-lost", "gone");
const TOKEN = { start: 17, end: 18 };

let time = 0;
const tables: PendingCalls[] = [];
afterEach(() => {
  for (const pending of tables.splice(0)) pending.loseAll(GONE);
});

function waitingCalls(onOverdue?: (id: number) => void): PendingCalls {
  time = 1000;
  const pending = new PendingCalls(() => time, onOverdue);
  tables.push(pending);
  return pending;
}

function recorder(): { heard: string[]; sink: AnswerSink } {
  const heard: string[] = [];
  const sink: AnswerSink = {
    result: (value) => heard.push(`result ${textOf(value)}`),
    error: (value) => heard.push(`error ${textOf(value)}`),
    progress: (params, token) => heard.push(`progress ${textOf(params)} ${token.start}-${token.end}`),
    lost: (error) => heard.push(`lost ${error.code}`),
  };
  return { heard, sink };
}

describe("PendingCalls", () => {
  test("numbers calls from 1 and tells each sink once", () => {
    const pending = waitingCalls();
    const [a, b, c, d] = [recorder(), recorder(), recorder(), recorder()];
    const ids = [a, b, c, d].map(({ sink }) => pending.add(sink, 50));
    expect(ids).toEqual([1, 2, 3, 4]);
    expect(pending.size).toBe(4);
    const settle = () => [
      pending.settleResult(1, bytesOf("1")),
      pending.settleError(2, bytesOf("{}")),
      pending.lose(3, GONE),
      pending.forget(4),
    ];
    expect(settle()).toEqual([true, true, true, true]);
    expect(settle()).toEqual([false, false, false, false]);
    expect(pending.progress(1, bytesOf("{}"), TOKEN)).toBe(false);
    expect(pending.settleResult(99, bytesOf("1"))).toBe(false);
    pending.loseAll(GONE);
    pending.sweep(Number.MAX_SAFE_INTEGER);
    expect([a.heard, b.heard, c.heard, d.heard]).toEqual([
      ["result 1"],
      ["error {}"],
      ["lost server-lost"],
      [],
    ]);
    expect(pending.size).toBe(0);
    expect(pending.add(a.sink, 50)).toBe(5);
  });

  test("loses what is overdue and nothing else, and says which", () => {
    const overdue: number[] = [];
    const pending = waitingCalls((id) => overdue.push(id));
    const [short, long] = [recorder(), recorder()];
    pending.add(short.sink, 50);
    pending.add(long.sink, 100);
    pending.sweep(1049);
    expect(short.heard).toEqual([]);
    pending.sweep(1050);
    expect([short.heard, long.heard, overdue]).toEqual([["lost server-timeout"], [], [1]]);
    pending.sweep(1100);
    expect([long.heard, overdue]).toEqual([["lost server-timeout"], [1, 2]]);
  });

  test("progress begins the time anew", () => {
    const pending = waitingCalls();
    const { heard, sink } = recorder();
    const id = pending.add(sink, 50);
    time = 1040;
    expect(pending.progress(id, bytesOf('{"progressToken":1}'), TOKEN)).toBe(true);
    pending.sweep(1089);
    expect(heard).toEqual(['progress {"progressToken":1} 17-18']);
    pending.sweep(1090);
    expect(heard).toEqual(['progress {"progressToken":1} 17-18', "lost server-timeout"]);
  });

  test("progress that nobody asked for gives no time and is not heard", () => {
    const pending = waitingCalls();
    const { heard, sink } = recorder();
    const id = pending.add(sink, 50, false);
    time = 1040;
    expect(pending.progress(id, bytesOf('{"progressToken":1}'), TOKEN)).toBe(false);
    pending.sweep(1050);
    expect(heard).toEqual(["lost server-timeout"]);
  });

  test("a sink that tries again at once is lost once a time, and disturbs no other", () => {
    const pending = waitingCalls();
    const [stubborn, other] = [recorder(), recorder()];
    const sink: AnswerSink = {
      ...stubborn.sink,
      lost: (error) => {
        stubborn.sink.lost(error);
        pending.add(sink, 50);
      },
    };
    pending.add(sink, 50);
    pending.add(other.sink, 50);
    pending.loseAll(GONE);
    expect([stubborn.heard, other.heard]).toEqual([["lost server-lost"], ["lost server-lost"]]);
    expect(pending.size).toBe(1);
    pending.forget(3);
  });

  test("sweeps by itself", async () => {
    const { promise, resolve } = Promise.withResolvers<AppError>();
    const pending = new PendingCalls(() => performance.now());
    tables.push(pending);
    pending.add({ ...recorder().sink, lost: resolve }, 1);
    expect((await promise).code).toBe("server-timeout");
  });

  test("leaves no timer when nothing is pending, nor when all were lost", async () => {
    // A process with a timer would not end: each of these must, by itself.
    const modulePath = JSON.stringify(`${import.meta.dir}/../../src/upstream/pending-calls.ts`);
    const sink = "{ result() {}, error() {}, progress() {}, lost() {} }";
    const start = `const { PendingCalls } = await import(${modulePath});
      const pending = new PendingCalls(() => performance.now());
      const id = pending.add(${sink}, 3_600_000);`;
    for (const end of ["pending.settleResult(id, new Uint8Array(0));", "pending.loseAll(new Error());"]) {
      const child = Bun.spawn([process.execPath, "-e", start + end], { timeout: 20_000, stderr: "inherit" });
      await child.exited;
      expect([child.exitCode, child.signalCode]).toEqual([0, null]);
    }
  });
});

test.each([
  ["1", 1],
  ["907", 907],
  ["999999999999999", 999_999_999_999_999],
  ["1000000000000000", undefined],
  ["0", undefined],
  ["01", undefined],
  ["-1", undefined],
  ["1.0", undefined],
  ["1e3", undefined],
  ['"1"', undefined],
  ["null", undefined],
  [" 1", undefined],
  ["", undefined],
])("parseOwnId of %p is %p", (raw, id) => expect(parseOwnId(bytesOf(raw))).toBe(id));

test.each([
  ['{"progressToken":12,"progress":1}', { id: 12, token: { start: 17, end: 19 } }],
  ['{ "progress":1.0, "progressToken" : 3 }', { id: 3, token: { start: 36, end: 37 } }],
  ['{"progressToken":"12"}', undefined],
  ['{"progressToken":12.0}', undefined],
  ['{"progressToken":[]}', undefined],
  ['{"progress":1}', undefined],
  ['{"progressToken":12', undefined],
])("readProgress of %s", (params, wanted) => {
  const message = bytesOf(`....${params}....`);
  expect(readProgress(message, { start: 4, end: 4 + params.length })).toEqual(wanted);
});

// A server may send several messages at once, as revision 2025-03-26 has it: each is taken as if it had come alone.

import { afterEach, describe, expect, test } from "bun:test";
import { PendingCalls } from "../../src/upstream/pending-calls.ts";
import { receiveMessage, type Inbox } from "../../src/upstream/server-message.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const tables: PendingCalls[] = [];
afterEach(() => {
  for (const pending of tables.splice(0)) for (const id of [1, 2]) pending.forget(id);
});

/** Everything that comes of `message` with calls 1 and 2 waiting. */
function received(message: string): readonly string[] {
  const heard: string[] = [];
  const pending = new PendingCalls(() => 0);
  tables.push(pending);
  for (const call of ["first", "second"]) {
    pending.add(
      {
        result: (value) => heard.push(`${call} result ${textOf(value)}`),
        error: (value) => heard.push(`${call} error ${textOf(value)}`),
        progress: (params) => heard.push(`${call} progress ${textOf(params)}`),
        lost: (error) => heard.push(`${call} lost ${error.code}`),
      },
      1_000,
    );
  }
  const inbox: Inbox = {
    pending,
    listener: { notification: (method) => heard.push(`heard ${method}`) },
    end: "",
    reply: (reply) => heard.push(`replied ${reply.toString()}`),
    skipped: (bytes, problem) => heard.push(`skipped ${bytes.length} bytes: ${problem}`),
    unclaimed: (bytes) => heard.push(`unclaimed ${textOf(bytes)}`),
  };
  receiveMessage(bytesOf(message), inbox);
  return heard;
}

const answer = (id: number, result: string): string => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;

describe("a batch", () => {
  test("is taken message by message, their bytes unchanged", () => {
    const messages = [
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1.0}}',
      answer(2, '{"one":1.0, "twice":1,"twice":2}'),
      '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
      '{"jsonrpc":"2.0","id":"é","method":"ping"}',
      '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}',
    ];
    expect(received(` [ ${messages.join(" ,\t")} ]`)).toEqual([
      'first progress {"progressToken":1,"progress":1.0}',
      'second result {"one":1.0, "twice":1,"twice":2}',
      "heard notifications/tools/list_changed",
      'replied {"jsonrpc":"2.0","id":"é","result":{}}',
      'first error {"code":1,"message":"no"}',
    ]);
  });

  test("with a bad message is taken without it", () => {
    expect(received(`[7,${answer(1, "{}")},{"jsonrpc":"2.0","id":2,"result":1,"error":{}}]`)).toEqual([
      "skipped 1 bytes: the message is not a JSON object",
      "first result {}",
      expect.stringContaining("skipped"),
      "second lost bad-answer",
    ]);
  });

  test.each([
    ["that is empty", "[]", []],
    ["within a batch", `[[${answer(1, "{}")}]]`, ["skipped 38 bytes: the message is not a JSON object"]],
    ["that does not end", `[${answer(1, "{}")}`, [expect.stringContaining("the batch is broken")]],
    ["of too many", `[${"1,".repeat(10_000)}1]`, [expect.stringContaining("more than 10000 messages")]],
  ])("%s reaches nobody", (_about, message, wanted) => {
    expect(received(message)).toEqual(wanted);
  });
});

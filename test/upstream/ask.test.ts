// A question of the appliance's own: its answer, its error, and being called off.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { ask } from "../../src/upstream/ask.ts";
import { type Answer, answeringUpstream } from "./answering-upstream.ts";

const question = { method: "tools/list", params: undefined, timeoutMs: 1000 };
const outcome = (promise: Promise<Uint8Array>): Promise<unknown> =>
  promise.then(
    (value) => Buffer.from(value).toString(),
    (thrown: unknown) => thrown,
  );

describe("the answer", () => {
  test.each([true, false])("is the raw result (later: %p)", async (later) => {
    const upstream = answeringUpstream(() => ({ result: '{"big":9007199254740993}' }), { later });
    expect(await outcome(ask(upstream, question))).toBe('{"big":9007199254740993}');
    expect(upstream.asked).toEqual([{ method: "tools/list", params: undefined, timeoutMs: 1000 }]);
  });

  test("is the server's own error, in a sentence that is safe to show", async () => {
    const upstream = answeringUpstream(() => ({ error: '{"code":-32601,"message":"no \u001b[31m list"}' }));
    const error = await outcome(ask(upstream, question));
    expect(error).toMatchObject({ code: "invalid-request" });
    expect(String(error)).toContain("tools/list");
    expect(String(error)).toContain('"code":-32601');
    expect(String(error)).not.toContain("\u001b");
  });

  test("that is an endless error is cut", async () => {
    const upstream = answeringUpstream(() => ({ error: `{"code":1,"message":"${"x".repeat(100_000)}"}` }));
    const error = await outcome(ask(upstream, question));
    expect(String(error).length).toBeLessThan(700);
  });

  test("that will not come is what the connection says", async () => {
    const lost = new AppError("server-timeout", "too slow");
    expect(
      await outcome(
        ask(
          answeringUpstream(() => ({ lost })),
          question,
        ),
      ),
    ).toBe(lost);
  });
});

describe("called off", () => {
  test("it is cancelled at the server and rejected", async () => {
    const upstream = answeringUpstream(() => "silence");
    const abort = new AbortController();
    const asked = ask(upstream, { ...question, signal: abort.signal });
    expect(upstream.cancelled).toEqual([]);
    abort.abort();
    expect(await outcome(asked)).toMatchObject({
      code: "interrupted",
      message: "tools/list was called off.",
    });
    expect(upstream.cancelled).toEqual(["interrupted"]);
  });

  test("before it began, too", async () => {
    const upstream = answeringUpstream(() => "silence");
    const asked = ask(upstream, { ...question, signal: AbortSignal.abort() });
    expect(await outcome(asked)).toMatchObject({ code: "interrupted" });
    expect(upstream.cancelled).toEqual(["interrupted"]);
  });

  test("after the answer changes nothing and leaves no listener", async () => {
    const answers: Answer[] = [{ result: "1" }, { error: "{}" }];
    for (const answer of answers) {
      const upstream = answeringUpstream(() => answer);
      const abort = new AbortController();
      await outcome(ask(upstream, { ...question, signal: abort.signal }));
      abort.abort();
      expect(upstream.cancelled).toEqual([]);
    }
  });
});

// The contract of an Upstream, whatever its kind: what upstream.ts promises to the gateway and the keeper, checked
// against good servers and bad ones. Each kind runs all of it, in upstream.test.ts.

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { LEGACY_REVISIONS } from "../../src/model/protocol.ts";
import type { UpstreamListener } from "../../src/upstream/upstream.ts";
import { until, within } from "../e2e/wait.ts";
import { ODD_RESULT } from "../servers/raw/answers.ts";
import { INSTRUCTIONS } from "../servers/sdk-tools.ts";
import { callTool, request, resultOf, textOf, type Call } from "./call.ts";
import type { ConnectOptions, Lab, ServerUnderTest, Subject } from "./lab.ts";

/** Lies of raw.ts after which an honest answer comes, and those after which none does. */
const LIES_THEN_TRUTH = [
  "stranger",
  "text_id",
  "null_id",
  "no_id",
  "object_id",
  "nested_id",
  "twice",
  "strange_progress",
  "strange_list_changed",
  "escaped_id",
  "spaced",
];

/** What a careless forwarder loses: long integers, 1.0, -0, equal keys, escapes, and text outside the first plane. */
const FRAGILE =
  '{ "big":9007199254740993, "one":1.0,"zero":-0 ,"huge":1e400,"twice":1,"twice":2,"é":"\\u00e9 é 😀 \\ud83d\\ude00",' +
  '"id":7,"method":"ping","nested":{"jsonrpc":"2.0","id":1,"result":{"a":[{},[]," }{ ]["]}},"empty":""}';

const MIB = 1_048_576;
const TWELVE_MB = 12_000_000;

setDefaultTimeout(30_000);

export function describeUpstream(name: string, openLab: () => Promise<Lab>): void {
  describe(`an upstream of kind ${name}`, () => {
    let lab: Lab;
    const subjects: Subject[] = [];

    beforeEach(async () => {
      lab = await openLab();
    });
    afterEach(async () => {
      await Promise.all(subjects.splice(0).map(({ upstream }) => upstream.close()));
      const left = await until("nothing is left", () => lab.leftovers().length === 0, 5_000).then(
        () => [],
        () => lab.leftovers(),
      );
      await lab.close();
      expect(left).toEqual([]);
    });

    async function connect(server: ServerUnderTest, options?: ConnectOptions): Promise<Subject> {
      const subject = await lab.connect(server, options);
      subjects.push(subject);
      return subject;
    }
    async function failure(server: ServerUnderTest, options: ConnectOptions): Promise<AppError> {
      const thrown: unknown = await connect(server, options).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!(thrown instanceof AppError)) throw new Error(`not an AppError: ${String(thrown)}`);
      return thrown;
    }

    describe("connects", () => {
      test("and knows what the server said of itself", async () => {
        const { upstream } = await connect("sdk");
        expect(upstream.hello).toEqual({
          revision: "2025-11-25",
          serverInfo: '{"name":"sdk-v1","version":"1.32.2"}',
          capabilities: '{"tools":{"listChanged":true},"prompts":{},"resources":{}}',
          instructions: INSTRUCTIONS,
        });
        expect(upstream.inFlight).toBe(0);
      });

      test.each(LEGACY_REVISIONS)("to a server of %s", async (revision) => {
        const { upstream } = await connect(["raw", "old", revision]);
        expect(upstream.hello.revision).toBe(revision);
        expect(upstream.hello.instructions).toBeUndefined();
        expect(await textOf(callTool(upstream, "noop"))).toBe("done");
      });

      test("not to a server of a revision that nobody knows", async () => {
        const error = await failure(["raw", "old", "1999-01-01"], {});
        expect(error.code).toBe("start-failed");
        expect(error.message).toContain("1999-01-01");
      });

      test("not to a server that does not answer initialize in time", async () => {
        const error = await failure(["raw", "hang-initialize"], { startTimeoutMs: 300 });
        expect(error.code).toBe("start-failed");
        expect(error.message).toContain("0.3 s");
      });

      test("not when it is called off at once", async () => {
        expect((await failure(["raw", "hang-initialize"], { signal: AbortSignal.abort() })).code).toBe(
          "start-failed",
        );
      });

      test("not when it is called off while the server starts", async () => {
        const calledOff = new AbortController();
        const failed = failure(["raw", "hang-initialize"], { signal: calledOff.signal });
        await until("the server is there", () => lab.leftovers().length > 0);
        calledOff.abort();
        expect((await failed).code).toBe("start-failed");
      });
    });

    describe("carries bytes", () => {
      test("of params there and of results back, unchanged", async () => {
        const { upstream } = await connect(["raw", "echo"]);
        expect(await resultOf(request(upstream, "vendor/method é", FRAGILE))).toBe(
          `{"content":[],"params":${FRAGILE}}`,
        );
        expect(await resultOf(request(upstream, "tools/call", '{"name":"odd"}'))).toBe(ODD_RESULT);
        expect(await resultOf(request(upstream, "no/params", undefined))).toBe(
          '{"content":[],"params":null}',
        );
      });

      test("of JSON-RPC errors", async () => {
        const { upstream } = await connect(["raw", "lies"]);
        const outcome = await callTool(upstream, "no such lie").outcome;
        expect(outcome).toMatchObject({ kind: "error", text: '{"code":-32602,"message":"no such lie"}' });
      });

      test("of a megabyte and of twelve, in both directions", async () => {
        const { upstream } = await connect("sdk");
        for (const bytes of [MIB, TWELVE_MB]) {
          expect(await textOf(callTool(upstream, "size", { text: "x".repeat(bytes) }))).toBe(String(bytes));
          expect((await textOf(callTool(upstream, "big", { bytes }))) === "x".repeat(bytes)).toBe(true);
        }
      });

      test("of results that nobody writes to afterwards", async () => {
        const { upstream } = await connect("sdk");
        const kept = await callTool(upstream, "echo", { text: "first" }).outcome;
        await Promise.all(
          Array.from({ length: 50 }, () => resultOf(callTool(upstream, "big", { bytes: 10_000 }))),
        );
        if (kept.kind !== "result") throw new Error("no result");
        expect(Buffer.from(kept.bytes).toString()).toBe('{"content":[{"type":"text","text":"first"}]}');
      });
    });

    describe("tells calls apart", () => {
      test("200 at once", async () => {
        const { upstream } = await connect("sdk");
        const calls = Array.from({ length: 200 }, (_, index) =>
          callTool(upstream, "echo", { text: `call ${index}` }),
        );
        expect(upstream.inFlight).toBe(200);
        expect(await Promise.all(calls.map(textOf))).toEqual(calls.map((_, index) => `call ${index}`));
        expect(upstream.inFlight).toBe(0);
        expect(calls.flatMap(({ heard }) => heard)).toEqual(calls.map(() => "result"));
      });

      test("when one is overtaken by another", async () => {
        const { upstream } = await connect("sdk");
        const slow = callTool(upstream, "slow", { ms: 600_000 });
        expect(await textOf(callTool(upstream, "echo", { text: "overtakes" }))).toBe("overtakes");
        expect(slow.heard).toEqual([]);
        slow.cancel("seen enough");
      });

      test.each(LIES_THEN_TRUTH)("when the server lies: %s", async (lie) => {
        const { upstream } = await connect(["raw", "lies"]);
        const calls = [callTool(upstream, lie), callTool(upstream, lie)];
        expect(await Promise.all(calls.map(textOf))).toEqual(["true", "true"]);
        expect(await textOf(callTool(upstream, "stranger"))).toBe("true");
        expect(calls.map(({ heard }) => heard)).toEqual([["result"], ["result"]]);
      });

      test("and loses one whose answer names two requests when its time is up", async () => {
        const { upstream } = await connect(["raw", "lies"]);
        const call = callTool(upstream, "duplicate_id", {}, { timeoutMs: 300 });
        expect((await call.outcome).kind).toBe("lost");
        expect(await textOf(callTool(upstream, "stranger"))).toBe("true");
        expect(call.heard).toEqual(["lost"]);
      });

      test("and loses one that was answered with a result and an error, at once", async () => {
        const { upstream } = await connect(["raw", "lies"]);
        const call = callTool(upstream, "both", {}, { timeoutMs: 3_600_000 });
        expect((await call.outcome).kind).toBe("lost");
        expect(call.heard).toEqual(["lost"]);
      });

      test("and hands on a result that is no object", async () => {
        const { upstream } = await connect(["raw", "lies"]);
        expect(await resultOf(callTool(upstream, "number_result"))).toBe("1");
      });
    });

    describe("passes progress on", () => {
      test("in order, before the result, and with a token of ours in place of the caller's", async () => {
        const { upstream } = await connect("sdk");
        const calls = ['"mine"', "907199254740993000"].map((token) =>
          callTool(upstream, "slow", { ms: 40 }, { token }),
        );
        expect(await Promise.all(calls.map(textOf))).toEqual(["done", "done"]);
        for (const { heard, progress } of calls) {
          expect(heard).toEqual(["progress", "progress", "progress", "progress", "result"]);
          expect(progress.map(({ params }) => JSON.parse(params).progress)).toEqual([1, 2, 3, 4]);
          expect(progress.every(({ params, token }) => params.includes(`"progressToken":${token}`))).toBe(
            true,
          );
        }
        const tokens = calls.map(({ progress }) => new Set(progress.map(({ token }) => token)));
        expect(tokens.map(({ size }) => size)).toEqual([1, 1]);
        expect(new Set(tokens.flatMap((set) => [...set])).size).toBe(2);
      });

      test("and changes nothing of the params but the token", async () => {
        const { upstream } = await connect(["raw", "echo"]);
        const params = `{"name":"raw","_meta":{"progressToken":"mine é","x":1.0},"arguments":${FRAGILE}}`;
        const start = params.indexOf('"mine');
        const at = { start, end: start + Buffer.byteLength('"mine é"') };
        const result = await resultOf(request(upstream, "tools/call", params, {}, at));
        const sent = result.slice('{"content":[],"params":'.length, -1);
        expect(sent.replace(/"progressToken":\d+/, '"progressToken":"mine é"')).toBe(params);
        expect(sent).not.toContain("mine");
      });
    });

    describe("gives calls up", () => {
      test("when they are cancelled: the server hears it, the sink hears nothing", async () => {
        const { upstream, stderr } = await connect("sdk");
        const call = callTool(upstream, "slow", { ms: 2_000 }, { token: "1" });
        await until("the call is under way", () => call.progress.length > 0);
        call.cancel("enough");
        call.cancel("really");
        expect(upstream.inFlight).toBe(0);
        const heard = [...call.heard];
        await until("the server hears of it", () => stderr().includes("slow: cancelled"));
        expect(await textOf(callTool(upstream, "echo", { text: "after" }))).toBe("after");
        expect(call.heard).toEqual(heard);
      });

      test("when time runs out: the server hears it, the sink once", async () => {
        const { upstream, stderr } = await connect("sdk");
        const call = callTool(upstream, "slow", { ms: 600_000 }, { timeoutMs: 1_000 });
        const outcome = await call.outcome;
        expect(outcome).toMatchObject({ kind: "lost", code: "server-timeout" });
        expect(upstream.inFlight).toBe(0);
        await until("the server hears of it", () => stderr().includes("slow: cancelled"));
        call.cancel("too late");
        expect(await textOf(callTool(upstream, "echo", { text: "after" }))).toBe("after");
        expect(call.heard).toEqual(["lost"]);
      });

      test("and only those", async () => {
        const { upstream } = await connect(["raw", "hang", "tools/call"]);
        const calls = Array.from({ length: 20 }, () => callTool(upstream, "noop", {}, { timeoutMs: 200 }));
        expect(await resultOf(request(upstream, "tools/list", undefined))).toContain('"noop"');
        const outcomes = await Promise.all(calls.map(({ outcome }) => outcome));
        expect(
          outcomes.every((outcome) => outcome.kind === "lost" && outcome.code === "server-timeout"),
        ).toBe(true);
        expect(await resultOf(request(upstream, "ping", undefined))).toBe("{}");
      });
    });

    describe("ends", () => {
      test("with the server: every sink hears it once, and so does the keeper", async () => {
        const { upstream } = await connect("sdk");
        const calls = Array.from({ length: 20 }, () => callTool(upstream, "slow", { ms: 600_000 }));
        await textOf(callTool(upstream, "echo", { text: "they are under way" }));
        const last = callTool(upstream, "crash", { message: "goodbye" });
        const outcomes = await within(
          "all are lost",
          Promise.all([...calls, last].map(({ outcome }) => outcome)),
        );
        expect(outcomes.map(({ kind }) => kind)).toEqual(outcomes.map(() => "lost"));
        const over = await within("closed", upstream.closed);
        expect(over).toBeInstanceOf(AppError);
        expect(over.code).toBe("server-lost");
        expect(upstream.inFlight).toBe(0);
        const late = callTool(upstream, "echo", { text: "late" });
        expect((await late.outcome).kind).toBe("lost");
        upstream.notify("notifications/late", undefined);
        await upstream.close();
        expect([...calls, last, late].map(({ heard }) => heard)).toEqual(
          [...calls, last, late].map((): Call["heard"] => ["lost"]),
        );
      });

      test("when it is told to, once, with nothing left", async () => {
        const { upstream } = await connect(["raw", "hang", "tools/call"]);
        const calls = Array.from({ length: 5 }, () => callTool(upstream, "noop"));
        await resultOf(request(upstream, "ping", undefined));
        await within("closed", Promise.all([upstream.close(), upstream.close()]));
        expect(lab.leftovers()).toEqual([]);
        expect((await within("closed", upstream.closed)).code).toBe("server-lost");
        await upstream.close();
        const late = callTool(upstream, "noop");
        for (const call of [...calls, late]) {
          expect((await call.outcome).kind).toBe("lost");
          expect(call.heard).toEqual(["lost"]);
        }
        late.cancel("no matter");
      });
    });

    describe("hears the server", () => {
      test("say that its tools changed", async () => {
        const heard: { method: string; params: Uint8Array | undefined }[] = [];
        const listener: UpstreamListener = {
          notification: (method, params) => heard.push({ method, params }),
        };
        const { upstream } = await connect("sdk", { listener });
        // The server tells whoever listens at that moment: over HTTP that begins a little after the handshake.
        await until("the notification comes", async () => {
          await textOf(callTool(upstream, "add_tool", { name: `added_${crypto.randomUUID()}` }));
          return heard.length > 0;
        });
        expect(heard[0]).toEqual({ method: "notifications/tools/list_changed", params: undefined });
      });

      test("but not its progress, nor what is no notification", async () => {
        const heard: string[] = [];
        const { upstream } = await connect(["raw", "lies"], {
          listener: { notification: (method) => heard.push(method) },
        });
        await textOf(callTool(upstream, "strange_progress"));
        await textOf(callTool(upstream, "strange_list_changed"));
        expect(heard).toEqual([]);
      });

      test("ask, and answers: a ping with nothing, all else with a refusal", async () => {
        const { upstream } = await connect(["raw", "server-requests"]);
        expect(await textOf(callTool(upstream, "ask", { method: "ping" }))).toBe(
          '{"jsonrpc":"2.0","id":4,"result":{}}',
        );
        const refusal: unknown = JSON.parse(
          await textOf(callTool(upstream, "ask", { method: "roots/list" })),
        );
        expect(refusal).toEqual({
          jsonrpc: "2.0",
          id: 5,
          error: { code: -32601, message: expect.any(String) },
        });
        const early = await until("the first three are answered", async () => {
          const answers: { id: number; result?: unknown; error?: { code: number } }[] = JSON.parse(
            await textOf(callTool(upstream, "answers")),
          );
          return answers.length === 5 && answers;
        });
        const byId = early.toSorted((a, b) => a.id - b.id).map(({ result, error }) => result ?? error?.code);
        expect(byId).toEqual([{}, -32601, -32601, {}, -32601]);
      });
    });
  });
}

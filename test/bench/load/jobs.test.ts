// The load generator believes nothing: right answers count, in either form, and one wrong answer ends the job.

import { expect, test } from "bun:test";
import * as v from "valibot";
import type { Job } from "./job.ts";
import { perform } from "./jobs.ts";
import { Numbers } from "./numbers.ts";

const Call = v.object({
  id: v.number(),
  params: v.object({ arguments: v.object({ text: v.string(), bytes: v.optional(v.number()) }) }),
});
type Call = v.InferOutput<typeof Call>;

const JSON_TYPE = { "content-type": "application/json" };
const EVENT_TYPE = { "content-type": "text/event-stream" };
/** The call, counted from 0, at which a lying server lies: the answers before it have taught the generator. */
const LIE_AT = 3;

const HONEST: Readonly<Record<string, (call: Call) => Response>> = {
  json: (call) => new Response(answer(call.id, textOf(call)), { headers: JSON_TYPE }),
  "event stream": (call) =>
    new Response(`event: message\ndata: ${answer(call.id, textOf(call))}\n\n`, { headers: EVENT_TYPE }),
  "event stream with other events before": (call) => {
    const progress =
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":1}}';
    const events = [
      `: comment`,
      `id: 7\ndata:`,
      `data: ${progress}`,
      `data: ${answer(call.id, textOf(call))}`,
    ];
    return new Response(`${events.join("\n\n")}\n\n`, { headers: EVENT_TYPE });
  },
};

const LYING: Readonly<Record<string, (call: Call) => Response>> = {
  "another id": (call) => new Response(answer(call.id + 1, textOf(call)), { headers: JSON_TYPE }),
  "the text of another call": (call) =>
    new Response(answer(call.id, `${call.id - 1}`), { headers: JSON_TYPE }),
  "a text that is too short": (call) =>
    new Response(answer(call.id, textOf(call).slice(0, -1)), { headers: JSON_TYPE }),
  "one wrong byte": (call) =>
    new Response(answer(call.id, textOf(call).replace(/.$/, "!")), { headers: JSON_TYPE }),
  "an error": (call) =>
    new Response(`{"jsonrpc":"2.0","id":${call.id},"error":{"code":1,"message":"no"}}`, {
      headers: JSON_TYPE,
    }),
  "a status": () => new Response("no", { status: 500 }),
  "two answers": (call) => {
    const data = `data: ${answer(call.id, textOf(call))}\n\n`;
    return new Response(data + data, { headers: EVENT_TYPE });
  },
  "no answer in the stream": () => new Response("data: {}\n\n", { headers: EVENT_TYPE }),
};

test.each(Object.entries(HONEST))("right answers as %s", async (_name, respond) => {
  const { answers, values } = await runAgainst((call) => respond(call));
  expect(answers).toBe(20);
  expect(values["perSecond"]).toBeGreaterThan(0);
});

test.each(Object.entries(LYING))("%s ends the job", async (_name, lie) => {
  let calls = 0;
  const honest = HONEST["json"] ?? lie;
  const job = runAgainst((call) => (calls++ === LIE_AT ? lie(call) : honest(call)));
  await expect(job).rejects.toThrow();
  expect(calls).toBe(LIE_AT + 1);
});

/** One session that asks twenty times for 1000 bytes. */
async function runAgainst(respond: (call: Call) => Response) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      if (request.method === "DELETE") return new Response();
      const message: unknown = await request.json();
      if (v.is(Call, message)) return respond(message);
      const hello = v.safeParse(v.object({ id: v.number(), method: v.literal("initialize") }), message);
      if (!hello.success) return new Response(null, { status: 202 });
      const result =
        '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"t","version":"1"}}';
      const headers = { ...JSON_TYPE, "mcp-session-id": "Case-Kept" };
      return new Response(`{"jsonrpc":"2.0","id":${hello.output.id},"result":${result}}`, { headers });
    },
  });
  const job: Job = {
    kind: "ask",
    target: { url: server.url.href },
    asked: { ask: "blob", tool: "blob", bytes: 1000 },
    concurrency: 1,
    warmupMs: 0,
    durationMs: 20_000,
    maxAnswers: 20,
  };
  try {
    return await perform(job, new Numbers());
  } finally {
    await server.stop(true);
  }
}

function textOf({ params }: Call): string {
  const { text, bytes = 0 } = params.arguments;
  return text + "abcdefghijklmnopqrstuvwxyz".repeat(bytes / 26 + 1).slice(0, bytes - text.length);
}

function answer(id: number, text: string): string {
  return JSON.stringify({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text }] } });
}

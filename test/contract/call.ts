// One call through an upstream, with everything its sink hears written down: the suite's view of AnswerSink.

import type { AppError } from "../../src/errors.ts";
import type { PendingCall, Upstream } from "../../src/upstream/upstream.ts";

export type Outcome =
  | { readonly kind: "result" | "error"; readonly text: string; readonly bytes: Uint8Array }
  | { readonly kind: "lost"; readonly code: string; readonly sentence: string };

export interface Call extends PendingCall {
  readonly outcome: Promise<Outcome>;
  /** All that the sink heard, in order: more than one outcome, or anything after it, is a broken promise. */
  readonly heard: readonly ("result" | "error" | "lost" | "progress")[];
  /** `params` of each progress, and what stood at its token. */
  readonly progress: readonly { readonly params: string; readonly token: string }[];
}

export interface CallOptions {
  readonly timeoutMs?: number;
  /** Raw JSON of `_meta.progressToken`, as the caller sent it. */
  readonly token?: string;
}

const DEFAULT_TIMEOUT_MS = 60_000;

/** `tools/call`; `args` is raw JSON or a value. */
export function callTool(
  upstream: Upstream,
  name: string,
  args: unknown = {},
  options: CallOptions = {},
): Call {
  const raw = typeof args === "string" ? args : JSON.stringify(args);
  const head = `{"name":${JSON.stringify(name)},"arguments":${raw}`;
  if (options.token === undefined) return request(upstream, "tools/call", `${head}}`, options);
  const before = `${head},"_meta":{"progressToken":`;
  const start = Buffer.byteLength(before);
  const at = { start, end: start + Buffer.byteLength(options.token) };
  return request(upstream, "tools/call", `${before}${options.token}}}`, options, at);
}

export function request(
  upstream: Upstream,
  method: string,
  params: string | undefined,
  options: CallOptions = {},
  progressToken?: { start: number; end: number },
): Call {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const heard: ("result" | "error" | "lost" | "progress")[] = [];
  const progress: { params: string; token: string }[] = [];
  const bytes = params === undefined ? undefined : new TextEncoder().encode(params);
  const answered = (kind: "result" | "error") => (value: Uint8Array) => {
    heard.push(kind);
    resolve({ kind, text: Buffer.from(value).toString(), bytes: value });
  };
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const pending = upstream.begin(
    { method, params: bytes, progressToken, timeoutMs },
    {
      result: answered("result"),
      error: answered("error"),
      progress: (raw, at) => {
        heard.push("progress");
        const text = (from: number, to: number): string => Buffer.from(raw.subarray(from, to)).toString();
        progress.push({ params: text(0, raw.length), token: text(at.start, at.end) });
      },
      lost: (error: AppError) => {
        heard.push("lost");
        resolve({ kind: "lost", code: error.code, sentence: error.message });
      },
    },
  );
  return { cancel: (reason) => pending.cancel(reason), outcome: promise, heard, progress };
}

/** The raw `result`; throws for any other outcome. */
export async function resultOf(call: Call): Promise<string> {
  const outcome = await call.outcome;
  if (outcome.kind !== "result") throw new Error(`no result: ${JSON.stringify(outcome)}`);
  return outcome.text;
}

/** The text of a tool result's first block. */
export async function textOf(call: Call): Promise<string> {
  const result: { content: { text: string }[] } = JSON.parse(await resultOf(call));
  return result.content[0]?.text ?? "";
}

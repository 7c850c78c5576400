// An upstream that answers from a function of the test: what readers of a server are tried with.

import type { AppError } from "../../src/errors.ts";
import type {
  AnswerSink,
  Hello,
  PendingCall,
  Upstream,
  UpstreamRequest,
} from "../../src/upstream/upstream.ts";
import { HELLO } from "./scripted-connector.ts";

export type Answer =
  | { readonly result: string | Uint8Array }
  | { readonly error: string }
  | { readonly lost: AppError }
  /** No answer, until it is cancelled. */
  | "silence";

export interface Asked {
  readonly method: string;
  /** Raw JSON. */
  readonly params: string | undefined;
  readonly timeoutMs: number;
}

export interface AnsweringUpstream extends Upstream {
  readonly asked: readonly Asked[];
  /** The reasons of calls that were cancelled. */
  readonly cancelled: readonly string[];
}

/** Answers before `begin` returns, as a connection that is gone does, unless `later`. */
export function answeringUpstream(
  answer: (asked: Asked) => Answer,
  { hello = {}, later = true }: { hello?: Partial<Hello>; later?: boolean } = {},
): AnsweringUpstream {
  const asked: Asked[] = [];
  const cancelled: string[] = [];
  const begin = (request: UpstreamRequest, sink: AnswerSink): PendingCall => {
    const { method, params, timeoutMs } = request;
    const question = { method, params: params && Buffer.from(params).toString(), timeoutMs };
    asked.push(question);
    const told = answer(question);
    if (later) queueMicrotask(() => tell(told, sink));
    else tell(told, sink);
    return { cancel: (reason) => void cancelled.push(reason) };
  };
  return {
    hello: { ...HELLO, ...hello },
    begin,
    notify: () => undefined,
    inFlight: 0,
    get begun() {
      return asked.length;
    },
    closed: new Promise(() => undefined),
    close: () => Promise.resolve(),
    asked,
    cancelled,
  };
}

function tell(answer: Answer, sink: AnswerSink): void {
  if (answer === "silence") return;
  if ("lost" in answer) return sink.lost(answer.lost);
  const [value, say] =
    "error" in answer ? [answer.error, sink.error.bind(sink)] : [answer.result, sink.result.bind(sink)];
  say(typeof value === "string" ? new TextEncoder().encode(value) : value);
}

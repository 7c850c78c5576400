// One request whose answer the appliance itself wants: a promise around an AnswerSink.

import { AppError } from "../errors.ts";
import { textOf } from "../wire/json-scan.ts";
import type { Upstream, UpstreamRequest } from "./upstream.ts";

const MAX_ERROR_CHARACTERS = 500;

export interface Question extends Omit<UpstreamRequest, "progressToken"> {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The raw `result`. @throws AppError `invalid-request` with the server's own words when it answered an error,
 * `interrupted` when `signal` aborts, or what the connection failed with.
 */
export function ask(upstream: Upstream, question: Question): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const { signal, ...request } = question;
  const call = upstream.begin(
    { ...request, progressToken: undefined },
    {
      result: resolve,
      error: (value) => reject(new AppError("invalid-request", serverError(question.method, value))),
      progress: () => undefined,
      lost: reject,
    },
  );
  if (signal === undefined) return promise;
  const giveUp = (): void => {
    call.cancel("interrupted");
    reject(new AppError("interrupted", `${question.method} was called off.`));
  };
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", giveUp));
}

function serverError(method: string, value: Uint8Array): string {
  const text = textOf(value, 0, Math.min(value.length, MAX_ERROR_CHARACTERS));
  return `The server answered ${method} with an error: ${text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "·")}`;
}

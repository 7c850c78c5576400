// One request through the gateway whose answer the appliance itself wants: a promise around the gateway's Reply.

import { AppError, isErrorCode } from "../errors.ts";
import type { Refusal, Reply } from "../gateway/reply.ts";
import { RPC } from "../model/protocol.ts";
import type { PendingCall } from "../upstream/upstream.ts";
import { compose } from "../wire/compose.ts";
import { textOf } from "../wire/json-scan.ts";

const MAX_ERROR_CHARACTERS = 2_000;

/**
 * The raw `result`. @throws AppError: what the gateway refused with, or `invalid-request` with the server's words.
 * Aborting `signal` cancels the call at the server.
 */
export function askThrough(
  send: (reply: Reply) => PendingCall | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const call = send({
    result: (...pieces) => resolve(compose(...pieces)),
    refuse: (refusal) => reject(refused(refusal)),
    serverError: (value) => {
      const text = textOf(value, 0, Math.min(value.length, MAX_ERROR_CHARACTERS));
      reject(new AppError("invalid-request", `The server answered with an error: ${text}`));
    },
    notify: () => undefined,
    drop: () => reject(new AppError("interrupted", "The call was cancelled.")),
  });
  const cancel = (): void => call?.cancel("cancelled by the administrator");
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", cancel));
}

function refused({ code, message, data }: Refusal): AppError {
  const named = data?.["code"];
  if (typeof named === "string" && isErrorCode(named)) return new AppError(named, message);
  return new AppError(code === RPC.invalidParams ? "not-found" : "invalid-request", message);
}

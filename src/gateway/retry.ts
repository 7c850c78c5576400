// Whether a call whose answer was lost may be made again, and the words for it. Nothing here makes one again: that is
// its caller's to decide.

import type { ErrorCode } from "../errors.ts";

/** `unknown`: it may have been carried out. */
export type Retry = "safe" | "unknown";

/** Methods that look at something and change nothing. */
const LOOKS_ONLY: ReadonlySet<string> = new Set([
  "prompts/get",
  "resources/read",
  "resources/list",
  "resources/templates/list",
  "tools/list",
  "prompts/list",
  "completion/complete",
  "ping",
]);

export interface LostCall {
  readonly method: string;
  readonly code: ErrorCode;
  /** The server got it, as far as can be told. */
  readonly wasSent: boolean;
  /** By the tool's own hints. Asked only where it decides. */
  readonly isRepeatable: () => boolean;
}

export function retryOf({ method, code, wasSent, isRepeatable }: LostCall): Retry {
  // A server that says that it is busy has not taken the call.
  if (!wasSent || code === "server-busy" || LOOKS_ONLY.has(method)) return "safe";
  return method === "tools/call" && isRepeatable() ? "safe" : "unknown";
}

/** For who made the call; undefined for one that never reached the server, whose error says all. */
export function retryAdvice(retry: Retry, wasSent: boolean): string | undefined {
  if (!wasSent) return undefined;
  return retry === "safe"
    ? "The call may be made again."
    : "The call may have been carried out and was not repeated: find out before you make it again.";
}

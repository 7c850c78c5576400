// Who a request is answered to, as the gateway sees it: the HTTP exchange today, the stdio bridge and recordings
// tomorrow. Exactly one of `result`, `refuse`, `serverError` and `drop` is called, once.

import type { Piece } from "../wire/compose.ts";

/** An error of Toolcrib's own making. */
export interface Refusal {
  readonly code: number;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
  /** Where the specification demands a status of its own; 200 otherwise. */
  readonly httpStatus?: number;
}

export interface Reply {
  /** `pieces` together are the raw JSON of `result`. */
  result(...pieces: readonly Piece[]): void;
  refuse(refusal: Refusal): void;
  /** `value` is the raw error object of the server. The status as in Refusal. */
  serverError(value: Uint8Array, httpStatus?: number): void;
  /** A notification that belongs to this request; `params` together are raw JSON. May be dropped when nobody reads. */
  notify(method: string, ...params: readonly Piece[]): void;
  /** The request was cancelled: nobody waits for an answer. */
  drop(): void;
}

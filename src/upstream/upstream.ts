// The connection to one server, whatever its kind and protocol revision: what the gateway calls, and what each
// kind (stdio, remote, …) implements. Messages cross as raw JSON bytes; nobody here parses a result.

import type { AppError } from "../errors.ts";

/** Half-open byte range. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A request on its way to a server. The bytes are the caller's and are not changed. */
export interface UpstreamRequest {
  readonly method: string;
  /** Raw JSON object, or undefined for none. Contains no line break. */
  readonly params: Uint8Array | undefined;
  /** Where in `params` the value of `_meta.progressToken` stands; the upstream puts its own there. */
  readonly progressToken: Range | undefined;
  /** Time without an answer or progress after which the call fails, in milliseconds. */
  readonly timeoutMs: number;
}

/** Who gets the answer. Exactly one of `result`, `error`, `lost` is called, once; nothing after it. */
export interface AnswerSink {
  /** `value` is the raw JSON of `result`. The bytes stay as they are: nobody writes to them again. */
  result(value: Uint8Array): void;
  /** `value` is the raw JSON-RPC error object that the server sent. */
  error(value: Uint8Array): void;
  /** `params` of a notifications/progress for this call; `token` is where its progressToken stands. */
  progress(params: Uint8Array, token: Range): void;
  /** No answer will come: the server ended, the connection broke, or time ran out. */
  lost(error: AppError): void;
}

export interface PendingCall {
  /** Tells the server that nobody waits any more. The sink hears nothing after this. Idempotent. */
  cancel(reason: string): void;
}

/** What the server said about itself in the handshake. */
export interface Hello {
  readonly revision: string;
  /** Raw JSON objects, as sent. */
  readonly serverInfo: string;
  readonly capabilities: string;
  readonly instructions: string | undefined;
}

/** Events that no single call is waiting for. */
export interface UpstreamListener {
  /** A notification of the server, progress excepted. `params` is raw JSON. */
  notification(method: string, params: Uint8Array | undefined): void;
}

export interface Upstream {
  readonly hello: Hello;
  /** Sends a request. Never throws: what goes wrong reaches the sink (possibly before `begin` returns). */
  begin(request: UpstreamRequest, sink: AnswerSink): PendingCall;
  /** Sends a notification; drops it when the connection is gone. */
  notify(method: string, params: Uint8Array | undefined): void;
  /** Requests without an answer so far. */
  readonly inFlight: number;
  /** Requests since the connection began: whoever looks from time to time sees by it whether it is used. */
  readonly begun: number;
  /** Resolves once, when the connection is over, with the reason; never rejects. */
  readonly closed: Promise<AppError>;
  /** Ends the connection in good order, and the process behind it. Resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** Makes a connection to one server: the handshake is done when the promise resolves. */
export interface Connector {
  /**
   * @throws AppError `start-failed` when the server cannot be started or does not answer the handshake in time;
   * `blocked` when it cannot start at all as things are, and trying again would not help. By then nothing of the
   * attempt is left running. Aborting `signal` is a `start-failed` too.
   */
  connect(listener: UpstreamListener, signal: AbortSignal): Promise<Upstream>;
}

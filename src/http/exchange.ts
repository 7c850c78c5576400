// One POST on /mcp and its answer: JSON as long as the result is all there is to say, an event stream from the first
// notification on, or when the answer is so long in coming that a proxy might hang up. Implements the gateway's Reply.

import type { Refusal, Reply } from "../gateway/reply.ts";
import { asciiJson, encodeJson, type Piece } from "../wire/compose.ts";
import type { Scratch } from "../wire/scratch.ts";
import { sseEvent } from "../wire/sse.ts";
import { EventStream } from "./event-stream.ts";
import type { Pulse } from "./pulse.ts";

/** What the client can read (MCP, Transports, Sending Messages: it lists both; one alone is served too). */
export interface Accepts {
  readonly json: boolean;
  readonly events: boolean;
}

/** Shared by all exchanges. */
export interface ExchangeTools {
  readonly pulse: Pulse;
  readonly scratch: Scratch;
}

const JSON_HEADERS = { "content-type": "application/json" };

export class Exchange implements Reply {
  readonly response: Promise<Response>;
  readonly #id: Uint8Array;
  readonly #accepts: Accepts;
  readonly #pulse: Pulse;
  readonly #scratch: Scratch;
  readonly #resolve: (response: Response) => void;
  #stream: EventStream | undefined;
  #over = false;
  /** Set before the answer, on the exchange that opens a session. */
  sessionId: string | undefined;

  constructor(id: Uint8Array, accepts: Accepts, { pulse, scratch }: ExchangeTools) {
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.response = promise;
    this.#resolve = resolve;
    this.#id = id;
    this.#accepts = accepts;
    this.#pulse = pulse;
    this.#scratch = scratch;
    pulse.add(this);
  }

  result(...pieces: readonly Piece[]): void {
    this.#answer(200, ',"result":', ...pieces, "}");
  }

  serverError(value: Uint8Array, httpStatus = 200): void {
    this.#answer(httpStatus, ',"error":', value, "}");
  }

  refuse({ code, message, data, httpStatus }: Refusal): void {
    const error = encodeJson(data === undefined ? { code, message } : { code, message, data });
    this.#answer(httpStatus ?? 200, ',"error":', error, "}");
  }

  notify(method: string, ...params: readonly Piece[]): void {
    if (this.#over || !this.#accepts.events) return;
    const head = `{"jsonrpc":"2.0","method":${asciiJson(method)},"params":`;
    this.#open().offer(sseEvent(this.#scratch.compose(head, ...params, "}")));
  }

  drop(): void {
    if (this.#over) return;
    this.#end();
    if (this.#stream !== undefined) return this.#stream.end();
    // A stream without a message: the cancelled request has no answer (MCP, Utilities, Cancellation).
    if (this.#accepts.events) return this.#resolve(EventStream.empty());
    this.#resolve(new Response(null, { status: 202 }));
  }

  /** From time to time, while there is no answer: shows the client and all proxies between that somebody is at work. */
  beat(): void {
    if (!this.#over && this.#accepts.events) this.#open().comment();
  }

  #open(): EventStream {
    if (this.#stream !== undefined) return this.#stream;
    this.#stream = new EventStream();
    this.#resolve(this.#stream.response(this.#headers()));
    return this.#stream;
  }

  #answer(status: number, ...afterId: readonly Piece[]): void {
    if (this.#over) return;
    this.#end();
    // Good until the next message is put together: everybody below copies it at once.
    const message = this.#scratch.compose('{"jsonrpc":"2.0","id":', this.#id, ...afterId);
    if (this.#stream !== undefined) {
      this.#stream.send(sseEvent(message));
      return this.#stream.end();
    }
    if (this.#accepts.json || status !== 200) {
      const headers = this.sessionId === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...this.#headers() };
      return this.#resolve(new Response(message, { status, headers }));
    }
    const headers = { ...this.#headers(), "content-type": "text/event-stream", "cache-control": "no-cache" };
    this.#resolve(new Response(sseEvent(message), { status, headers }));
  }

  #headers(): Record<string, string> {
    return this.sessionId === undefined ? {} : { "mcp-session-id": this.sessionId };
  }

  #end(): void {
    this.#over = true;
    this.#pulse.delete(this);
  }
}

// One event stream to a client that may read slowly or not at all: a bounded queue in front of the socket.

import type { SessionStream } from "../gateway/sessions.ts";
import { sseEvent } from "../wire/sse.ts";
import type { Beating } from "./pulse.ts";

/** What may wait for the client to read. Beyond it, what can be left out is left out. */
const MAX_WAITING_BYTES = 1_048_576;

const COMMENT = new TextEncoder().encode(":\n\n");

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache",
  // Streamable HTTP, Sending Messages: asks nginx and its like not to hold events back.
  "x-accel-buffering": "no",
};

export class EventStream {
  readonly #body: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(onCancel?: () => void) {
    this.#body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => {
          this.#controller = undefined;
          onCancel?.();
        },
      },
      { highWaterMark: MAX_WAITING_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  static empty(): Response {
    return new Response("", { headers: HEADERS });
  }

  response(headers: Readonly<Record<string, string>>): Response {
    return new Response(this.#body, { headers: { ...HEADERS, ...headers } });
  }

  /** For what must arrive: the one answer of a request. */
  send(event: Uint8Array): void {
    this.#controller?.enqueue(event);
  }

  /** For what may be left out when the client does not read. */
  offer(event: Uint8Array): void {
    if ((this.#controller?.desiredSize ?? 0) > 0) this.#controller?.enqueue(event);
  }

  comment(): void {
    this.offer(COMMENT);
  }

  end(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }
}

/** The stream of a session's GET: notifications that belong to no request. */
export class NotificationStream implements SessionStream, Beating {
  readonly #stream: EventStream;
  readonly #onEnd: () => void;

  /** `onEnd` is called when the stream is over, whichever side ended it; maybe twice. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#stream = new EventStream(onEnd);
    // The first bytes make the headers go out: a client waits for them before it calls the stream open.
    this.#stream.comment();
  }

  response(headers: Readonly<Record<string, string>>): Response {
    return this.#stream.response(headers);
  }

  send(message: Uint8Array): void {
    this.#stream.offer(sseEvent(message));
  }

  beat(): void {
    this.#stream.comment();
  }

  close(): void {
    this.#stream.end();
    this.#onEnd();
  }
}

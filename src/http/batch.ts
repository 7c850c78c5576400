// Several messages in one POST, which revision 2025-03-26 has and no other (2025-03-26, Transports, Sending Messages to
// the Server). Each request is served as if it had come alone; the answers share one JSON array, or one event stream
// from the first notification on.

import { agentRequest, type AgentRequest } from "../gateway/agent-request.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { sessionNotification, sessionRequest } from "../gateway/legacy.ts";
import type { Reply } from "../gateway/reply.ts";
import type { Session } from "../gateway/sessions.ts";
import { asciiJson, compose, encodeJson, onOneLine, type Piece } from "../wire/compose.ts";
import { readEnvelope } from "../wire/envelope.ts";
import { elementRanges, skipSpace } from "../wire/json-scan.ts";
import { sseEvent } from "../wire/sse.ts";
import { EventStream } from "./event-stream.ts";
import type { Accepts } from "./exchange.ts";
import type { Beating, Pulse } from "./pulse.ts";

/** The revision whose sessions may send them. */
export const BATCH_REVISION = "2025-03-26";
const MAX_MESSAGES = 100;
/** Answers beyond this are not kept for the array: they go out as events, where the client takes those. */
const MAX_KEPT_BYTES = 1_048_576;

/** Of all answers together: a client that does not read must not make one POST cost a hundred lists. */
const MAX_ANSWER_BYTES = 64 * 1_048_576;
const TOO_MUCH = encodeJson({
  code: 4130,
  message: "The answers of this batch are too large together: ask for less at once.",
});

interface Batch {
  readonly requests: readonly AgentRequest[];
  readonly notifications: readonly { readonly method: string; readonly params: Uint8Array | undefined }[];
}

/** What stands in the JSON array `body`. A string tells why all of it is refused: nothing is served by halves. */
export function readBatch(body: Uint8Array): Batch | string {
  const ranges = elementRanges(body, skipSpace(body, 0), MAX_MESSAGES);
  if (ranges === undefined) return `it has more than ${MAX_MESSAGES} messages`;
  if (ranges.length === 0) return "it is empty";
  const requests: AgentRequest[] = [];
  const notifications: { method: string; params: Uint8Array | undefined }[] = [];
  for (let index = 0; index + 1 < ranges.length; index += 2) {
    const bytes = body.subarray(ranges[index], ranges[index + 1]);
    const message = readEnvelope(bytes);
    const which = `message ${index / 2 + 1} is not valid`;
    if (message.kind === "bad") return `${which}: ${message.problem}`;
    if (message.kind === "result" || message.kind === "error") continue;
    const { method, params: at } = message;
    const params = at && onOneLine(bytes.subarray(at.start, at.end));
    if (message.kind === "notification") {
      notifications.push({ method, params });
      continue;
    }
    if (method === "initialize") return "initialize has to come alone";
    const request = agentRequest(message.id, method, params);
    if (typeof request === "string") return `${which}: ${request}`;
    requests.push(request);
  }
  return { requests, notifications };
}

export interface BatchOptions {
  readonly gateway: Gateway;
  readonly session: Session;
  readonly accepts: Accepts;
  readonly pulse: Pulse;
}

export function serveBatch({ requests, notifications }: Batch, options: BatchOptions): Promise<Response> {
  const { gateway, session, accepts, pulse } = options;
  const answers = new BatchAnswers(requests.length, accepts, pulse);
  for (const request of requests) sessionRequest(gateway, session, request, replyTo(request.id, answers));
  for (const { method, params } of notifications) sessionNotification(session, method, params);
  return answers.response;
}

function replyTo(id: Uint8Array, answers: BatchAnswers): Reply {
  const answer = (...afterId: readonly Piece[]): void => {
    const message = compose('{"jsonrpc":"2.0","id":', id, ...afterId, "}");
    const fits = answers.reserve(message.length);
    answers.add(fits ? message : compose('{"jsonrpc":"2.0","id":', id, ',"error":', TOO_MUCH, "}"));
  };
  return {
    result: (...pieces) => answer(',"result":', ...pieces),
    serverError: (value) => answer(',"error":', value),
    refuse: ({ code, message, data }) => answer(',"error":', encodeJson({ code, message, data })),
    notify(method, ...params) {
      answers.notify(compose(`{"jsonrpc":"2.0","method":${asciiJson(method)},"params":`, ...params, "}"));
    },
    // The cancelled request has no answer (MCP, Utilities, Cancellation).
    drop: () => answers.add(undefined),
  };
}

/** Gathers the answers of one batch. */
class BatchAnswers implements Beating {
  readonly response: Promise<Response>;
  readonly #resolve: (response: Response) => void;
  readonly #accepts: Accepts;
  readonly #pulse: Pulse;
  /** Requests without an outcome. */
  #due: number;
  #reservedBytes = 0;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #stream: EventStream | undefined;

  constructor(requests: number, accepts: Accepts, pulse: Pulse) {
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.response = promise;
    this.#resolve = resolve;
    this.#accepts = accepts;
    this.#pulse = pulse;
    this.#due = requests;
    if (requests > 0) pulse.add(this);
    else resolve(new Response(null, { status: 202 }));
  }

  /** False when the answers together would be too large; then it counts as nothing. */
  reserve(bytes: number): boolean {
    if (this.#reservedBytes + bytes > MAX_ANSWER_BYTES) return false;
    this.#reservedBytes += bytes;
    return true;
  }

  /** The outcome of one request; undefined for one without an answer. */
  add(answer: Buffer | undefined): void {
    this.#due--;
    if (answer !== undefined) this.#keep(answer);
    if (this.#due === 0) this.#end();
  }

  notify(message: Buffer): void {
    if (this.#accepts.events) this.#open().offer(sseEvent(message));
  }

  beat(): void {
    if (this.#accepts.events) this.#open().comment();
  }

  #keep(answer: Buffer): void {
    if (this.#stream !== undefined) return this.#stream.send(sseEvent(answer));
    this.#kept.push(answer);
    this.#keptBytes += answer.length;
    if (this.#keptBytes > MAX_KEPT_BYTES && this.#accepts.events) this.#open();
  }

  #open(): EventStream {
    if (this.#stream !== undefined) return this.#stream;
    const stream = new EventStream();
    this.#stream = stream;
    this.#resolve(stream.response({}));
    for (const answer of this.#kept) stream.send(sseEvent(answer));
    this.#kept = [];
    return stream;
  }

  #end(): void {
    this.#pulse.delete(this);
    if (this.#stream !== undefined || !this.#accepts.json) return this.#open().end();
    if (this.#kept.length === 0) return this.#resolve(new Response(null, { status: 202 }));
    const listed = this.#kept.flatMap((answer, index) => [index === 0 ? "[" : ",", answer]);
    const headers = { "content-type": "application/json" };
    this.#resolve(new Response(compose(...listed, "]"), { headers }));
  }
}

// One request to a remote server, from its POST to its answer: one JSON message, or an event stream that may break
// off and be continued. Called by the connection, which owns the call and aborts it.

import { toAppError } from "../errors.ts";
import { readEnvelope } from "../wire/envelope.ts";
import { discard, isEventStream, isJson, readEvents, readWhole, type StreamEnd } from "./remote-body.ts";
import type { RemoteEndpoint } from "./remote-endpoint.ts";
import { broken, noAnswer, tooLarge } from "./remote-failure.ts";
import { pause, reconnectDelayMs } from "./remote-waiting.ts";
import { parseOwnId, receiveMessage, type Inbox } from "./server-message.ts";

/** How long a stream may stay open after the answer that it was for. */
const LINGER_MS = 1_000;
/** Attempts in a row to continue a stream that bring nothing. */
const MAX_RESUMES = 3;

export interface RemoteCall {
  /** Pending in the inbox. */
  readonly id: number;
  readonly endpoint: RemoteEndpoint;
  readonly inbox: Inbox;
  readonly maxMessageBytes: number;
  /** Whoever aborts it has settled the call before. */
  readonly flight: AbortController;
  /** Sees the head of the answer before any of its messages. */
  readonly onResponse: (response: Response) => void;
}

/** Sends the request and settles the call, whatever happens. Never rejects. */
export async function perform(call: RemoteCall, message: Buffer<ArrayBuffer>): Promise<void> {
  const { id, endpoint, inbox, flight } = call;
  try {
    const response = await endpoint.post(message, flight.signal);
    if (!response.ok) return await refuse(call, response);
    call.onResponse(response);
    if (isEventStream(response)) return await follow(call, response);
    await readAnswer(call, response);
  } catch (thrown) {
    inbox.pending.lose(id, toAppError(thrown));
  }
}

async function readAnswer(
  { id, endpoint, inbox, maxMessageBytes }: RemoteCall,
  response: Response,
): Promise<void> {
  const { where } = endpoint;
  if (!isJson(response)) {
    await discard(response);
    throw noAnswer(where, `sent status ${response.status} without a message`);
  }
  const answer = await readWhole(response, maxMessageBytes).catch((thrown: unknown) => {
    throw broken(where, thrown);
  });
  if (answer === undefined) throw tooLarge(where, maxMessageBytes);
  receiveMessage(answer, inbox);
  if (inbox.pending.has(id)) throw noAnswer(where, `sent something else (${endpoint.quote(answer)})`);
}

/** A status other than 2xx. The server may have put a proper answer under it. */
async function refuse({ id, endpoint, inbox }: RemoteCall, response: Response): Promise<void> {
  const body = await endpoint.readRefusal(response);
  const message = readEnvelope(body);
  if (message.kind === "error" && parseOwnId(message.id) === id) return receiveMessage(body, inbox);
  throw endpoint.refusal(response.status, body);
}

/**
 * Reads the stream until the call is settled. A server may end the stream before that and have it continued with
 * GET (MCP 2025-11-25, Transports, Resumability and Redelivery); where it gave no event id, nothing can be continued.
 */
async function follow(call: RemoteCall, first: Response): Promise<void> {
  const { id, endpoint, inbox, flight } = call;
  let response = first;
  let lastEventId = "";
  let retryMs: number | undefined;
  for (let failures = 0; ; failures++) {
    const end = await readStream(call, response, lastEventId);
    if (!inbox.pending.has(id)) return;
    if (end.how === "too-large") throw tooLarge(endpoint.where, call.maxMessageBytes);
    ({ lastEventId } = end);
    retryMs = end.retryMs ?? retryMs;
    if (end.events > 0) failures = 0;
    if (lastEventId === "" || failures > MAX_RESUMES) {
      throw end.how === "broken"
        ? broken(endpoint.where, end.cause)
        : noAnswer(endpoint.where, "ended its stream");
    }
    await pause(reconnectDelayMs(retryMs, end.how === "broken", failures), flight.signal);
    response = await endpoint.listen(lastEventId, flight.signal);
    if (!response.ok) return refuse(call, response);
  }
}

async function readStream(call: RemoteCall, response: Response, lastEventId: string): Promise<StreamEnd> {
  const { id, inbox, flight, maxMessageBytes } = call;
  let linger: Timer | undefined;
  const onMessage = (message: Uint8Array): void => {
    receiveMessage(message, inbox);
    if (!inbox.pending.has(id)) linger ??= setTimeout(() => flight.abort(), LINGER_MS);
  };
  try {
    return await readEvents(response, maxMessageBytes, lastEventId, onMessage);
  } finally {
    clearTimeout(linger);
  }
}

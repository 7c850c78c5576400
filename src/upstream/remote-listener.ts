// The stream on which a remote server says what nobody asked for (MCP 2025-11-25, Transports, Listening for Messages
// from the Server): opened with GET, opened again when it ends. Its owner is the connection, by the signal.

import { systemErrorCode } from "../errors.ts";
import type { Log } from "../log.ts";
import { discard, isEventStream, readEvents } from "./remote-body.ts";
import type { RemoteEndpoint } from "./remote-endpoint.ts";
import { pause, reconnectDelayMs } from "./remote-waiting.ts";

/** Attempts in a row that bring nothing; after that the server's notifications are not heard any more. */
const MAX_FAILURES = 6;
/** A stream that lived this long was a good one, even if the server had nothing to say. */
const GOOD_LIFE_MS = 5_000;

export interface ListenOptions {
  readonly endpoint: RemoteEndpoint;
  readonly maxEventBytes: number;
  readonly onMessage: (message: Uint8Array) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Resolves when `signal` aborts, when the server has no such stream, or when it gave up. Never rejects. */
export async function listenToServer(options: ListenOptions): Promise<void> {
  const { endpoint, log, signal } = options;
  let lastEventId = "";
  let retryMs: number | undefined;
  let everOpen = false;
  let wasBroken = false;
  let failures = 0;
  while (failures <= MAX_FAILURES) {
    const opened = performance.now();
    const response = await open(endpoint, lastEventId, everOpen, signal);
    if (response === "none" || signal.aborted) return;
    failures++;
    if (response !== undefined) {
      everOpen = true;
      const end = await readEvents(response, options.maxEventBytes, lastEventId, options.onMessage);
      if (signal.aborted) return;
      const { how, events } = end;
      log.debug("server stream ended", {
        server: endpoint.where,
        how,
        system: systemErrorCode(end.cause),
        events,
      });
      ({ lastEventId } = end);
      retryMs = end.retryMs ?? retryMs;
      wasBroken = how === "broken";
      const wasGood = events > 0 || performance.now() - opened > GOOD_LIFE_MS;
      if (wasGood && how !== "too-large") failures = 0;
    }
    await pause(reconnectDelayMs(retryMs, wasBroken, failures), signal);
    if (signal.aborted) return;
  }
  log.warn("server stream given up: its notifications are not heard until it is restarted", {
    server: endpoint.where,
  });
}

/** An open stream; `none` where the server has none to offer; undefined for a failure that may pass. */
async function open(
  endpoint: RemoteEndpoint,
  lastEventId: string,
  everOpen: boolean,
  signal: AbortSignal,
): Promise<Response | "none" | undefined> {
  // Where the server is gone for good, the endpoint tells the connection, which aborts the signal.
  const response = await endpoint.listen(lastEventId, signal).catch(() => undefined);
  if (response === undefined) return undefined;
  if (response.ok && isEventStream(response)) return response;
  if (response.ok) {
    await discard(response);
    return "none";
  }
  const body = await endpoint.readRefusal(response);
  if (response.status >= 500) return undefined;
  // A server without this stream answers 405, or 404 where it knows no GET at all; that says nothing of the session
  // unless the stream was there before.
  if (everOpen) endpoint.refusal(response.status, body);
  return "none";
}

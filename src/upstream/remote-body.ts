// Reads the bodies of a remote server's answers: pulled piece by piece, so that what is not read stays on the
// network, and never more than a bound.

import { readShared } from "../process/shared-reading.ts";
import { ByteBuilder } from "../wire/byte-builder.ts";
import { SseParser } from "../wire/sse.ts";

/** What is read of a body that nobody needs: enough for the connection to be used again, mostly. */
const DISCARD_BYTES = 65_536;

export function isEventStream(response: Response): boolean {
  return mediaType(response) === "text/event-stream";
}

export function isJson(response: Response): boolean {
  return mediaType(response) === "application/json";
}

function mediaType(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";", 1).join().trim().toLowerCase();
}

/** The whole body; undefined when it is over `maxBytes`. Rejects when the connection breaks. */
export async function readWhole(response: Response, maxBytes: number): Promise<Uint8Array | undefined> {
  const bytes = new ByteBuilder(maxBytes);
  // NB: leaving the loop early cancels the body, and the connection with it.
  for await (const chunk of response.body ?? []) {
    if (!bytes.append(chunk)) return undefined;
  }
  return bytes.take();
}

/** The first `maxBytes` of the body, or what came of them before the connection broke. Never rejects. */
export async function readBeginning(response: Response, maxBytes: number): Promise<Uint8Array> {
  const bytes = new ByteBuilder(maxBytes);
  try {
    for await (const chunk of response.body ?? []) {
      if (bytes.append(chunk)) continue;
      bytes.append(chunk.subarray(0, maxBytes - bytes.length));
      break;
    }
  } catch {
    // The beginning is for a sentence about an answer that is no good already.
  }
  return bytes.take();
}

export async function discard(response: Response): Promise<void> {
  await readBeginning(response, DISCARD_BYTES);
}

/** How an event stream ended, and what is needed to go on with it. */
export interface StreamEnd {
  /** `broken`: the connection failed; `cause` has what was thrown. */
  readonly how: "closed" | "broken" | "too-large";
  readonly cause: unknown;
  /** Empty where the stream cannot be continued. */
  readonly lastEventId: string;
  readonly retryMs: number | undefined;
  /** Events that came, those without data included. */
  readonly events: number;
}

/** What may stand in a header: another id cannot be sent back. */
const SENDABLE_ID = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/** Reads an event stream to its end and hands each message on. Never rejects. */
export async function readEvents(
  response: Response,
  maxEventBytes: number,
  lastEventId: string,
  onMessage: (message: Uint8Array) => void,
): Promise<StreamEnd> {
  let events = 0;
  const parser = new SseParser(
    maxEventBytes,
    ({ event, data }) => {
      events++;
      if (event === "message" && data.length > 0) onMessage(data);
    },
    lastEventId,
  );
  let how: StreamEnd["how"] = "closed";
  let cause: unknown;
  try {
    await readShared(response.body ?? [], (chunk) => {
      if (parser.push(chunk)) return true;
      how = "too-large";
      return false;
    });
  } catch (thrown) {
    how = "broken";
    cause = thrown;
  }
  const sendable = SENDABLE_ID.test(parser.lastEventId) ? parser.lastEventId : "";
  return { how, cause, lastEventId: sendable, retryMs: parser.retryMs, events };
}

// What becomes of a message from a server: answers go to the calls that wait for them, notifications to the
// listener, requests are answered. The same for every kind of upstream; how the bytes travel is the kind's own.

import { OPEN_BRACKET } from "../wire/json-bytes.ts";
import { AppError } from "../errors.ts";
import { readEnvelope, type Envelope } from "../wire/envelope.ts";
import { elementRanges, findMember, skipSpace, type Found } from "../wire/json-scan.ts";
import { answerMessage } from "./client-message.ts";
import type { PendingCalls } from "./pending-calls.ts";
import type { UpstreamListener } from "./upstream.ts";

export interface Inbox {
  readonly pending: PendingCalls;
  readonly listener: UpstreamListener;
  /** What closes a message on the wire (see client-message.ts). */
  readonly end: string;
  /** Sends a message to the server, or drops it when too much waits already. */
  reply(message: Buffer<ArrayBuffer>): void;
  /** It was no message: ignored, and up to the inbox to say so. */
  skipped(bytes: Uint8Array, problem: string): void;
  /** An answer that nobody waits for: late after a cancel or a timeout, or sent twice. */
  unclaimed(bytes: Uint8Array): void;
}

/** Of one batch. */
const MAX_BATCHED_MESSAGES = 10_000;

/**
 * Takes one message, or the batch that every client of revision 2025-03-26 has to take (2025-03-26, Base Protocol,
 * Batching). Slices of `bytes` are handed on as they are: nobody may write to them again.
 */
export function receiveMessage(bytes: Uint8Array, inbox: Inbox): void {
  const message = readEnvelope(bytes);
  const start = skipSpace(bytes, 0);
  if (message.kind !== "bad" || bytes[start] !== OPEN_BRACKET) return take(message, bytes, inbox);
  const ranges = elementRanges(bytes, start, MAX_BATCHED_MESSAGES);
  if (ranges === undefined) {
    return inbox.skipped(bytes, `the batch is broken, or has more than ${MAX_BATCHED_MESSAGES} messages`);
  }
  for (let index = 0; index + 1 < ranges.length; index += 2) {
    const element = bytes.subarray(ranges[index], ranges[index + 1]);
    take(readEnvelope(element), element, inbox);
  }
}

function take(message: Envelope, bytes: Uint8Array, inbox: Inbox): void {
  switch (message.kind) {
    case "result":
      return settle(message.id, message.value, bytes, inbox, "settleResult");
    case "error":
      return settle(message.id, message.value, bytes, inbox, "settleError");
    case "notification":
      return notified(message.method, message.params, bytes, inbox);
    case "request":
      return inbox.reply(answerMessage(message.id, message.method, inbox.end));
    case "bad":
      inbox.skipped(bytes, message.problem);
      return spoilt(message.id, message.problem, inbox);
  }
}

/** A broken answer is an answer all the same: its caller need not wait until the time is up. */
function spoilt(rawId: Uint8Array | undefined, problem: string, inbox: Inbox): void {
  const id = rawId === undefined ? undefined : parseOwnId(rawId);
  if (id === undefined) return;
  inbox.pending.lose(id, new AppError("bad-answer", `The server's answer cannot be understood: ${problem}.`));
}

function settle(
  rawId: Uint8Array,
  value: Found,
  bytes: Uint8Array,
  inbox: Inbox,
  how: "settleResult" | "settleError",
): void {
  const id = parseOwnId(rawId);
  const known = id !== undefined && inbox.pending[how](id, bytes.subarray(value.start, value.end));
  if (!known) inbox.unclaimed(bytes);
}

function notified(method: string, params: Found | undefined, bytes: Uint8Array, inbox: Inbox): void {
  const raw = params === undefined ? undefined : bytes.subarray(params.start, params.end);
  if (method !== "notifications/progress") return inbox.listener.notification(method, raw);
  if (raw === undefined || params === undefined) return;
  const progress = readProgress(bytes, params);
  if (progress !== undefined) inbox.pending.progress(progress.id, raw, progress.token);
}

export interface Progress {
  /** Of the request that makes progress. */
  readonly id: number;
  /** Where the token stands, counted from the start of `params`. */
  readonly token: Found;
}

/** Which request a notifications/progress is about; undefined when its token is none of ours. */
export function readProgress(bytes: Uint8Array, params: Found): Progress | undefined {
  const raw = bytes.subarray(params.start, params.end);
  const token = findMember(raw, 0, "progressToken");
  if (token === undefined) return undefined;
  const id = parseOwnId(raw.subarray(token.start, token.end));
  return id === undefined ? undefined : { id, token };
}

/** 15 digits stay below 2^53; no connection lives to see the sixteenth. */
const MAX_ID_DIGITS = 15;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/**
 * The id in the exact form in which we write it: decimal digits, no sign, no leading zero. Anything else (`"7"`,
 * `7.0`, `null`) is not ours and is undefined.
 */
export function parseOwnId(raw: Uint8Array): number | undefined {
  if (raw.length === 0 || raw.length > MAX_ID_DIGITS || raw[0] === DIGIT_0) return undefined;
  let id = 0;
  for (const byte of raw) {
    if (byte < DIGIT_0 || byte > DIGIT_9) return undefined;
    id = id * 10 + (byte - DIGIT_0);
  }
  return id;
}

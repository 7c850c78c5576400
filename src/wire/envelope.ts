// The envelope of one JSON-RPC 2.0 message: which kind it is and where its parts stand. Read on both faces of the
// appliance, once a message; `params` and `result` are never looked into here.

import { OPEN_BRACE } from "./json-bytes.ts";
import { ObjectScan, decodeString, skipSpace, type Found } from "./json-scan.ts";

export interface RequestEnvelope {
  readonly kind: "request";
  /** Raw JSON of the id: a string or a number, as sent. A copy: it may outlive the message. */
  readonly id: Uint8Array;
  readonly method: string;
  readonly params: Found | undefined;
}
export interface NotificationEnvelope {
  readonly kind: "notification";
  readonly method: string;
  readonly params: Found | undefined;
}
export interface ResultEnvelope {
  readonly kind: "result";
  readonly id: Uint8Array;
  readonly value: Found;
}
export interface ErrorEnvelope {
  readonly kind: "error";
  /** Raw JSON; `null` where the sender could not tell. */
  readonly id: Uint8Array;
  readonly value: Found;
}
export interface BadEnvelope {
  readonly kind: "bad";
  /** What is wrong with it, for the error's sentence. */
  readonly problem: string;
  /** Of what looks like an answer: whoever waits for it can be told. */
  readonly id?: Uint8Array;
}
export type Envelope = RequestEnvelope | NotificationEnvelope | ResultEnvelope | ErrorEnvelope | BadEnvelope;

function bad(problem: string): BadEnvelope {
  return { kind: "bad", problem };
}

const MEMBERS = ["jsonrpc", "id", "method", "params", "result", "error"] as const;
type Member = (typeof MEMBERS)[number];

const VERSION = Buffer.from('"2.0"');

/**
 * Reads the envelope of the message that fills `bytes` (JSON-RPC 2.0, sections 4 and 5). Unknown members are
 * ignored; a known member that stands twice is refused, because two parsers may disagree on which of them counts.
 */
export function readEnvelope(bytes: Uint8Array): Envelope {
  const at = skipSpace(bytes, 0);
  if (bytes[at] !== OPEN_BRACE) return bad("the message is not a JSON object");
  const scan = new ObjectScan(bytes, at);
  const found: Partial<Record<Member, Found>> = {};
  while (scan.next()) {
    for (const member of MEMBERS) {
      if (!scan.keyIs(member)) continue;
      if (found[member] !== undefined) return bad(`the member "${member}" stands twice`);
      found[member] = { start: scan.valueStart, end: scan.valueEnd };
      break;
    }
  }
  if (scan.failed) return bad("the message is not a complete JSON object");
  if (skipSpace(bytes, scan.end) !== bytes.length) return bad("there is text after the message");
  const { jsonrpc, id, method, params, result, error } = found;
  if (jsonrpc === undefined || !same(bytes, jsonrpc, VERSION)) return bad('"jsonrpc" is not "2.0"');
  if (method !== undefined) {
    if (result !== undefined || error !== undefined) return bad("it is both a request and a response");
    return readCall(bytes, id, method, params);
  }
  if (id === undefined) return bad('there is neither "method" nor "id"');
  const rawId = bytes.slice(id.start, id.end);
  if (error !== undefined && result === undefined) {
    if (bytes[error.start] !== OPEN_BRACE) return { ...bad('"error" is not an object'), id: rawId };
    return { kind: "error", id: rawId, value: error };
  }
  if (result === undefined || error !== undefined) {
    return { ...bad('a response has one of "result" and "error"'), id: rawId };
  }
  return { kind: "result", id: rawId, value: result };
}

function readCall(
  bytes: Uint8Array,
  id: Found | undefined,
  methodAt: Found,
  params: Found | undefined,
): RequestEnvelope | NotificationEnvelope | BadEnvelope {
  const method = decodeString(bytes, methodAt.start, methodAt.end);
  if (method === undefined) return bad('"method" is not a string');
  if (params !== undefined && bytes[params.start] !== OPEN_BRACE) return bad('"params" is not an object');
  if (id === undefined) return { kind: "notification", method, params };
  const first = bytes[id.start] ?? 0;
  const isString = first === 0x22;
  const isNumber = first === 0x2d || (first >= 0x30 && first <= 0x39);
  // MCP, Base Protocol, Requests: the id is a string or a number and is never null.
  if (!isString && !isNumber) return bad('"id" is neither a string nor a number');
  return { kind: "request", id: bytes.slice(id.start, id.end), method, params };
}

function same(bytes: Uint8Array, at: Found, wanted: Uint8Array): boolean {
  if (at.end - at.start !== wanted.length) return false;
  for (let index = 0; index < wanted.length; index++) {
    if (bytes[at.start + index] !== wanted[index]) return false;
  }
  return true;
}

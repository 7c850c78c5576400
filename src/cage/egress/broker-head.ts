// Reads the heads of HTTP/1.1 messages (RFC 9112), as strictly as somebody has to who writes them anew for somebody
// else: whatever two readers could understand in two ways is refused. Pure. broker-connection.ts reads, broker-rewrite.ts
// writes. (http-head.ts is for the other question: what may this have asked for?)

import { BrokerRefusal } from "./broker-refusal.ts";

export interface Field {
  /** As it was sent. */
  readonly name: string;
  /** The name in lower case. */
  readonly key: string;
  /** One character a byte, without space around it. */
  readonly value: string;
}

/** How the body of a message ends. */
export type Body =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  /** With the connection. Only responses. */
  | { readonly kind: "until-close" };

export interface RequestHead {
  readonly method: string;
  /** Begins with a slash, or is an asterisk. */
  readonly target: string;
  readonly host: string;
  readonly fields: readonly Field[];
  readonly body: Body;
  /** The client closes after it. */
  readonly closes: boolean;
  /** Asks for a web socket in its place. */
  readonly isWebSocket: boolean;
  readonly expectsContinue: boolean;
}

export interface ResponseHead {
  readonly status: number;
  /** What comes behind the status: for people. */
  readonly reason: string;
  readonly fields: readonly Field[];
  readonly body: Body;
  readonly closes: boolean;
}

export const MAX_HEAD_BYTES = 64 * 1024;
const MAX_FIELDS = 256;

const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) (\/[\x21-\x7e]*|\*) HTTP\/(\d\.\d)$/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/;
/** Up to 2^53 − 1. */
const LENGTH = /^\d{1,15}$/;
const NO_BODY_STATUS = new Set([204, 304]);

/**
 * Bytes of the head that `bytes` begins with, the empty line included; undefined while that is not there. `from`: where
 * to look from on, since what is before it was looked at already.
 * @throws BrokerRefusal where a line does not end as it has to
 */
export function headLength(bytes: Uint8Array, from = 0): number | undefined {
  for (let at = bytes.indexOf(LINE_FEED, from); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) {
    if (bytes[at - 1] !== RETURN)
      throw new BrokerRefusal(400, "A line of the head does not end with CR and LF.");
    if (at === 1 || (bytes[at - 2] === LINE_FEED && bytes[at - 3] === RETURN)) return at + 1;
  }
  return undefined;
}

/** `head`: with its empty line. @throws BrokerRefusal */
export function parseRequestHead(head: Uint8Array): RequestHead {
  const [line, fields] = readLines(head);
  const [, method, target, version] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) {
    throw new BrokerRefusal(400, "The request line has to be a method, a path and HTTP/1.1.");
  }
  if (version !== "1.1")
    throw new BrokerRefusal(505, "Only HTTP/1.1 is spoken to a host of a brokered secret.");
  if (method === "CONNECT") throw new BrokerRefusal(405, "CONNECT is not for a host of a brokered secret.");
  if (target === "*" && method !== "OPTIONS")
    throw new BrokerRefusal(400, "Only OPTIONS can ask for an asterisk.");
  const host = only(fields, "host");
  if (host === undefined) throw new BrokerRefusal(400, "The Host header is missing.");
  const expect = only(fields, "expect")?.toLowerCase();
  if (expect !== undefined && expect !== "100-continue") {
    throw new BrokerRefusal(417, "Nothing but 100-continue can be expected.");
  }
  const body = bodyOf(fields) ?? { kind: "none" };
  const connection = words(fields, "connection");
  const upgrades = connection.includes("upgrade") && words(fields, "upgrade").join() === "websocket";
  return {
    method,
    target,
    host,
    fields,
    body,
    closes: connection.includes("close"),
    isWebSocket: upgrades && method === "GET" && body.kind === "none",
    expectsContinue: expect !== undefined,
  };
}

/** `head`: with its empty line. `method`: of the request that it answers. @throws BrokerRefusal */
export function parseResponseHead(head: Uint8Array, method: string): ResponseHead {
  const [line, fields] = readLines(head);
  const [, minor, digits, reason = ""] = STATUS_LINE.exec(line) ?? [];
  if (digits === undefined) throw new BrokerRefusal(502, "The status line is not that of HTTP/1.1.");
  const status = Number(digits);
  // RFC 9112, section 6.3: these have none, whatever their headers say.
  const isBare = method === "HEAD" || status < 200 || NO_BODY_STATUS.has(status);
  const body = bodyOf(fields) ?? { kind: "until-close" };
  const connection = words(fields, "connection");
  return {
    status,
    reason,
    fields,
    body: isBare ? { kind: "none" } : body,
    closes: connection.includes("close") || minor === "0" || (!isBare && body.kind === "until-close"),
  };
}

/** Undefined where no header says it. */
function bodyOf(fields: readonly Field[]): Body | undefined {
  const coding = only(fields, "transfer-encoding");
  const length = only(fields, "content-length");
  if (coding !== undefined && length !== undefined) {
    throw new BrokerRefusal(400, "Content-Length and Transfer-Encoding cannot stand together.");
  }
  if (coding !== undefined) {
    if (coding.toLowerCase() === "chunked") return { kind: "chunked" };
    throw new BrokerRefusal(400, "Transfer-Encoding can only be chunked.");
  }
  if (length === undefined) return undefined;
  if (!LENGTH.test(length)) throw new BrokerRefusal(400, "Content-Length is not a number of bytes.");
  const bytes = Number(length);
  return bytes === 0 ? { kind: "none" } : { kind: "length", bytes };
}

function readLines(head: Uint8Array): readonly [line: string, fields: readonly Field[]] {
  const [line = "", ...rest] = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
    .toString("latin1")
    .slice(0, -"\r\n\r\n".length)
    .split("\r\n");
  if (rest.length > MAX_FIELDS) throw new BrokerRefusal(431, `There are more than ${MAX_FIELDS} headers.`);
  return [line, rest.map(readField)];
}

/** NB: a folded line begins with a space, so it is no field either. */
function readField(line: string): Field {
  const [, name, value] = FIELD.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new BrokerRefusal(400, "A header is malformed.");
  return { name, key: name.toLowerCase(), value: withoutSpace(value) };
}

/** NB: not trim(), which takes more than a server does, and no expression: those take quadratic time for this. */
function withoutSpace(value: string): string {
  const isSpace = (index: number): boolean => value[index] === " " || value[index] === "\t";
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(start)) start++;
  while (end > start && isSpace(end - 1)) end--;
  return value.slice(start, end);
}

/** The value of what must not be there twice, not even with one value. */
function only(fields: readonly Field[], key: string): string | undefined {
  const [first, ...others] = fields.filter((field) => field.key === key);
  if (others.length > 0) throw new BrokerRefusal(400, `The header ${key} is there more than once.`);
  return first?.value;
}

function words(fields: readonly Field[], key: string): readonly string[] {
  return fields
    .filter((field) => field.key === key)
    .flatMap((field) => field.value.toLowerCase().split(","))
    .map((word) => word.trim());
}

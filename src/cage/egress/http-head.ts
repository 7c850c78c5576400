// The head of an HTTP/1 request (RFC 9112) as strictly as it can be read, and the one host that it asks for. Pure, and
// fed by whoever is in the cage. Used for the CONNECT proxy and for the first bytes of other connections.
//
// NB: whatever two servers might read differently is malformed here: folded lines, a space before a colon, a bare CR,
// two Hosts, a target that names another host than the header.

import { hostName } from "../../model/host-rule.ts";
import { ipAddress } from "../../model/ip-address.ts";

export interface HttpHead {
  readonly state: "head";
  readonly method: string;
  readonly target: string;
  /** Names in lower case, in order; values without spaces around them. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Bytes of it, with the empty line. */
  readonly end: number;
}

export type HttpReading =
  | HttpHead
  | { readonly state: "not-http" }
  /** It may become one, and more of it is needed. */
  | { readonly state: "more" }
  | { readonly state: "malformed" }
  /** The preface of HTTP/2 without TLS (RFC 9113 3.4): what it asks for comes packed, and is not read here. */
  | { readonly state: "http2" };

const LINE_FEED = 0x0a;
/** Empty lines before a request are skipped by servers, and spaces by some. */
const LEADING_SPACE = /^[\r\n\t\v\f ]*/;
/**
 * A line, or the beginning of one, that may be that of a request: no method is longer, and lenient servers take any of
 * these for a space (RFC 9112 3). NB: no line that fits has a beginning that does not: packets must not make a difference.
 */
const MAY_BE_REQUEST = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}(?:[\t\v\f\r ][^\n]*)?$/;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.[01]$/;
const LOOKS_LIKE_REQUEST = /[\t\v\f\r ]HTTP\/\d/i;
const HTTP2_PREFACE = "PRI * HTTP/2.0";
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r]*)$/;
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;
const AUTHORITY = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:@[\]/]+))(?::\d{0,5})?$/;

/** `bytes`: all that came so far, from the first byte on. The caller bounds them. */
export function readHttpHead(bytes: Buffer): HttpReading {
  const text = bytes.toString("latin1");
  const start = LEADING_SPACE.exec(text)?.[0].length ?? 0;
  if (start === text.length) return { state: "more" };
  const lineEnd = bytes.indexOf(LINE_FEED, start);
  const whole = text.slice(start, lineEnd < 0 ? undefined : lineEnd);
  if (!MAY_BE_REQUEST.test(whole)) return { state: "not-http" };
  if (lineEnd < 0) return { state: "more" };
  const line = withoutReturn(whole);
  if (line === HTTP2_PREFACE) return { state: "http2" };
  const [, method, target] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) {
    return { state: LOOKS_LIKE_REQUEST.test(line) ? "malformed" : "not-http" };
  }
  const blank = /\n\r?\n/g;
  blank.lastIndex = lineEnd;
  if (!blank.test(text)) return { state: "more" };
  const headers = parseHeaders(text.slice(lineEnd + 1, blank.lastIndex));
  if (headers === undefined) return { state: "malformed" };
  return { state: "head", method, target, headers, end: blank.lastIndex };
}

export function headerValues(head: HttpHead, name: string): readonly string[] {
  return head.headers.filter(([header]) => header === name).map(([, value]) => value);
}

/** The host that a request is for, as `hostName` or `ipAddress` gives it; undefined when it is none, or not just one. */
export function requestedHost(head: HttpHead): string | undefined {
  const hosts = headerValues(head, "host");
  if (hosts.length !== 1) return undefined;
  const inTarget = head.method === "CONNECT" ? head.target : ABSOLUTE.exec(head.target)?.[1];
  const named = [...hosts, ...(inTarget === undefined ? [] : [inTarget])].map(hostOfAuthority);
  return named.every((name) => name === named[0]) ? named[0] : undefined;
}

/** Of `host`, `host:port`, `[address]` or `[address]:port`. A name with a user before it is none. */
export function hostOfAuthority(authority: string): string | undefined {
  const [, bracketed, plain = ""] = AUTHORITY.exec(authority) ?? [];
  if (bracketed !== undefined) return ipAddress(bracketed);
  return ipAddress(plain) ?? hostName(plain);
}

/** `text` ends with the empty line. */
function parseHeaders(text: string): HttpHead["headers"] | undefined {
  const lines = text.split("\n").map(withoutReturn).slice(0, -2);
  const headers: (readonly [string, string])[] = [];
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    headers.push([name.toLowerCase(), withoutSpace(value)]);
  }
  return headers;
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

/** NB: not trim(), which also takes what a server may leave, and no expression: those take quadratic time for this. */
function withoutSpace(value: string): string {
  const isSpace = (index: number): boolean => value[index] === " " || value[index] === "\t";
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(start)) start++;
  while (end > start && isSpace(end - 1)) end--;
  return value.slice(start, end);
}

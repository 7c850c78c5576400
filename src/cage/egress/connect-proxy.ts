// The CONNECT proxy (RFC 9110 9.3.6) for programs that ask for one, and the only way out of a cage without a network of
// its own. It reads one request; what it may reach is decided by whoever serves it.

import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { parseHostRule } from "../../model/host-rule.ts";
import { printable } from "../../model/printable.ts";
import type { Destination } from "./destination.ts";
import { holdBytes } from "./held-bytes.ts";
import { headerValues, hostOfAuthority, type HttpHead, readHttpHead } from "./http-head.ts";

/** A CONNECT that may be decided about. The socket is paused; `early` came behind the request. */
export interface ConnectRequest {
  readonly destination: Destination;
  readonly early: Buffer;
}

/** What a client is told that gets no tunnel. */
interface ProxyAnswer {
  readonly status: 400 | 403 | 405 | 407 | 408 | 431 | 502;
  readonly sentence: string;
}

const MAX_HEAD_BYTES = 8192;
const HEAD_MS = 10_000;
/** A client that was refused has so long to read why. */
const FAREWELL_MS = 2000;

const REASONS: Readonly<Record<ProxyAnswer["status"], string>> = {
  400: "Bad Request",
  403: "Forbidden",
  405: "Method Not Allowed",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  502: "Bad Gateway",
};
const FIELDS: Readonly<Partial<Record<ProxyAnswer["status"], string>>> = {
  405: "Allow: CONNECT\r\n",
  407: 'Proxy-Authenticate: Basic realm="toolcrib"\r\n',
};

/**
 * Reads the one request. Undefined when there was none to decide about: then it was answered, and the socket ends.
 * `credentials`: `user:password` that it has to come with, undefined where nobody else can connect.
 */
export async function readConnect(
  socket: Socket,
  credentials: string | undefined,
): Promise<ConnectRequest | undefined> {
  const held = await holdBytes(socket, Buffer.alloc(0), readHead, HEAD_MS);
  if (held.state === "closed") return undefined;
  if (held.state === "ended") return void socket.destroy();
  if (held.state === "timeout") return void turnAway(socket, { status: 408, sentence: "No request came." });
  const head = held.judged;
  if (!("method" in head)) return void turnAway(socket, head);
  const destination = destinationOf(head, credentials);
  if (!("host" in destination)) return void turnAway(socket, destination);
  return { destination, early: held.bytes.subarray(head.end) };
}

export function answerConnected(socket: Socket): void {
  socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
}

/** Answers and ends. The sentence may quote what a stranger wrote. */
export function turnAway(socket: Socket, { status, sentence }: ProxyAnswer): void {
  const body = Buffer.from(`${printable(sentence, 1000)}\n`);
  const head =
    `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nConnection: close\r\n${FIELDS[status] ?? ""}\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]));
  // NB: what is unread when a socket is closed becomes a reset, which may overtake the answer.
  socket.resume();
  socket.setTimeout(FAREWELL_MS, () => socket.destroy());
  socket.once("end", () => socket.destroySoon());
}

function readHead(bytes: Buffer): HttpHead | ProxyAnswer | undefined {
  const head = readHttpHead(bytes.subarray(0, MAX_HEAD_BYTES));
  if (head.state === "head") return head;
  if (head.state !== "more") return { status: 400, sentence: "That is no HTTP/1 request." };
  return bytes.length < MAX_HEAD_BYTES
    ? undefined
    : { status: 431, sentence: "The request has more than 8 KiB." };
}

function destinationOf(head: HttpHead, credentials: string | undefined): Destination | ProxyAnswer {
  if (credentials !== undefined && !isAuthorized(head, credentials)) {
    return {
      status: 407,
      sentence: "This proxy belongs to one cage, whose programs have its address with a token.",
    };
  }
  if (head.method !== "CONNECT") {
    return {
      status: 405,
      sentence: "This proxy takes CONNECT only: ask it for a tunnel, also for plain HTTP.",
    };
  }
  const rule = parseHostRule(head.target);
  if (rule === undefined || rule.kind === "wildcard" || !hasSameHost(head, rule.host)) {
    return { status: 400, sentence: "CONNECT needs one clear host:port." };
  }
  return { host: rule.host, kind: rule.kind, port: rule.port };
}

/** A Host header is not needed here, but it must not say something else. */
function hasSameHost(head: HttpHead, host: string): boolean {
  return headerValues(head, "host").every((value) => hostOfAuthority(value) === host);
}

function isAuthorized(head: HttpHead, credentials: string): boolean {
  const [, given = ""] =
    /^basic +([A-Za-z0-9+/]+=*)$/i.exec(headerValues(head, "proxy-authorization")[0] ?? "") ?? [];
  const [is, wanted] = [Buffer.from(given, "base64"), Buffer.from(credentials)];
  return is.length === wanted.length && timingSafeEqual(is, wanted);
}

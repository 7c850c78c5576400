// The server name in the first bytes of a TLS connection (RFC 8446 4.1.2, RFC 6066 3), however they were cut into
// records and packets. Pure, and fed by whoever is in the cage.
//
// NB: what a TLS server somewhere might read differently is refused, not interpreted: two names, a name that is no host
// name, an extension twice, anything behind the hello.

import { hostName } from "../../model/host-rule.ts";
import { ByteCursor } from "./byte-cursor.ts";

export type ClientHello =
  | { readonly state: "not-tls" }
  /** So far it is one, and more of it is needed. */
  | { readonly state: "more" }
  | { readonly state: "malformed" }
  /** `encrypted`: an inner hello may ask for another name (ECH). Clients also send that at random, to keep it usual. */
  | { readonly state: "hello"; readonly serverName: string | undefined; readonly encrypted: boolean };

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const MAX_RECORD = 2 ** 14;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

const MALFORMED: ClientHello = { state: "malformed" };

/** `bytes`: all that came so far, from the first byte on. The caller bounds them. What follows a hello is not read. */
export function readClientHello(bytes: Uint8Array): ClientHello {
  const records = new ByteCursor(bytes);
  let message: Uint8Array = new Uint8Array(0);
  for (;;) {
    const body = handshakeBody(message);
    if (body === "malformed") return MALFORMED;
    if (body !== "more") return parseHello(new ByteCursor(body));
    const record = nextRecord(records);
    if (record === "other") return message.length === 0 ? { state: "not-tls" } : MALFORMED;
    if (record === "malformed") return MALFORMED;
    if (record.length === 0) return { state: "more" };
    message = message.length === 0 ? record : Buffer.concat([message, record]);
  }
}

/**
 * The next record of a handshake, whole; empty when it is not there yet. NB: not what there is of it: packets must not
 * make a difference.
 */
function nextRecord(records: ByteCursor): Uint8Array | "other" | "malformed" {
  if (records.remaining > 0 && records.u8() !== HANDSHAKE) return "other";
  if (records.remaining > 0 && records.u8() !== 3) return "other";
  records.u8();
  const length = records.u16();
  if (records.ok && (length === 0 || length > MAX_RECORD)) return "malformed";
  return records.take(length);
}

/** What is in the one message that `message` begins with. */
function handshakeBody(message: Uint8Array): Uint8Array | "more" | "malformed" {
  const cursor = new ByteCursor(message);
  if (cursor.remaining > 0 && cursor.u8() !== CLIENT_HELLO) return "malformed";
  const length = cursor.u24();
  if (!cursor.ok || cursor.remaining < length) return "more";
  return cursor.remaining > length ? "malformed" : cursor.take(length);
}

function parseHello(cursor: ByteCursor): ClientHello {
  // Version and random; session; ciphers; compression.
  cursor.take(34);
  cursor.take(cursor.u8());
  cursor.take(cursor.u16());
  cursor.take(cursor.u8());
  if (!cursor.ok) return MALFORMED;
  if (cursor.remaining === 0) return { state: "hello", serverName: undefined, encrypted: false };
  if (cursor.u16() !== cursor.remaining) return MALFORMED;

  const extensions = new Map<number, Uint8Array>();
  while (cursor.remaining > 0) {
    const type = cursor.u16();
    const body = cursor.take(cursor.u16());
    if (!cursor.ok || extensions.has(type)) return MALFORMED;
    extensions.set(type, body);
  }
  const encrypted = extensions.has(ENCRYPTED_CLIENT_HELLO);
  const names = extensions.get(SERVER_NAME);
  if (names === undefined) return { state: "hello", serverName: undefined, encrypted };
  const serverName = onlyName(new ByteCursor(names));
  return serverName === undefined ? MALFORMED : { state: "hello", serverName, encrypted };
}

/** Undefined when the list is not exactly one host name. */
function onlyName(cursor: ByteCursor): string | undefined {
  const listLength = cursor.u16();
  if (listLength !== cursor.remaining || cursor.u8() !== HOST_NAME) return undefined;
  const name = cursor.take(cursor.u16());
  if (!cursor.ok || cursor.remaining > 0) return undefined;
  return hostName(Buffer.from(name).toString("latin1"));
}

// What the first bytes of a connection to a name ask for, and whether it is that name: otherwise an allowed name would
// open every other one that is served behind the same address. Pure; passage.ts holds the bytes back until it is said.
//
// What this cannot see: names inside of the encryption, later requests on the same connection, TLS that begins after
// something else (STARTTLS, PostgreSQL), and HTTP/2 without TLS.

import { readClientHello } from "./client-hello.ts";
import type { Destination } from "./destination.ts";
import { readHttpHead, requestedHost } from "./http-head.ts";

export type FirstBytes =
  | { readonly state: "more" }
  | {
      readonly state: "passes";
      readonly protocol: "tls" | "http" | "other";
      readonly encryptedHello: boolean;
    }
  /** `asked`: the host that it would have reached, where that is known. */
  | { readonly state: "refused"; readonly asked: string | undefined; readonly reason: string };

/** A ClientHello has 0.3 to 2 KiB, and few servers take longer heads of requests. */
export const MAX_FIRST_BYTES = 16 * 1024;

/** Whoever speaks on it speaks TLS. */
export const TLS_PORT = 443;

/** `bytes`: all that came so far. What asks for an address is told apart only: it names nothing else. */
export function judgeFirstBytes(bytes: Buffer, destination: Destination): FirstBytes {
  if (bytes.length === 0) return { state: "more" };
  const head = bytes.subarray(0, MAX_FIRST_BYTES);
  const judged = judgeTls(head, destination) ?? judgeHttp(head, destination);
  if (judged.state === "more" && bytes.length >= MAX_FIRST_BYTES) {
    return refused(`what a connection to ${destination.host} begins with is longer than 16 KiB`);
  }
  const mustBeTls = destination.port === TLS_PORT && destination.kind === "name";
  if (judged.state === "passes" && judged.protocol !== "tls" && mustBeTls) {
    return refused(`a connection to ${destination.host} on port ${TLS_PORT} has to begin with TLS`);
  }
  return judged;
}

function judgeTls(bytes: Buffer, { host, kind }: Destination): FirstBytes | undefined {
  const hello = readClientHello(bytes);
  if (hello.state === "not-tls") return undefined;
  if (hello.state === "more") return { state: "more" };
  if (hello.state === "malformed") return refused(`a malformed TLS hello inside a connection to ${host}`);
  const passes: FirstBytes = { state: "passes", protocol: "tls", encryptedHello: hello.encrypted };
  if (kind === "address" || hello.serverName === host) return passes;
  if (hello.serverName !== undefined) return mismatch(hello.serverName, host);
  return refused(`no server name in the TLS hello of a connection to ${host}`);
}

function judgeHttp(bytes: Buffer, { host, kind }: Destination): FirstBytes {
  const head = readHttpHead(bytes);
  if (head.state === "more") return { state: "more" };
  if (head.state === "malformed") return refused(`a malformed HTTP request inside a connection to ${host}`);
  if (head.state !== "head") return { state: "passes", protocol: "other", encryptedHello: false };
  const passes: FirstBytes = { state: "passes", protocol: "http", encryptedHello: false };
  const asked = requestedHost(head);
  if (kind === "address" || asked === host) return passes;
  return asked === undefined
    ? refused(`an HTTP request without one clear host inside a connection to ${host}`)
    : mismatch(asked, host);
}

function mismatch(asked: string, host: string): FirstBytes {
  return { state: "refused", asked, reason: `asked for ${asked} inside a connection to ${host}` };
}

function refused(reason: string): FirstBytes {
  return { state: "refused", asked: undefined, reason };
}

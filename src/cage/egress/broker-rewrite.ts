// The heads of messages as they go on, to the host and back to the server. What two ends of a connection say about that
// very connection is said anew; the rest stays as it is and in order. Pure; broker-connection.ts sends them.

import { STATUS_CODES } from "node:http";
import { type Credential, withRealValues } from "./broker-credential.ts";
import type { Body, Field, RequestHead, ResponseHead } from "./broker-head.ts";
import { BrokerRefusal } from "./broker-refusal.ts";

/** Headers that say how a message is read or where it goes: no value can be brokered in them. */
export const FRAMING_HEADERS: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "expect",
  "te",
  "trailer",
  "accept-encoding",
  "range",
]);

/** About the connection (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/**
 * Compressed, in parts, or in frames that are compressed: no value could be found in such an answer. A host may always
 * answer without (RFC 9110, sections 12.5.3 and 14.2; RFC 6455, section 9).
 */
const UNSEARCHABLE = ["accept-encoding", "range", "if-range", "sec-websocket-extensions"];

const NOT_SENT = new Set([...HOP_BY_HOP, ...UNSEARCHABLE, "proxy-authorization", "http2-settings"]);
/** `alt-svc` names other ways to the host, and there are none. */
const NOT_RETURNED = new Set([...HOP_BY_HOP, "alt-svc"]);

/** To the host, with the real values in it: never log it. */
export function requestBytes(request: RequestHead, credentials: readonly Credential[]): Uint8Array {
  const kept: readonly Field[] = request.fields.filter(({ key }) => !NOT_SENT.has(key));
  const fields = [...Map.groupBy(credentials, ({ header }) => header)].reduce(
    (result, [header, own]) => withCredentials(result, header, own),
    kept,
  );
  return headBytes(`${request.method} ${request.target} HTTP/1.1`, [
    ...fields.map(({ name, value }) => `${name}: ${value}`),
    "Accept-Encoding: identity",
    ...connectionLines(request.isWebSocket, request.body, request.closes),
  ]);
}

/** To the server. `closes`: whether the connection ends with it. */
export function responseBytes(response: ResponseHead, closes: boolean): Uint8Array {
  const { status, reason, fields, body } = response;
  const kept = fields.filter(({ key }) => !NOT_RETURNED.has(key));
  return headBytes(`HTTP/1.1 ${status} ${reason}`, [
    ...kept.map(({ name, value }) => `${name}: ${value}`),
    ...(status < 200 && status !== 101 ? [] : connectionLines(status === 101, body, closes)),
  ]);
}

/** An answer of the broker itself. The connection ends with it. */
export function refusalBytes({ status, message }: BrokerRefusal): Uint8Array {
  const body = Buffer.from(`${message}\n`);
  const head = headBytes(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, [
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    "Connection: close",
  ]);
  return Buffer.concat([head, body]);
}

/** @throws BrokerRefusal for an answer in which values could not be found */
export function requireSearchable({ fields, body }: ResponseHead): void {
  const codings = fields
    .filter(({ key }) => key === "content-encoding")
    .map(({ value }) => value.toLowerCase());
  if (body.kind === "none" || codings.every((coding) => coding === "identity")) return;
  throw new BrokerRefusal(
    502,
    "The host compressed its answer although it was asked not to. The value of a brokered secret could not be kept out of it.",
  );
}

/**
 * `own`: the credentials for `header`. Placeholders are replaced where they stand. Without one the value takes the place
 * of whatever was written, so that a server that knows nothing of all this is served as well; then it has to be a whole
 * header, such as `Bearer …`. Where several values could be meant, what the server wrote stays.
 */
function withCredentials(
  fields: readonly Field[],
  header: string,
  own: readonly Credential[],
): readonly Field[] {
  const replaced = fields.map((field) => {
    const value = field.key === header ? withRealValues(field.value, own) : undefined;
    return value === undefined ? field : { ...field, value };
  });
  const [first, ...others] = own;
  const isNamed = replaced.some((field, index) => field !== fields[index]);
  if (isNamed || first === undefined || others.length > 0) return replaced;
  return [...fields.filter(({ key }) => key !== header), { name: header, key: header, value: first.value }];
}

function connectionLines(isUpgrade: boolean, body: Body, closes: boolean): readonly string[] {
  if (isUpgrade) return ["Connection: Upgrade", "Upgrade: websocket"];
  return [
    ...(body.kind === "chunked" || body.kind === "until-close" ? ["Transfer-Encoding: chunked"] : []),
    `Connection: ${closes ? "close" : "keep-alive"}`,
  ];
}

function headBytes(line: string, lines: readonly string[]): Uint8Array {
  return Buffer.from([line, ...lines, "", ""].join("\r\n"), "latin1");
}

// Sentences for what goes wrong between here and a remote server. They name its host and port, what it answered and
// what to do; never the path or query of its URL, which may hold a key. NB: what `fetch` throws has the whole URL in
// it, so it is not kept as a cause: its code tells enough.

import { AppError, systemErrorCode } from "../errors.ts";

/** No byte reached the server: the connection to it was never made. */
const NOT_REACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; check the address, and that the server runs",
  ENOTFOUND: "there is no such host; check the address",
  EAI_AGAIN: "its name cannot be looked up at the moment; check the name server of this host",
  EHOSTUNREACH: "there is no way to it from this host; check the network",
  ENETUNREACH: "there is no way to it from this host; check the network",
  ETIMEDOUT: "it does not take the connection; check the network and the firewall",
  EPROTO: "the TLS handshake failed; check whether the URL begins with the right one of http and https",
};
const UNTRUSTED = /CERT|SIGNED|ALTNAME|UNABLE_TO/;

/** The failure of a connection that was never made; undefined for any other. */
export function notReached(where: string, thrown: unknown): AppError | undefined {
  const code = systemErrorCode(thrown) ?? "";
  const why = UNTRUSTED.test(code)
    ? `its certificate is not trusted (${code}); mend the certificate, or let this host trust who signed it`
    : NOT_REACHED[code];
  if (why === undefined) return undefined;
  return new AppError("server-lost", `Cannot connect to ${where}: ${why}.`, { details: { system: code } });
}

/** The failure of a connection that was there. */
export function broken(where: string, thrown: unknown): AppError {
  const code = systemErrorCode(thrown);
  const how = code === "Malformed_HTTP_Response" ? "did not answer in HTTP" : "closed the connection";
  const sentence = `The server at ${where} ${how} before its answer was complete.`;
  return new AppError("server-lost", sentence, { details: { system: code } });
}

const HINTS: Readonly<Record<number, string>> = {
  401: "it wants somebody to sign in; check the headers that were added with it",
  403: "it refuses this client; check the headers that were added with it",
  404: "it has no MCP endpoint under this URL; check the path",
  405: "it takes no POST under this URL; check the path (servers of the old kind, HTTP+SSE, cannot be used)",
  413: "the request is too large for it",
  429: "it has had too many requests; try again later",
};

/** An answer that is not one: a status other than 2xx. `said` is the begin of its body, fit for a sentence. */
export function refused(where: string, status: number, said: string): AppError {
  const hint = HINTS[status] ?? (status >= 500 ? "it has a fault of its own; try again later" : "");
  const parts = [hint, said === "" ? "" : `it said: ${said}`].filter((part) => part !== "");
  const busy = status === 429 || status === 503;
  return new AppError(
    busy ? "server-busy" : "server-lost",
    `The server at ${where} answered with HTTP status ${status}${parts.map((part) => `; ${part}`).join("")}`,
    { details: { status } },
  );
}

export function sessionOver(where: string): AppError {
  return new AppError(
    "session-over",
    `The server at ${where} no longer knows this session; the next call opens a new one.`,
  );
}

export function redirectedAway(where: string, origin: string): AppError {
  return new AppError(
    "server-lost",
    `The server at ${where} redirects to ${origin}, where its headers are not sent; add it with that URL if it is right.`,
  );
}

export function tooLarge(where: string, maxBytes: number): AppError {
  const mib = Math.round((maxBytes / 1_048_576) * 10) / 10;
  return new AppError(
    "server-lost",
    `The server at ${where} sent a message over ${mib} MiB, which is the limit.`,
    {
      details: { maxBytes },
    },
  );
}

export function noAnswer(where: string, what: string): AppError {
  return new AppError("server-lost", `The server at ${where} ${what} instead of an answer.`);
}

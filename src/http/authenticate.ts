// Who sends a request on /mcp: the bearer token of the Authorization header (RFC 6750). Nothing else counts: no
// cookie, no query, no session id.

import type { Caller } from "../gateway/caller.ts";
import type { TokenBook } from "../gateway/token-book.ts";
import { rpcFailure } from "./rpc-failure.ts";

/** The caller, or the 401 that tells how to become one. */
export function authenticate(request: Request, tokens: TokenBook): Caller | Response {
  const header = request.headers.get("authorization");
  if (header === null) return unauthenticated(undefined);
  const isBearer = header.length > 7 && header.slice(0, 7).toLowerCase() === "bearer ";
  const caller = isBearer ? tokens.caller(header.slice(7).trim()) : undefined;
  return caller ?? unauthenticated("invalid_token");
}

/** RFC 6750, section 3: no error code where no token was presented. */
function unauthenticated(error: string | undefined): Response {
  const message =
    error === undefined
      ? "A token is needed: Authorization: Bearer tc_… (`toolcrib token create NAME` makes one)."
      : "The token is unknown, revoked or expired (`toolcrib token ls` lists those that count).";
  const challenge =
    error === undefined
      ? 'Bearer realm="toolcrib"'
      : `Bearer realm="toolcrib", error="${error}", error_description="unknown, revoked or expired"`;
  return rpcFailure({ status: 401, code: 4010, message, headers: { "www-authenticate": challenge } });
}

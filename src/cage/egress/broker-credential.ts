// Placeholders, and where real values take their place. Pure. The plan of a start asks for the former; broker-rewrite.ts
// does the latter in each request.

import { createHmac } from "node:crypto";

export interface Credential {
  /** Name of the request header, in lower case. */
  readonly header: string;
  readonly placeholder: string;
  readonly value: string;
}

/** What the server gets for `${broker:name}`. */
export type PlaceholderFor = (server: string, name: string) => string;

const PREFIX = "toolcrib_";
const BASIC = /^(basic) +([A-Za-z0-9+/_-]+={0,2})$/i;

/**
 * Placeholders look like a token: a prefix and 43 letters, digits, `_` and `-`. The same for the same server and name,
 * and beyond guessing without `key` (32 random bytes, made when the appliance starts). Worth nothing elsewhere.
 */
export function createPlaceholders(key: Uint8Array): PlaceholderFor {
  return (server, name) =>
    PREFIX + createHmac("sha256", key).update(`${server}\0${name}`).digest("base64url");
}

/**
 * A header with real values in the place of placeholders, in `Basic` credentials too; undefined where there is none.
 * `credentials`: those for this header.
 */
export function withRealValues(sent: string, credentials: readonly Credential[]): string | undefined {
  return replacePlaceholders(sent, credentials) ?? replaceInBasic(sent, credentials);
}

function replacePlaceholders(text: string, credentials: readonly Credential[]): string | undefined {
  const named = credentials.filter(({ placeholder }) => text.includes(placeholder));
  if (named.length === 0) return undefined;
  return named.reduce((result, { placeholder, value }) => {
    const scheme = result.slice(0, result.indexOf(placeholder));
    // `Bearer <placeholder>`, and the value begins with `Bearer ` as well: that is meant once.
    const isRepeated = scheme.length > 0 && value.toLowerCase().startsWith(scheme.toLowerCase());
    // NB: a function, or `$&` in a value would mean something.
    return result.replaceAll(isRepeated ? scheme + placeholder : placeholder, () => value);
  }, text);
}

function replaceInBasic(text: string, credentials: readonly Credential[]): string | undefined {
  const [, scheme, encoded] = BASIC.exec(text) ?? [];
  if (scheme === undefined || encoded === undefined) return undefined;
  const replaced = replacePlaceholders(Buffer.from(encoded, "base64").toString("latin1"), credentials);
  return replaced === undefined
    ? undefined
    : `${scheme} ${Buffer.from(replaced, "latin1").toString("base64")}`;
}

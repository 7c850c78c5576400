// A token as the API lists it: everything but the token.

import type { TokenView } from "../model/api.ts";
import type { TokenRecord } from "../model/token.ts";

/** `now` in milliseconds since the epoch. */
export function tokenView(record: TokenRecord, now: number): TokenView {
  const { expiresAt, lastUsedAt } = record;
  return {
    id: record.id,
    name: record.name,
    servers: record.servers ?? "all",
    createdAt: new Date(record.createdAt).toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: new Date(lastUsedAt).toISOString() }),
    expired: expiresAt !== undefined && expiresAt <= now,
  };
}

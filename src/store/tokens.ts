// The agent tokens, by hash. The gateway looks them up in memory; here is what survives.

import type { Database } from "bun:sqlite";
import * as v from "valibot";
import { AppError } from "../errors.ts";
import type { TokenRecord } from "../model/token.ts";
import { isDuplicate } from "./failure.ts";
import { json, Milliseconds, parseRow } from "./rows.ts";
import { statement, transaction } from "./statement.ts";

export interface TokenTable {
  /** By name. */
  listTokens(): readonly TokenRecord[];
  /** @throws AppError `conflict` when the name is taken. */
  insertToken(token: TokenRecord): void;
  /** @throws AppError `not-found` */
  deleteToken(id: string): void;
  /** When tokens were last used, in milliseconds since the epoch, in one transaction. Unknown ids are passed over. */
  touchTokens(lastUsedAt: ReadonlyMap<string, number>): void;
}

const Row = v.pipe(
  v.strictObject({
    id: v.string(),
    name: v.string(),
    hash: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
    servers: v.nullable(json(v.array(v.string()))),
    created_at: Milliseconds,
    expires_at: v.nullable(Milliseconds),
    last_used_at: v.nullable(Milliseconds),
  }),
  v.transform((row): TokenRecord => ({
    id: row.id,
    name: row.name,
    hash: row.hash,
    servers: row.servers ?? undefined,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  })),
);

export function tokenTable(db: Database): TokenTable {
  const list = statement(
    db,
    "SELECT id, name, hash, servers, created_at, expires_at, last_used_at FROM tokens ORDER BY name",
  );
  const insert = statement(
    db,
    "INSERT INTO tokens (id, name, hash, servers, created_at, expires_at, last_used_at) " +
      "VALUES ($id, $name, $hash, $servers, $createdAt, $expiresAt, $lastUsedAt)",
  );
  const remove = statement(db, "DELETE FROM tokens WHERE id = ?");
  // Batches may arrive in any order; time only goes on.
  const touch = statement(
    db,
    "UPDATE tokens SET last_used_at = max(coalesce(last_used_at, 0), $at) WHERE id = $id",
  );

  return {
    listTokens: () => list.all().map((row) => parseRow(Row, row, "a token", db.filename)),
    insertToken({ servers, expiresAt = null, lastUsedAt = null, ...token }) {
      try {
        insert.run({
          ...token,
          servers: servers === undefined ? null : JSON.stringify(servers),
          expiresAt,
          lastUsedAt,
        });
      } catch (thrown) {
        if (!isDuplicate(thrown)) throw thrown;
        throw new AppError("conflict", `There is a token ${token.name} already.`, { cause: thrown });
      }
    },
    deleteToken(id) {
      if (remove.run(id).changes === 0) throw new AppError("not-found", "There is no such token.");
    },
    touchTokens(lastUsedAt) {
      if (lastUsedAt.size === 0) return;
      transaction(db, () => {
        for (const [id, at] of lastUsedAt) touch.run({ id, at });
      });
    },
  };
}

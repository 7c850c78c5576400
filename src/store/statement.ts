// Prepared statements and transactions whose failures are already sentences. The tables use these and nothing else
// of the database.

import type { Database, SQLQueryBindings } from "bun:sqlite";
import { storeFailure } from "./failure.ts";

type Parameters = SQLQueryBindings[];

export interface Statement {
  all(...parameters: Parameters): readonly unknown[];
  run(...parameters: Parameters): { readonly changes: number; readonly rowId: number };
}

/** Prepared once, and gone with the database. */
export function statement(db: Database, sql: string): Statement {
  const query = guard(db, () => db.query<unknown, Parameters>(sql));
  return {
    all: (...parameters) => guard(db, () => query.all(...parameters)),
    run: (...parameters) => {
      const { changes, lastInsertRowid } = guard(db, () => query.run(...parameters));
      return { changes, rowId: Number(lastInsertRowid) };
    },
  };
}

/** All that `act` writes, or nothing when it throws. Waits for other writers at its begin, never in the middle. */
export function transaction<T>(db: Database, act: () => T): T {
  return guard(db, () => db.transaction(act).immediate());
}

function guard<T>(db: Database, act: () => T): T {
  try {
    return act();
  } catch (thrown) {
    throw storeFailure(db.filename, thrown);
  }
}

// The numbered list of what was changed, by whom. A row is written in the transaction of the change itself.

import type { Database } from "bun:sqlite";
import { statement } from "./statement.ts";

export interface Change {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly actor: string;
  /** Such as `server.add`. */
  readonly action: string;
  /** What was changed: the name of a server, of a token. */
  readonly subject: string;
  /** Facts beside. Never a secret. */
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface ChangeTable {
  /** The revision that the change makes: larger than any that was ever committed. */
  recordChange(change: Change): number;
}

export function changeTable(db: Database): ChangeTable {
  const insert = statement(
    db,
    "INSERT INTO changes (at, actor, action, subject, detail) VALUES ($at, $actor, $action, $subject, $detail)",
  );
  return {
    recordChange: ({ at, actor, action, subject, detail }) =>
      insert.run({ at, actor, action, subject, detail: JSON.stringify(detail) }).rowId,
  };
}

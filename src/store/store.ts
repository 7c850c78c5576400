// The store: everything that survives, in one database file. app.ts opens it first and closes it last; control asks
// and writes, and is the only one that does.

import { dirname } from "node:path";
import { type ChangeTable, changeTable } from "./changes.ts";
import { openDatabase } from "./database.ts";
import { lockInstance } from "./instance-lock.ts";
import { type Migration, MIGRATIONS } from "./migrations.ts";
import { type OfferTable, offerTable } from "./offers.ts";
import { type PreviousPackageTable, previousPackageTable } from "./previous-packages.ts";
import { type ServerTable, serverTable } from "./servers.ts";
import { statement, transaction } from "./statement.ts";
import { type TokenTable, tokenTable } from "./tokens.ts";

/**
 * Every function is synchronous; what it wrote is on the disk when it returns, or not at all when it throws.
 * @throws AppError `no-space` when the disk is full; `bad-configuration` for a row that cannot be understood.
 */
export interface Store extends ServerTable, PreviousPackageTable, OfferTable, TokenTable, ChangeTable {
  /** All that `act` writes, or nothing when it throws. `act` must not be async. May be nested. */
  transaction<T>(act: () => T): T;
  /** Writes the log back into the file, and lets another appliance have it. Idempotent. */
  close(): void;
}

export interface StoreOptions {
  /** How long to wait for another program that writes, such as a backup. */
  readonly busyTimeoutMs?: number;
  readonly migrations?: readonly Migration[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Opens the database at `path`, and makes it when there is none. Its directory must exist.
 * @throws AppError `conflict` when another appliance has it; `bad-configuration` when it is damaged, foreign, newer
 * than this program or cannot be written; `no-space`.
 */
export function openStore(path: string, options: StoreOptions = {}): Store {
  const { busyTimeoutMs = 5000, migrations = MIGRATIONS, now = Date.now } = options;
  using opening = new DisposableStack();
  const lock = lockInstance(dirname(path));
  opening.defer(() => lock.release());
  const db = openDatabase(path, { busyTimeoutMs, migrations, now });
  // NB: without `true` the file stays open until every statement has been collected as garbage.
  opening.defer(() => db.close(true));
  const tables = {
    ...serverTable(db),
    ...previousPackageTable(db),
    ...offerTable(db, now),
    ...tokenTable(db),
    ...changeTable(db),
  };

  const held = opening.move();
  return {
    ...tables,
    transaction: (act) => transaction(db, act),
    close() {
      if (held.disposed) return;
      try {
        statement(db, "PRAGMA wal_checkpoint(TRUNCATE)").all();
      } finally {
        held.dispose();
      }
    },
  };
}

// Opens the one database file: makes it when there is none, and otherwise looks whether it can be trusted first.
// store.ts is the only caller.

import { Database } from "bun:sqlite";
import { closeSync, existsSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { damaged, storeFailure } from "./failure.ts";
import { checkSchema, initialise, migrate, type Migration } from "./migrations.ts";

export interface DatabaseOptions {
  /** How long a statement waits for another program (a backup, a shell) before it fails. */
  readonly busyTimeoutMs: number;
  readonly migrations: readonly Migration[];
  readonly now: () => number;
}

const PAGE_BYTES = 4096;
/** After a checkpoint the log is cut to this size. */
const MAX_IDLE_LOG_BYTES = 4 * 1024 * 1024;

/**
 * @throws AppError `bad-configuration` for a file that is damaged, foreign, newer or not writable: it is left as it
 * is. `no-space`, and then nothing is half-made.
 */
export function openDatabase(path: string, options: DatabaseOptions): Database {
  try {
    // NB: lstat, because a link to a disk that is not mounted now is a database that is there.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) create(path, options);
    checkEnd(path);
    const db = new Database(path, { create: false, readwrite: true, strict: true });
    try {
      prepareConnection(db, path, options);
      return db;
    } catch (thrown) {
      db.close(true);
      throw thrown;
    }
  } catch (thrown) {
    throw storeFailure(path, thrown);
  }
}

function prepareConnection(
  db: Database,
  path: string,
  { busyTimeoutMs, migrations, now }: DatabaseOptions,
): void {
  db.run(`PRAGMA busy_timeout = ${Math.trunc(busyTimeoutMs)}`);
  db.run("PRAGMA cell_size_check = ON");
  db.run("PRAGMA trusted_schema = OFF");
  const [finding] = v.parse(
    v.array(v.object({ quick_check: v.string() })),
    db.query("PRAGMA quick_check(1)").all(),
  );
  if (finding?.quick_check !== "ok") throw damaged(path, finding?.quick_check ?? "quick_check found nothing");
  checkSchema(db, path, migrations);
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = FULL");
  db.run("PRAGMA foreign_keys = ON");
  db.run(`PRAGMA journal_size_limit = ${MAX_IDLE_LOG_BYTES}`);
  migrate(db, migrations, now);
}

/**
 * A copy that broke off in its last page is whole to SQLite, which reads zeros for what is missing. While there is a
 * log, the end may be on its way from there.
 */
function checkEnd(path: string): void {
  if (existsSync(`${path}-wal`) || statSync(path).size % PAGE_BYTES === 0) return;
  throw damaged(path, "it ends in the middle of a page");
}

/** Made beside its place and renamed, so that a file in its place is always a whole database, or a damaged one. */
function create(path: string, { migrations, now }: DatabaseOptions): void {
  if (existsSync(`${path}-wal`)) {
    throw damaged(path, "the file is missing, but its -wal file is there");
  }
  const making = `${path}.new`;
  for (const ending of ["", "-journal", "-wal", "-shm"]) rmSync(`${making}${ending}`, { force: true });
  try {
    closeSync(openSync(making, "wx", 0o600));
    const db = new Database(making, { create: false, readwrite: true });
    try {
      db.run(`PRAGMA page_size = ${PAGE_BYTES}`);
      initialise(db);
      migrate(db, migrations, now);
    } finally {
      db.close(true);
    }
    renameSync(making, path);
    syncDirectory(dirname(path));
  } catch (thrown) {
    rmSync(making, { force: true });
    throw thrown;
  }
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

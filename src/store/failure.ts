// What goes wrong with the database file, as sentences for an administrator. Every function of the store passes what
// it caught through here.

import { SQLiteError } from "bun:sqlite";
import { AppError, type ErrorCode, systemErrorCode } from "../errors.ts";

/** By the code of SQLite or of the system; the first that matches. */
const SENTENCES: readonly (readonly [code: RegExp, ErrorCode, (path: string) => string])[] = [
  [
    // SHMSIZE: no room for the index of the log, which SQLite does not tell apart.
    /^(SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)$/,
    "no-space",
    (path) => `The disk is full and nothing was saved: free some space for ${path}, then try again.`,
  ],
  [
    /^SQLITE_(BUSY|LOCKED)/,
    "conflict",
    (path) => `Another program is writing to ${path}: let it finish, then try again.`,
  ],
  [
    /^(SQLITE_(CANTOPEN|READONLY|PERM|AUTH)|EACCES|EPERM|EROFS|EISDIR|ENOENT|ENOTDIR)/,
    "bad-configuration",
    (path) =>
      `${path} cannot be opened for writing by uid ${process.getuid?.()}, which runs this: ` +
      "look at the owner and the mode of the file and of its directory.",
  ],
  [
    /^SQLITE_IOERR/,
    "internal",
    (path) => `Reading or writing ${path} failed: look at the disk, and for its errors in the kernel's log.`,
  ],
];

/** AppErrors stay as they are, and so does what has nothing to do with the file. */
export function storeFailure(path: string, thrown: unknown): unknown {
  const code = systemErrorCode(thrown);
  if (thrown instanceof AppError || code === undefined) return thrown;
  // SQLITE_ERROR: a table or column that must be there is not.
  if (thrown instanceof SQLiteError && /^SQLITE_(NOTADB|CORRUPT|ERROR)/.test(code)) {
    return damaged(path, thrown.message, thrown);
  }
  const [, kind, sentence] = SENTENCES.find(([pattern]) => pattern.test(code)) ?? [];
  if (kind === undefined || sentence === undefined) return thrown;
  return new AppError(kind, sentence(path), { cause: thrown, details: { path, code } });
}

/** A database that is there and must not be used. It is never replaced by an empty one: that would lose everything. */
export function damaged(path: string, finding: string, cause?: unknown): AppError {
  return new AppError(
    "bad-configuration",
    `${path} is damaged, or no database of Toolcrib (${finding}). Put a backup in its place, ` +
      "or move it and its -wal file away to begin with an empty one.",
    { cause, details: { path, finding } },
  );
}

/** True where a name is taken that may be used once. */
export function isDuplicate(thrown: unknown): boolean {
  const code = systemErrorCode(thrown);
  return code === "SQLITE_CONSTRAINT_PRIMARYKEY" || code === "SQLITE_CONSTRAINT_UNIQUE";
}

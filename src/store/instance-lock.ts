// One appliance a data directory. The lock is an exclusive transaction on a small database of its own that stays
// open: the kernel ends it with the process, however that ends, so nothing stale is left to clean up.

import { Database } from "bun:sqlite";
import { join } from "node:path";
import { AppError, systemErrorCode } from "../errors.ts";
import { storeFailure } from "./failure.ts";

export interface InstanceLock {
  /** Lets another appliance have the directory. Idempotent. */
  release(): void;
}

/** @throws AppError `conflict` when another appliance has it, in this process or another. */
export function lockInstance(dataDirectory: string): InstanceLock {
  // NB: nobody else may open this file in this process: closing any descriptor of it would end the lock (fcntl(2)).
  const path = join(dataDirectory, "lock.db");
  const db = open(path);
  try {
    db.run("PRAGMA busy_timeout = 0");
    // Nothing is ever written, so there is nothing to roll back, and no journal to leave behind.
    db.run("PRAGMA journal_mode = OFF");
    db.run("BEGIN EXCLUSIVE");
  } catch (thrown) {
    db.close(true);
    if (!systemErrorCode(thrown)?.startsWith("SQLITE_BUSY")) throw storeFailure(path, thrown);
    throw new AppError(
      "conflict",
      `Another Toolcrib is running on ${dataDirectory}: stop it first, or give this one its own place with --home.`,
      { cause: thrown, details: { path: dataDirectory } },
    );
  }
  return { release: () => db.close(true) };
}

function open(path: string): Database {
  try {
    return new Database(path, { create: true, readwrite: true });
  } catch (thrown) {
    throw storeFailure(path, thrown);
  }
}

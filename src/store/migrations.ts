// Brings a database to the schema that this program knows. Migrations are only ever added; a released one is never
// edited, which is checked by its hash.

import type { Database } from "bun:sqlite";
import * as v from "valibot";
import initial from "../../migrations/0001_initial.sql" with { type: "text" };
import packages from "../../migrations/0002_packages.sql" with { type: "text" };
import { AppError } from "../errors.ts";
import { damaged } from "./failure.ts";

export interface Migration {
  /** From 1, without gaps. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "initial", sql: initial },
  { version: 2, name: "packages", sql: packages },
];

/** `tool` in ASCII, in the header of the file: other programs' databases are not touched. */
const APPLICATION_ID = 0x746f_6f6c;

const Applied = v.array(v.strictObject({ version: v.number(), name: v.string(), sha256: v.string() }));

/**
 * Refuses a database of another program, of a newer version, or with a history that differs from ours. Only reads.
 * @throws AppError `bad-configuration`
 */
export function checkSchema(db: Database, path: string, known: readonly Migration[]): void {
  const { application_id: id } = v.parse(
    v.object({ application_id: v.number() }),
    db.query("PRAGMA application_id").get(),
  );
  if (id !== APPLICATION_ID) throw damaged(path, "it was made by another program");
  const newest = appliedTo(db).at(-1)?.version ?? 0;
  if (newest > known.length) {
    throw new AppError(
      "bad-configuration",
      `${path} was made by a newer Toolcrib (schema ${newest}, this one knows ${known.length}): ` +
        "start that version again, or restore a backup from before the upgrade.",
      { details: { path, schema: newest, known: known.length } },
    );
  }
  for (const [index, { version, name, sha256 }] of appliedTo(db).entries()) {
    const own = known[index];
    if (own !== undefined && own.version === version && own.name === name && hashOf(own) === sha256) continue;
    throw new AppError(
      "bad-configuration",
      `${path} was made with another migration ${version} (${name}) than this program has: run the program that made it, or restore a backup.`,
      { details: { path, migration: version } },
    );
  }
}

/** Applies what is missing, each migration in one transaction with the row that records it. */
export function migrate(db: Database, known: readonly Migration[], now: () => number): void {
  const newest = appliedTo(db).at(-1)?.version ?? 0;
  for (const migration of known.slice(newest)) {
    db.transaction(() => {
      db.run(migration.sql);
      db.query("INSERT INTO migrations (version, name, sha256, applied_at) VALUES (?, ?, ?, ?)").run(
        migration.version,
        migration.name,
        hashOf(migration),
        now(),
      );
    }).immediate();
  }
}

/** Makes an empty file a database of ours, without any migration yet. */
export function initialise(db: Database): void {
  db.transaction(() => {
    db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.run(`CREATE TABLE migrations (
      version    INTEGER PRIMARY KEY,
      name       TEXT    NOT NULL,
      sha256     TEXT    NOT NULL,
      applied_at INTEGER NOT NULL
    ) STRICT`);
  }).immediate();
}

function appliedTo(db: Database): v.InferOutput<typeof Applied> {
  return v.parse(Applied, db.query("SELECT version, name, sha256 FROM migrations ORDER BY version").all());
}

function hashOf({ sql }: Migration): string {
  return new Bun.CryptoHasher("sha256").update(sql).digest("hex");
}

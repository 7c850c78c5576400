// The servers as configured. Every change of them is part of a transaction that also records who made it.

import type { Database } from "bun:sqlite";
import * as v from "valibot";
import { AppError } from "../errors.ts";
import { type ConfiguredServer, PinnedPackage, ServerName, ServerSpec } from "../model/server-spec.ts";
import { isDuplicate } from "./failure.ts";
import { json, Milliseconds, parseRow } from "./rows.ts";
import { statement } from "./statement.ts";

export interface ServerTable {
  /** By name. */
  listServers(): readonly ConfiguredServer[];
  /** @throws AppError `conflict` when the name is taken. */
  insertServer(server: ConfiguredServer): void;
  /** Everything but the name. @throws AppError `not-found` */
  updateServer(server: ConfiguredServer): void;
  /** And what is known of its lists. @throws AppError `not-found` */
  deleteServer(name: string): void;
  /** @throws AppError `not-found` */
  setServerEnabled(name: string, enabled: boolean): void;
}

const Row = v.pipe(
  v.strictObject({
    name: ServerName,
    spec: json(ServerSpec),
    package: v.nullable(json(PinnedPackage)),
    enabled: v.picklist([0, 1]),
    spec_hash: v.pipe(v.string(), v.hash(["sha256"])),
    created_at: Milliseconds,
  }),
  v.transform((row): ConfiguredServer => ({
    name: row.name,
    spec: row.spec,
    package: row.package ?? undefined,
    enabled: row.enabled === 1,
    specHash: row.spec_hash,
    createdAt: row.created_at,
  })),
);
const Named = v.object({ name: v.string() });

export function serverTable(db: Database): ServerTable {
  const list = statement(
    db,
    "SELECT name, spec, package, enabled, spec_hash, created_at FROM servers ORDER BY name",
  );
  const insert = statement(
    db,
    "INSERT INTO servers (name, spec, package, enabled, spec_hash, created_at) " +
      "VALUES ($name, $spec, $package, $enabled, $specHash, $createdAt)",
  );
  const update = statement(
    db,
    "UPDATE servers SET spec = $spec, package = $package, enabled = $enabled, spec_hash = $specHash, " +
      "created_at = $createdAt WHERE name = $name",
  );
  const remove = statement(db, "DELETE FROM servers WHERE name = ?");
  const enable = statement(db, "UPDATE servers SET enabled = ? WHERE name = ?");

  return {
    listServers: () =>
      list.all().map((row) => {
        const name = v.is(Named, row) ? row.name : "?";
        return parseRow(Row, row, `the server ${JSON.stringify(name)}`, db.filename);
      }),
    insertServer(server) {
      try {
        insert.run(columnsOf(server));
      } catch (thrown) {
        if (!isDuplicate(thrown)) throw thrown;
        throw new AppError("conflict", `There is a server ${server.name} already.`, { cause: thrown });
      }
    },
    updateServer: (server) => mustBeThere(server.name, update.run(columnsOf(server)).changes),
    deleteServer: (name) => mustBeThere(name, remove.run(name).changes),
    setServerEnabled: (name, enabled) => mustBeThere(name, enable.run(Number(enabled), name).changes),
  };
}

function columnsOf({ name, spec, package: pinned, enabled, specHash, createdAt }: ConfiguredServer) {
  return {
    name,
    spec: JSON.stringify(spec),
    package: pinned === undefined ? null : JSON.stringify(pinned),
    enabled: Number(enabled),
    specHash,
    createdAt,
  };
}

function mustBeThere(name: string, changes: number): void {
  if (changes === 0)
    throw new AppError("not-found", `There is no server ${JSON.stringify(name.slice(0, 80))}.`);
}

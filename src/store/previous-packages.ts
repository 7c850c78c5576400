// The package that each server ran before its last update. It is written in the transaction of the update, and gone
// with its server.

import type { Database } from "bun:sqlite";
import * as v from "valibot";
import { PinnedPackage } from "../model/server-spec.ts";
import { json, Milliseconds, parseRow } from "./rows.ts";
import { statement } from "./statement.ts";

export interface PreviousPackage {
  readonly server: string;
  readonly package: PinnedPackage;
  /** The command line that it was installed for. */
  readonly spec: CommandLine;
  /** Milliseconds since the epoch. */
  readonly replacedAt: number;
}

const CommandLine = v.strictObject({ command: v.string(), args: v.array(v.string()) });
export type CommandLine = v.InferOutput<typeof CommandLine>;

export interface PreviousPackageTable {
  /** By name of the server. */
  listPreviousPackages(): readonly PreviousPackage[];
  /** Takes the place of an earlier one. The server must be there. */
  savePreviousPackage(previous: PreviousPackage): void;
  /** Nothing happens where there is none. */
  deletePreviousPackage(server: string): void;
}

const Row = v.pipe(
  v.strictObject({
    server: v.string(),
    package: json(PinnedPackage),
    spec: json(CommandLine),
    replaced_at: Milliseconds,
  }),
  v.transform(({ replaced_at, ...row }): PreviousPackage => ({ ...row, replacedAt: replaced_at })),
);

export function previousPackageTable(db: Database): PreviousPackageTable {
  const list = statement(
    db,
    "SELECT server, package, spec, replaced_at FROM previous_packages ORDER BY server",
  );
  const save = statement(
    db,
    "INSERT OR REPLACE INTO previous_packages (server, package, spec, replaced_at) " +
      "VALUES ($server, $package, $spec, $replacedAt)",
  );
  const remove = statement(db, "DELETE FROM previous_packages WHERE server = ?");

  return {
    listPreviousPackages: () =>
      list.all().map((row) => parseRow(Row, row, "a package to go back to", db.filename)),
    savePreviousPackage: ({ server, package: pinned, spec, replacedAt }) =>
      void save.run({ server, package: JSON.stringify(pinned), spec: JSON.stringify(spec), replacedAt }),
    deletePreviousPackage: (server) => void remove.run(server),
  };
}

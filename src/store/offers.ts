// What each server offered when it was last asked. It counts only for the specification that it was read from.

import type { Database } from "bun:sqlite";
import * as v from "valibot";
import type { ServerOffer } from "../model/server-offer.ts";
import { parseRow } from "./rows.ts";
import { statement } from "./statement.ts";

export interface OfferTable {
  /** Takes the place of an earlier offer. Does nothing when the server is gone or has another specification by now. */
  saveOffer(server: string, specHash: string, offer: ServerOffer): void;
  /** By name of the server; only what its current specification offers. */
  loadOffers(): ReadonlyMap<string, ServerOffer>;
}

const Bytes = v.instance(Uint8Array);
const Row = v.pipe(
  v.strictObject({
    server: v.string(),
    revision: v.string(),
    server_info: v.string(),
    capabilities: v.string(),
    instructions: v.nullable(v.string()),
    tools: Bytes,
    prompts: Bytes,
    resources: Bytes,
    resource_templates: Bytes,
  }),
  v.transform((row): readonly [string, ServerOffer] => [
    row.server,
    {
      revision: row.revision,
      serverInfo: row.server_info,
      capabilities: row.capabilities,
      instructions: row.instructions ?? undefined,
      tools: row.tools,
      prompts: row.prompts,
      resources: row.resources,
      resourceTemplates: row.resource_templates,
    },
  ]),
);

export function offerTable(db: Database, now: () => number): OfferTable {
  const columns =
    "server, revision, server_info, capabilities, instructions, tools, prompts, resources, resource_templates";
  const save = statement(
    db,
    `INSERT OR REPLACE INTO offers (${columns}, spec_hash, read_at) ` +
      "SELECT name, $revision, $serverInfo, $capabilities, $instructions, $tools, $prompts, $resources, " +
      "$resourceTemplates, spec_hash, $readAt FROM servers WHERE name = $server AND spec_hash = $specHash",
  );
  const load = statement(
    db,
    `SELECT ${columns} FROM offers WHERE EXISTS ` +
      "(SELECT 1 FROM servers WHERE servers.name = offers.server AND servers.spec_hash = offers.spec_hash)",
  );

  return {
    saveOffer(server, specHash, { instructions = null, ...offer }) {
      save.run({ ...offer, instructions, server, specHash, readAt: now() });
    },
    loadOffers: () =>
      new Map(load.all().map((row) => parseRow(Row, row, "what a server offers", db.filename))),
  };
}

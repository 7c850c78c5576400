// What the tests of the store share: a directory of their own, rows to write, and the error that something throws.

import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import type { ServerOffer } from "../../src/model/server-offer.ts";
import type { ConfiguredServer } from "../../src/model/server-spec.ts";
import { specHash } from "../../src/model/spec-hash.ts";
import type { TokenRecord } from "../../src/model/token.ts";
import { openStore, type Store, type StoreOptions } from "../../src/store/store.ts";

export interface Place {
  readonly directory: string;
  readonly path: string;
  open(options?: StoreOptions): Store;
  /** The file as another program sees it; for reading and for doing damage. */
  sql(statement: string): unknown[];
  /** Closes what is open and removes everything. */
  [Symbol.dispose](): void;
}

export function place(): Place {
  const directory = mkdtempSync(join(tmpdir(), "store-"));
  const path = join(directory, "toolcrib.db");
  const opened: Store[] = [];
  return {
    directory,
    path,
    open(options) {
      const store = openStore(path, options);
      opened.push(store);
      return store;
    },
    sql(statement) {
      const db = new Database(path, { readwrite: true, create: false });
      try {
        return db.query(statement).all();
      } finally {
        db.close(true);
      }
    },
    [Symbol.dispose]() {
      for (const store of opened) store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function server(name: string, changed: Partial<ConfiguredServer> = {}): ConfiguredServer {
  const spec = {
    kind: "stdio" as const,
    command: "/bin/cat",
    args: ["-u", "ü€\n"],
    env: { KEY: "hunter2" },
    cage: { read: ["/srv"], write: [], network: ["example.com:443"] },
    extra: { icon: { deep: [1, null] } },
  };
  return {
    name,
    spec,
    package: undefined,
    enabled: true,
    specHash: specHash(spec, undefined),
    createdAt: 1000,
    ...changed,
  };
}

export function offer(changed: Partial<ServerOffer> = {}): ServerOffer {
  const bytes = (text: string) => new TextEncoder().encode(text);
  return {
    revision: "2025-11-25",
    serverInfo: '{"name":"x"}',
    capabilities: '{"tools":{}}',
    instructions: undefined,
    tools: bytes('[{"name":"a","n":90071992547409931}]'),
    prompts: bytes("[]"),
    resources: bytes("[]"),
    resourceTemplates: bytes("[]"),
    ...changed,
  };
}

export function token(name: string, changed: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id: `id-${name}`,
    name,
    hash: name.padEnd(43, "-").slice(0, 43),
    servers: undefined,
    createdAt: 1000,
    expiresAt: undefined,
    lastUsedAt: undefined,
    ...changed,
  };
}

export const CHANGE = {
  at: 5,
  actor: "administrator",
  action: "server.add",
  subject: "files",
  detail: { a: [1] },
};

/** The AppError that `act` throws; anything else fails the test. */
export function failure(act: () => unknown): AppError {
  try {
    act();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

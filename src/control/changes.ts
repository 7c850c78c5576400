// The only writer of the configuration. Each change is one transaction with one numbered row that says who did what;
// only when it is on disk does anything else hear of it.

import { AppError } from "../errors.ts";
import type { Bus } from "../events.ts";
import { hashToken, newToken } from "../gateway/token-book.ts";
import type { TokenRequest } from "../model/api.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { TokenRecord } from "../model/token.ts";
import type { Store } from "../store/store.ts";

export interface ChangesOptions {
  readonly store: Store;
  readonly bus: Bus;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Carry a change out: called after each one of their kind, with what is configured now. */
  readonly applyServers: (servers: readonly ConfiguredServer[]) => void;
  readonly applyTokens: (tokens: readonly TokenRecord[]) => void;
}

type Detail = Readonly<Record<string, unknown>>;

/** Whoever can open the admin socket. Names of users come with users. */
const ACTOR = "administrator";

export class Changes {
  readonly #options: ChangesOptions;
  #servers: readonly ConfiguredServer[];

  constructor(options: ChangesOptions) {
    this.#options = options;
    this.#servers = options.store.listServers();
  }

  /** As configured now, by name. */
  get servers(): readonly ConfiguredServer[] {
    return this.#servers;
  }

  tokens(): readonly TokenRecord[] {
    return this.#options.store.listTokens();
  }

  /** @throws AppError `conflict` when the name is in use and `replace` is false. */
  putServer(server: ConfiguredServer, replace: boolean): void {
    const known = this.#servers.some((each) => each.name === server.name);
    if (known && !replace) throw new AppError("conflict", `There is a server ${server.name} already.`);
    const { store } = this.#options;
    this.#changeServers(
      known ? "server.replace" : "server.add",
      server.name,
      { specHash: server.specHash, ...withoutCage(server) },
      () => (known ? store.updateServer(server) : store.insertServer(server)),
    );
  }

  /** An update of its package, or the way back: one change with what `alongside` writes. */
  replacePackage(
    server: ConfiguredServer,
    action: "server.update" | "server.rollback",
    alongside: () => void,
  ): void {
    const { name, specHash, package: pinned } = server;
    this.#changeServers(action, name, { specHash, version: pinned?.version ?? null }, () => {
      alongside();
      this.#options.store.updateServer(server);
    });
  }

  removeServer(name: string): void {
    this.#changeServers("server.remove", name, {}, () => this.#options.store.deleteServer(name));
  }

  setEnabled(name: string, enabled: boolean): void {
    const current = this.#servers.find((server) => server.name === name);
    if (current?.enabled === enabled) return;
    this.#changeServers(enabled ? "server.enable" : "server.disable", name, {}, () =>
      this.#options.store.setServerEnabled(name, enabled),
    );
  }

  /** The token itself is in the answer and nowhere else. @throws AppError `conflict` for a name in use. */
  createToken(request: TokenRequest): { record: TokenRecord; token: string } {
    const { store, now } = this.#options;
    if (store.listTokens().some((token) => token.name === request.name)) {
      throw new AppError(
        "conflict",
        `There is a token ${request.name} already; \`toolcrib token revoke\` ends it.`,
      );
    }
    const token = newToken();
    const createdAt = now();
    const { expiresInSeconds } = request;
    const record: TokenRecord = {
      id: crypto.randomUUID(),
      name: request.name,
      hash: hashToken(token),
      servers: request.servers,
      createdAt,
      expiresAt: expiresInSeconds === undefined ? undefined : createdAt + expiresInSeconds * 1000,
      lastUsedAt: undefined,
    };
    this.#changeTokens("token.create", record.name, { id: record.id, servers: record.servers ?? "all" }, () =>
      store.insertToken(record),
    );
    return { record, token };
  }

  /** By name or id. @throws AppError `not-found` */
  revokeToken(nameOrId: string): TokenRecord {
    const { store } = this.#options;
    const record = store.listTokens().find((token) => token.name === nameOrId || token.id === nameOrId);
    if (record === undefined) {
      throw new AppError(
        "not-found",
        `There is no token ${nameOrId.slice(0, 80)}; \`toolcrib token ls\` lists them.`,
      );
    }
    this.#changeTokens("token.revoke", record.name, { id: record.id }, () => store.deleteToken(record.id));
    return record;
  }

  #changeServers(action: string, subject: string, detail: Detail, write: () => void): void {
    const { store, applyServers } = this.#options;
    this.#commit(action, subject, detail, write, () => {
      this.#servers = store.listServers();
      applyServers(this.#servers);
    });
  }

  #changeTokens(action: string, subject: string, detail: Detail, write: () => void): void {
    const { store, applyTokens } = this.#options;
    this.#commit(action, subject, detail, write, () => applyTokens(store.listTokens()));
  }

  #commit(action: string, subject: string, detail: Detail, write: () => void, apply: () => void): void {
    const { store, bus, now } = this.#options;
    const revision = store.transaction(() => {
      write();
      return store.recordChange({ at: now(), actor: ACTOR, action, subject, detail });
    });
    apply();
    bus.emit("config.changed", { revision });
  }
}

/** That somebody let a server run without a cage is what an auditor looks for. */
function withoutCage({ spec }: ConfiguredServer): Detail {
  return spec.kind === "stdio" && spec.cage.mode === "off" ? { cage: "off" } : {};
}

// The control room over a real store and a pool whose servers answer from data: no process, no network.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Adding, type AddingOptions } from "../../src/control/adding.ts";
import { Administration } from "../../src/control/administration.ts";
import { Changes } from "../../src/control/changes.ts";
import { Offers } from "../../src/control/offers.ts";
import { AppError } from "../../src/errors.ts";
import { createBus } from "../../src/events.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { TokenBook } from "../../src/gateway/token-book.ts";
import { problemOf } from "../../src/http/problem.ts";
import { nullLog } from "../../src/log.ts";
import type { AddEvent, AddRequest } from "../../src/model/api.ts";
import type { ConfiguredServer, StdioSpec } from "../../src/model/server-spec.ts";
import { openStore, type Store } from "../../src/store/store.ts";
import type { ConnectorRequest } from "../../src/upstream/instance.ts";
import { Pool } from "../../src/upstream/pool.ts";
import type { Connector, UpstreamListener } from "../../src/upstream/upstream.ts";
import { NO_PACKAGES } from "../http/api/fake-packages.ts";
import {
  type Answer,
  answeringUpstream,
  type AnsweringUpstream,
  type Asked,
} from "../upstream/answering-upstream.ts";
import { FakeShells } from "../http/api/fake-shells.ts";

export const SELF = { name: "toolcrib", title: "Toolcrib", version: "1" };

/** How a server of a test behaves, by the command of its specification. */
export interface Behaviour {
  /** Not given: it connects. */
  readonly connect?: (signal: AbortSignal) => Promise<void>;
  readonly answer?: (asked: Asked) => Answer;
}

export interface Connected {
  readonly server: ConfiguredServer;
  readonly upstream: AnsweringUpstream;
  readonly listener: UpstreamListener;
}

export interface ControlLab {
  readonly store: Store;
  readonly changes: Changes;
  readonly offers: Offers;
  readonly pool: Pool;
  readonly gateway: Gateway;
  readonly tokenBook: TokenBook;
  readonly administration: Administration;
  /** By command. */
  readonly behaviours: Map<string, Behaviour>;
  readonly connected: readonly Connected[];
  /** Each event of the bus, in words. */
  readonly events: string[];
  readonly warnings: string[];
  readonly clock: { now: number };
  add(request: AddRequest, signal?: AbortSignal): Promise<readonly AddEvent[]>;
  /** A second control room over the same database, as after a restart. The first one is closed. */
  reopen(): Promise<ControlLab>;
  close(): Promise<void>;
}

export const tools = (...names: readonly string[]): string =>
  `{"tools":[${names.map((name) => `{"name":"${name}","inputSchema":{"type":"object"}}`).join()}]}`;

export function specOf(command: string, more: Partial<StdioSpec> = {}): StdioSpec {
  return {
    kind: "stdio",
    command,
    args: [],
    env: {},
    cage: { read: [], write: [], network: [] },
    extra: {},
    ...more,
  };
}

export const addRequest = (name: string, command: string, more: Partial<AddRequest> = {}): AddRequest => ({
  name,
  spec: specOf(command),
  replace: false,
  ...more,
});

export async function openControl(
  options: { install?: AddingOptions["install"]; directory?: string } = {},
): Promise<ControlLab> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "toolcrib-control-"));
  const store = openStore(join(directory, "toolcrib.db"));
  const bus = createBus((thrown) => {
    throw thrown;
  });
  const events: string[] = [];
  bus.on("config.changed", ({ revision }) => events.push(`config ${revision}`));
  bus.on("offer.changed", ({ server }) => events.push(`offer ${server}`));
  const warnings: string[] = [];
  const log = {
    ...nullLog,
    warn: (message: string, fields: object = {}) =>
      void warnings.push(`${message} ${JSON.stringify(fields)}`),
  };
  const behaviours = new Map<string, Behaviour>();
  const connected: Connected[] = [];
  const clock = { now: 1_700_000_000_000 };
  const now = (): number => clock.now;
  const tokenBook = new TokenBook(now);

  const connectorFor = ({ server }: ConnectorRequest): Connector => ({
    async connect(listener, signal) {
      const { spec } = server;
      const behaviour = behaviours.get(spec.kind === "stdio" ? spec.command : spec.url) ?? {};
      await behaviour.connect?.(signal);
      const upstream = closable(behaviour.answer ?? (() => ({ result: tools("echo") })));
      connected.push({ server, upstream, listener });
      return upstream;
    },
  });
  const pool = new Pool({
    connectorFor,
    limits: {
      parallelStarts: 4,
      memoryBytes: 1024 ** 4,
      processes: 10_000,
      instances: 100,
      instancesPerServer: 10,
    },
    defaultCallTimeoutMs: 1_000,
    defaultStartTimeoutMs: 1_000,
    defaultIdleStopMs: 0,
    bus,
    log,
    now,
    random: () => 0.5,
    onReady: (server, upstream) => void offers.refresh(server, upstream),
    onListChanged: (server, upstream) => offers.changed(server, upstream),
  });
  const gateway = new Gateway({
    servers: pool,
    bus,
    limits: { maxSessions: 10, idleMs: 1_000 },
    self: SELF,
    now,
  });
  const offers: Offers = new Offers({ store, gateway, bus, log, self: SELF });
  const changes = new Changes({
    store,
    bus,
    now,
    applyServers(servers) {
      pool.apply(servers);
      offers.configure(servers);
    },
    applyTokens: (tokens) => tokenBook.replace(tokens),
  });
  const install = options.install ?? (() => Promise.resolve(undefined));
  const adding = new Adding({ changes, pool, offers, install, problemOf, now });
  const administration = new Administration({
    ...NO_PACKAGES,
    changes,
    adding,
    pool,
    offers,
    gateway,
    tokenBook,
    status: () => {
      throw new AppError("internal", "not of this lab");
    },
    settings: [],
    doctor: () => Promise.resolve([]),
    cageFacts: { report: () => undefined, refused: () => [], learned: () => [], traffic: () => [] },
    shells: new FakeShells(),
    refusedPaths: () => undefined,
    plan: () => ({ servers: [], notes: [] }),
    now,
    saveTokenUse: () => store.touchTokens(tokenBook.takeUsed()),
  });
  pool.apply(changes.servers);
  offers.restore(changes.servers);
  tokenBook.replace(changes.tokens());

  const shut = async (): Promise<void> => {
    gateway.sessions.endAll();
    offers.close();
    await pool.close();
    store.close();
  };
  return {
    store,
    changes,
    offers,
    pool,
    gateway,
    tokenBook,
    administration,
    behaviours,
    connected,
    events,
    warnings,
    clock,
    async add(request, signal = new AbortController().signal) {
      const reported: AddEvent[] = [];
      await administration.add(request, (event) => reported.push(event), signal);
      return reported;
    },
    async reopen() {
      await shut();
      return openControl({ ...options, directory });
    },
    async close() {
      await shut();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** An answering upstream that ends when it is closed. Claims tools. */
function closable(answer: (asked: Asked) => Answer): AnsweringUpstream {
  const { promise, resolve } = Promise.withResolvers<AppError>();
  const close = (): Promise<void> => {
    resolve(new AppError("server-lost", "The server exited with code 0"));
    return Promise.resolve();
  };
  return Object.assign(answeringUpstream(answer, { hello: { capabilities: '{"tools":{}}' } }), {
    closed: promise,
    close,
  });
}

// All servers of the appliance: a keeper each for those that are enabled. The reconciler says which there should be;
// the gateway takes connections from here.

import { AppError } from "../errors.ts";
import type { Bus } from "../events.ts";
import type { Log } from "../log.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { ServerStatus } from "../model/server-state.ts";
import { Gate } from "../process/gate.ts";
import { OutputRing } from "../process/output-ring.ts";
import { Keeper } from "./keeper.ts";
import type { Connector, Upstream } from "./upstream.ts";

/** Of each server's stderr in memory; the tail of its last crash is cut from it and kept apart. */
const OUTPUT_BYTES = 256 * 1024;
const CRASH_TAIL_BYTES = 64 * 1024;

export interface PoolOptions {
  /** How to connect to a server; `onSpawn` is told the process id of each start. */
  readonly connectorFor: (
    server: ConfiguredServer,
    output: OutputRing,
    onSpawn: (pid: number) => void,
  ) => Connector;
  readonly parallelStarts: number;
  readonly defaultCallTimeoutMs: number;
  readonly bus: Bus;
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
  /** A connection is there: time to read what the server offers. */
  readonly onReady: (server: ConfiguredServer, upstream: Upstream) => void;
  /** The server said that a list of its changed. */
  readonly onListChanged: (server: ConfiguredServer, upstream: Upstream) => void;
}

interface Entry {
  server: ConfiguredServer;
  readonly output: OutputRing;
  /** None while the server is disabled. */
  keeper: Keeper | undefined;
  pid: number | undefined;
  lastCrash: string | undefined;
  /** Resolves when the keeper before this one has ended all that it had. */
  ending: Promise<void> | undefined;
  disabledSince: number;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #gate: Gate;
  readonly #entries = new Map<string, Entry>();
  /** Keepers on their way out: `close` waits for them too. */
  readonly #closing = new Set<Promise<void>>();

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#gate = new Gate(options.parallelStarts);
  }

  /**
   * Makes the servers be those of `wanted`. One whose specification is the same is not touched. What has to end
   * ends in the background; `settled` waits for it.
   */
  apply(wanted: readonly ConfiguredServer[]): void {
    const names = new Set(wanted.map((server) => server.name));
    for (const name of this.#entries.keys()) {
      if (!names.has(name)) this.#drop(name);
    }
    for (const server of wanted) this.#put(server);
  }

  ready(name: string): Upstream | undefined {
    return this.#entries.get(name)?.keeper?.ready;
  }

  /** @throws AppError `not-found`, `server-disabled`, `start-failed` */
  async acquire(name: string): Promise<Upstream> {
    return this.#keeper(name).acquire();
  }

  /** @throws as `acquire` */
  async restart(name: string): Promise<Upstream> {
    return this.#keeper(name).restart();
  }

  callTimeoutMs(name: string): number {
    return this.#entries.get(name)?.server.spec.callTimeoutMs ?? this.#options.defaultCallTimeoutMs;
  }

  /** Undefined for a name that is not there. */
  status(name: string): ServerStatus | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const { keeper, pid, disabledSince } = entry;
    if (keeper === undefined) {
      return {
        state: "disabled",
        since: disabledSince,
        reason: undefined,
        pid: undefined,
        exits: 0,
        nextStartAt: undefined,
        inFlight: 0,
      };
    }
    return { ...keeper.status(), pid };
  }

  /** @throws AppError `not-found` */
  output(name: string): OutputRing {
    return this.#entry(name).output;
  }

  lastCrash(name: string): string | undefined {
    return this.#entries.get(name)?.lastCrash;
  }

  /** Ends all of them. Resolves when no process is left. */
  async close(): Promise<void> {
    for (const name of this.#entries.keys()) this.#drop(name);
    await this.settled();
  }

  /** Resolves when everything that was told to end has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing);
  }

  #put(server: ConfiguredServer): void {
    const known = this.#entries.get(server.name);
    const entry = known ?? {
      server,
      output: new OutputRing(OUTPUT_BYTES),
      keeper: undefined,
      pid: undefined,
      lastCrash: undefined,
      ending: undefined,
      disabledSince: this.#options.now(),
    };
    this.#entries.set(server.name, entry);
    const same = entry.keeper !== undefined && entry.server.specHash === server.specHash;
    entry.server = server;
    if (known !== undefined && (server.enabled ? same : known.keeper === undefined)) return;
    this.#closeKeeper(entry);
    if (server.enabled) {
      entry.keeper = this.#newKeeper(entry, server);
      this.#options.bus.emit("server.state", { server: server.name, state: "stopped" });
      return;
    }
    entry.disabledSince = this.#options.now();
    this.#options.bus.emit("server.state", { server: server.name, state: "disabled" });
  }

  #newKeeper(entry: Entry, server: ConfiguredServer): Keeper {
    const { connectorFor, bus, log, now, random, onReady, onListChanged } = this.#options;
    const connector = connectorFor(server, entry.output, (pid) => {
      entry.pid = pid;
    });
    const before = entry.ending;
    const keeper: Keeper = new Keeper({
      name: server.name,
      connector: {
        async connect(listener, signal) {
          // The process that this one takes the place of may still hold its files and its directory.
          await before;
          return connector.connect(listener, signal);
        },
      },
      listener: {
        notification: (method) => {
          const upstream = keeper.ready;
          const isChange = method.startsWith("notifications/") && method.endsWith("/list_changed");
          if (isChange && upstream !== undefined) onListChanged(server, upstream);
        },
      },
      gate: this.#gate,
      log,
      now,
      random,
      onState: (state) => {
        // One that was replaced has no say any more.
        if (entry.keeper !== keeper) return;
        if (state !== "ready") entry.pid = undefined;
        bus.emit("server.state", { server: server.name, state });
      },
      onReady: (upstream) => onReady(server, upstream),
      onCrash: (error) => {
        entry.output.note(error.message);
        entry.lastCrash = entry.output.tail(CRASH_TAIL_BYTES);
      },
    });
    return keeper;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#closeKeeper(entry);
  }

  #closeKeeper(entry: Entry): void {
    const { keeper } = entry;
    if (keeper === undefined) return;
    entry.keeper = undefined;
    const closing = keeper.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    entry.ending = closing;
  }

  #keeper(name: string): Keeper {
    const { keeper } = this.#entry(name);
    if (keeper !== undefined) return keeper;
    throw new AppError(
      "server-disabled",
      `Server ${name} is disabled; an administrator enables it with \`toolcrib enable ${name}\`.`,
    );
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw new AppError("not-found", `There is no server ${name}; \`toolcrib ls\` lists those that are.`);
  }
}

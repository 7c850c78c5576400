// One process that a server may have, or one connection to a remote server: its keeper, its output, what it takes of
// the host, and whether anybody uses it. Made by Instances, which decides whom it serves.

import type { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { Usage } from "../model/server-state.ts";
import type { HostBudget, Share } from "../process/budget.ts";
import { OutputRing } from "../process/output-ring.ts";
import { Activity } from "./activity.ts";
import type { Asker, InstanceRef } from "./asker.ts";
import { Keeper } from "./keeper.ts";
import type { Connector, Upstream } from "./upstream.ts";

/** Whoever waited for its start sends the call at once: it is not idle before. */
const JUST_READY_MS = 100;
/** The tail of a crash is cut from the output and kept apart. */
const CRASH_TAIL_BYTES = 64 * 1024;

/** All that a start is made of, beside the host. */
export interface ConnectorRequest {
  readonly server: ConfiguredServer;
  readonly instance: InstanceRef;
  /** Takes the stderr of this process. */
  readonly output: OutputRing;
  /** Told the process id of each start. */
  readonly onSpawn: (pid: number) => void;
}

/** What all instances of all servers share. */
export interface InstanceTools {
  readonly connectorFor: (request: ConnectorRequest) => Connector;
  readonly budget: HostBudget;
  /** Of a process and all below it; undefined where it cannot be told. */
  readonly usageOf: (pid: number) => Usage | undefined;
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
}

export interface InstanceOptions {
  readonly server: ConfiguredServer;
  readonly ref: InstanceRef;
  /** Whom it serves; undefined for one that serves everybody. */
  readonly asker: Asker | undefined;
  readonly output: OutputRing;
  /** What a start asks of the host. */
  readonly asks: () => Share;
  /** From the wish for a start to its turn. */
  readonly startTimeoutMs: number;
  /** What has to be gone before: another one may hold the same files. Never rejects. */
  readonly after: Promise<unknown>;
  readonly onState: () => void;
  readonly onReady: (upstream: Upstream) => void;
  /** The server said that a list of its changed. */
  readonly onListChanged: (upstream: Upstream) => void;
  /** With the end of what it wrote. */
  readonly onCrash: (tail: string) => void;
}

export class Instance {
  /** Name of the server. */
  readonly server: string;
  readonly ref: InstanceRef;
  readonly asker: Asker | undefined;
  readonly keeper: Keeper;
  readonly #options: InstanceOptions;
  readonly #tools: InstanceTools;
  #pid: number | undefined;
  #usage: Usage | undefined;
  /** Of the connection that there is. */
  #activity: Activity | undefined;
  /** While there is none: since when nobody has wanted one. */
  #unwantedSince: number;

  constructor(options: InstanceOptions, tools: InstanceTools) {
    this.#options = options;
    this.#tools = tools;
    this.server = options.server.name;
    this.ref = options.ref;
    this.asker = options.asker;
    this.#unwantedSince = tools.now();
    this.keeper = this.#newKeeper();
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  get usage(): Usage | undefined {
    return this.#usage;
  }

  /** Calls without an answer. */
  get inFlight(): number {
    return this.#activity?.inFlight ?? 0;
  }

  /** Neither a call nor a waiting caller. */
  get isIdle(): boolean {
    return this.inFlight === 0 && this.keeper.waiting === 0;
  }

  /** Nobody uses it at this moment, nor is about to: it may be ended to make room. */
  isSpare(now: number): boolean {
    if (!this.isIdle || this.keeper.phase === "starting") return false;
    return this.#activity === undefined || now - this.keeper.since >= JUST_READY_MS;
  }

  /** Since when it is idle, in milliseconds since the epoch: as exact as it is looked often. */
  idleSince(now: number): number {
    if (this.keeper.waiting > 0) this.#unwantedSince = now;
    return this.#activity?.idleSince(now) ?? Math.min(this.#unwantedSince, now);
  }

  /** @throws as Keeper.acquire */
  acquire(): Promise<Upstream> {
    this.#unwantedSince = this.#tools.now();
    return this.keeper.acquire();
  }

  /** Pings it when it is time to. */
  check(now: number): void {
    this.#activity?.check(now);
  }

  /** Looks what it takes of the host by now. */
  measure(): Usage | undefined {
    if (this.#pid === undefined || this.keeper.ready === undefined) return undefined;
    this.#usage = this.#tools.usageOf(this.#pid);
    if (this.#usage !== undefined) this.keeper.place?.measured(this.#usage);
    return this.#usage;
  }

  #newKeeper(): Keeper {
    const { server, ref, output, after, asks, startTimeoutMs } = this.#options;
    const { connectorFor, budget, log, now, random } = this.#tools;
    const onSpawn = (pid: number): void => {
      this.#pid = pid;
    };
    const connector = connectorFor({ server, instance: ref, output, onSpawn });
    return new Keeper({
      name: server.name,
      connector,
      listener: { notification: (method) => this.#notified(method) },
      async admit(signal) {
        await after;
        return budget.enter({ server: server.name, asks: asks(), timeoutMs: startTimeoutMs, signal });
      },
      log,
      now,
      random,
      onState: () => this.#stateChanged(),
      onReady: (upstream) => this.#ready(upstream),
      onCrash: (error) => this.#crashed(error),
    });
  }

  #ready(upstream: Upstream): void {
    this.#activity = new Activity({
      upstream,
      isPinged: this.#options.server.spec.health ?? true,
      onDead: (error) => this.keeper.fail(error),
      now: this.#tools.now(),
    });
    this.#options.onReady(upstream);
  }

  #stateChanged(): void {
    if (this.keeper.phase !== "ready") {
      if (this.#activity !== undefined) this.#unwantedSince = this.#tools.now();
      this.#pid = undefined;
      this.#usage = undefined;
      this.#activity = undefined;
    }
    this.#options.onState();
  }

  #notified(method: string): void {
    const upstream = this.keeper.ready;
    const isChange = method.startsWith("notifications/") && method.endsWith("/list_changed");
    if (isChange && upstream !== undefined) this.#options.onListChanged(upstream);
  }

  #crashed(error: AppError): void {
    const { output, onCrash } = this.#options;
    output.note(error.message);
    onCrash(output.tail(CRASH_TAIL_BYTES));
  }
}

// All servers of the appliance: their processes, for those that are enabled, within what the host has. The reconciler
// says which there should be; the gateway takes connections from here.

import { AppError, toAppError } from "../errors.ts";
import type { Bus } from "../events.ts";
import type { RefusedAttempt } from "../model/cage-report.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { ServerStatus } from "../model/server-state.ts";
import { HostBudget, type HostLimits, type Share } from "../process/budget.ts";
import { OutputRing } from "../process/output-ring.ts";
import { OUTPUT_BYTES } from "../process/server-logs.ts";
import { APPLIANCE, type Asker, type InstanceRef } from "./asker.ts";
import { NO_LEASES, spareOnes, type Leases } from "./idleness.ts";
import type { Instance, InstanceTools } from "./instance.ts";
import { isolationOf } from "./instances.ts";
import { ServerEntry, type EntryTools } from "./server-entry.ts";
import type { Upstream } from "./upstream.ts";

/** How often it looks who is idle, who has to be pinged and who may start. */
const SWEEP_MS = 1_000;
/** Each process is measured at every so many looks, a part of them at each: it costs some files of the kernel's. */
const MEASURED_EVERY = 5;

export interface PoolLimits extends HostLimits {
  /** Of one server that has a process for each caller or session. */
  readonly instancesPerServer: number;
}

export interface PoolOptions
  extends
    Pick<InstanceTools, "connectorFor" | "log" | "now" | "random">,
    Pick<EntryTools, "onReady" | "onListChanged" | "defaultIdleStopMs" | "defaultStartTimeoutMs"> {
  readonly limits: PoolLimits;
  readonly defaultCallTimeoutMs: number;
  readonly bus: Bus;
  readonly outputOf?: EntryTools["outputOf"];
  readonly mask?: EntryTools["mask"];
  readonly usageOf?: InstanceTools["usageOf"];
  /** Streams on which somebody listens at this moment. */
  readonly leases?: () => Leases;
  /** What the cage of an instance has refused since then, in milliseconds since the epoch. Cheap: mostly nothing. */
  readonly refusals?: (server: string, instance: InstanceRef, sinceMs: number) => readonly RefusedAttempt[];
  /** A process is over for good, and nothing of it is left: the time to clear away what an ephemeral one wrote. */
  readonly onGone?: EntryTools["onGone"];
}

/** What all servers together take of the host, and what they may take. */
export interface HostStatus {
  readonly used: Share;
  readonly limits: PoolLimits;
  /** Starts that wait for room. */
  readonly waiting: number;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #budget: HostBudget;
  readonly #tools: EntryTools;
  readonly #entries = new Map<string, ServerEntry>();
  /** Those with a process for each caller or session. */
  #owning: readonly ServerEntry[] = [];
  /** What was told to end: `settled` waits for it. */
  readonly #ending = new Set<Promise<unknown>>();
  #timer: Timer | undefined;
  #sweeps = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { limits, leases, usageOf, outputOf, mask } = options;
    this.#budget = new HostBudget({ limits, makeRoom: (short) => this.#endIdle(short) });
    this.#tools = {
      ...options,
      budget: this.#budget,
      outputOf: outputOf ?? (() => new OutputRing(OUTPUT_BYTES)),
      mask: mask ?? ((_server, text) => text),
      usageOf: usageOf ?? (() => undefined),
      leases: leases ?? (() => NO_LEASES),
      maxInstancesPerServer: limits.instancesPerServer,
      onGone: (server, instance) => this.#gone(server, instance),
      onAlive: () => {
        this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS);
      },
    };
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
    for (const server of wanted) {
      const known = this.#entries.get(server.name);
      if (known === undefined) this.#entries.set(server.name, new ServerEntry(server, this.#tools));
      else this.#end(known.configure(server));
    }
    this.#owning = [...this.#entries.values()].filter(({ server }) => isolationOf(server) !== "shared");
  }

  ready(name: string, asker: Asker = APPLIANCE): Upstream | undefined {
    return this.#entries.get(name)?.instances?.ready(asker);
  }

  /** @throws AppError `not-found`, `server-disabled`, `start-failed`, `blocked`, `server-busy` */
  async acquire(name: string, asker: Asker = APPLIANCE): Promise<Upstream> {
    return this.#enabled(name).acquire(asker);
  }

  /** Ends all that it runs and starts it. @throws as `acquire` */
  async restart(name: string): Promise<Upstream> {
    return this.#enabled(name).restart();
  }

  callTimeoutMs(name: string): number {
    return this.#entries.get(name)?.server.spec.callTimeoutMs ?? this.#options.defaultCallTimeoutMs;
  }

  /** What the cage of what served `asker` has refused since then, in milliseconds since the epoch. */
  refusals(name: string, asker: Asker, sinceMs: number): readonly RefusedAttempt[] {
    const { refusals } = this.#options;
    const serving = this.#entries.get(name)?.instances?.serving(asker);
    if (refusals === undefined || serving === undefined) return [];
    const all = serving.flatMap(({ ref }) => refusals(name, ref, sinceMs));
    return [...new Map(all.map((attempt) => [attempt.what, attempt])).values()];
  }

  /** What served this session or this caller alone ends. */
  release(key: string): void {
    for (const { instances } of this.#owning) instances?.release(key);
  }

  /** Undefined for a name that is not there. */
  status(name: string): ServerStatus | undefined {
    return this.#entries.get(name)?.status();
  }

  host(): HostStatus {
    return { used: this.#budget.used, limits: this.#options.limits, waiting: this.#budget.waiting };
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
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Resolves when everything that was told to end has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#ending);
  }

  /** Stops the idle, pings the quiet, measures some, starts those that fit. Runs by itself; public for tests. */
  sweep(): void {
    const { now } = this.#options;
    const leases = this.#tools.leases();
    let turn = ++this.#sweeps;
    const isDue = (): boolean => turn++ % MEASURED_EVERY === 0;
    let isAlive = false;
    for (const entry of this.#entries.values()) {
      entry.instances?.sweep(leases, now());
      entry.measure(isDue);
      isAlive ||= entry.instances?.isAlive ?? false;
    }
    this.#budget.review();
    if (isAlive) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    if (entry !== undefined) this.#end(entry.close());
  }

  #end(ended: Promise<unknown>): void {
    const ending = ended.finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #gone(server: ConfiguredServer, instance: InstanceRef): void {
    try {
      this.#options.onGone?.(server, instance);
    } catch (thrown) {
      const reason = toAppError(thrown).message;
      this.#options.log.warn("not cleared away", { server: server.name, instance: instance.id, reason });
    }
  }

  /** The host is short of this much: who was used longest ago goes first, until it will do. */
  #endIdle(short: Share): void {
    let { memoryBytes, processes, instances } = short;
    const { now } = this.#options;
    for (const { keeper } of spareOnes(this.#all(), this.#tools.leases(), now())) {
      if (memoryBytes <= 0 && processes <= 0 && instances <= 0) return;
      const share = keeper.place?.share;
      if (share === undefined || share.instances === 0) continue;
      memoryBytes -= share.memoryBytes;
      processes -= share.processes;
      instances -= share.instances;
      keeper.rest("It was stopped while nobody used it, to make room for others; the next call starts it.");
    }
  }

  *#all(): Generator<Instance> {
    for (const { instances } of this.#entries.values()) yield* instances ?? [];
  }

  #enabled(name: string): NonNullable<ServerEntry["instances"]> {
    const { instances } = this.#entry(name);
    if (instances !== undefined) return instances;
    throw new AppError(
      "server-disabled",
      `Server ${name} is disabled; an administrator enables it with \`toolcrib enable ${name}\`.`,
    );
  }

  #entry(name: string): ServerEntry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw new AppError("not-found", `There is no server ${name}; \`toolcrib ls\` lists those that are.`);
  }
}

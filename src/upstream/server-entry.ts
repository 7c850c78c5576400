// One configured server, enabled or not: what outlives its processes (its output, its last crash, what they took of
// the host), and the processes themselves while it is enabled. Made by the pool.

import type { Bus } from "../events.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { ServerState, ServerStatus, Usage } from "../model/server-state.ts";
import { NO_SHARE, type Share } from "../process/budget.ts";
import { OutputRing } from "../process/output-ring.ts";
import type { InstanceRef } from "./asker.ts";
import { Instance, type InstanceTools } from "./instance.ts";
import { Instances, type InstancesOptions, type NewInstance } from "./instances.ts";
import { serverStatus } from "./server-status.ts";
import type { Upstream } from "./upstream.ts";

/** Of the stderr of each process beside a server's first, for the tail of its crash. */
const INSTANCE_OUTPUT_BYTES = 64 * 1024;

/** What a start asks for as long as no process of its server was measured: a JavaScript server of some size. */
export const FIRST_SHARE: Share = { memoryBytes: 96 * 1024 ** 2, processes: 16, instances: 1 };
/**
 * Afterwards it asks for the most that one took, and for this at least. NB: not for the first share at least: it would
 * end some ten idle servers for the start of a small one, on a host that has room for all of them.
 */
export const LEAST_SHARE: Share = { memoryBytes: 16 * 1024 ** 2, processes: 4, instances: 1 };

/** What all servers share. */
export interface EntryTools extends InstanceTools, Pick<InstancesOptions, "leases"> {
  readonly bus: Bus;
  /** Where the stderr of a server goes: the same for as long as it is there. */
  readonly outputOf: (server: string) => OutputRing;
  /** Takes the secrets of a server out of what it wrote. */
  readonly mask: (server: string, text: string) => string;
  readonly maxInstancesPerServer: number;
  readonly defaultIdleStopMs: number;
  readonly defaultStartTimeoutMs: number;
  readonly onReady: (server: ConfiguredServer, upstream: Upstream) => void;
  readonly onListChanged: (server: ConfiguredServer, upstream: Upstream) => void;
  readonly onGone: (server: ConfiguredServer, instance: InstanceRef) => void;
  /** Something of it runs, or is about to. */
  readonly onAlive: () => void;
}

export class ServerEntry {
  readonly output: OutputRing;
  readonly #tools: EntryTools;
  #server: ConfiguredServer;
  /** None while the server is disabled. */
  #instances: Instances | undefined;
  #state: ServerState = "disabled";
  #since: number;
  #lastCrash: string | undefined;
  /** The most that one process took, since it was configured as it is. */
  #peak: Size | undefined;
  /** Resolves when all processes of the specifications before this one are gone. */
  #ending: Promise<void> = Promise.resolve();

  constructor(server: ConfiguredServer, tools: EntryTools) {
    this.#server = server;
    this.#tools = tools;
    this.output = tools.outputOf(server.name);
    this.#since = tools.now();
    if (server.enabled) this.#open();
    else this.#enter("disabled");
  }

  get server(): ConfiguredServer {
    return this.#server;
  }

  get instances(): Instances | undefined {
    return this.#instances;
  }

  get lastCrash(): string | undefined {
    return this.#lastCrash;
  }

  /** One whose specification is the same is not touched. Resolves when what had to end has ended. */
  configure(server: ConfiguredServer): Promise<void> {
    const isSame = this.#server.specHash === server.specHash;
    this.#server = server;
    const wasEnabled = this.#instances !== undefined;
    if (server.enabled ? wasEnabled && isSame : !wasEnabled) return this.#ending;
    const ending = this.close();
    if (server.enabled) this.#open();
    else {
      this.#since = this.#tools.now();
      this.#enter("disabled");
    }
    return ending;
  }

  /** Ends all that runs, for good. Resolves when nothing of it is left. */
  close(): Promise<void> {
    const instances = this.#instances;
    this.#instances = undefined;
    if (instances !== undefined) {
      this.#ending = Promise.all([this.#ending, instances.close()]).then(() => undefined);
    }
    return this.#ending;
  }

  status(): ServerStatus {
    const instances = this.#instances;
    const status = serverStatus(instances ?? [], {
      since: this.#since,
      exits: instances?.exits ?? 0,
      asksMemoryBytes: this.#asks().memoryBytes,
    });
    return instances === undefined ? { ...status, state: "disabled" } : status;
  }

  /** Looks what its processes take of the host: those whose turn it is, asked once for each. */
  measure(isDue: () => boolean): void {
    for (const instance of this.#instances ?? []) {
      if (isDue()) this.#measured(instance.measure());
    }
  }

  #measured(usage: Usage | undefined): void {
    if (usage !== undefined) this.#peak = larger(this.#peak ?? NO_SHARE, usage);
  }

  #asks(): Share {
    if (this.#server.spec.kind === "http") return NO_SHARE;
    return this.#peak === undefined ? FIRST_SHARE : { ...LEAST_SHARE, ...larger(this.#peak, LEAST_SHARE) };
  }

  #open(): void {
    const { leases, now, budget, ...tools } = this.#tools;
    const server = this.#server;
    this.#peak = undefined;
    this.#since = now();
    const instances: Instances = new Instances({
      server,
      maxInstances: tools.maxInstancesPerServer,
      hasRoom: () => budget.hasRoom(this.#asks()),
      idleStopMs: server.spec.idleStopMs ?? tools.defaultIdleStopMs,
      leases,
      now,
      after: this.#ending,
      make: (made) => this.#make(made, server, () => instances),
      onGone: (ref) => tools.onGone(server, ref),
    });
    this.#instances = instances;
    this.#enter("stopped");
  }

  #make(made: NewInstance, server: ConfiguredServer, owner: () => Instances): Instance {
    const tools = this.#tools;
    const { spec } = server;
    const instance: Instance = new Instance(
      {
        ...made,
        server,
        output: made.ref.id === "main" ? this.output : this.#ownOutput(),
        asks: () => this.#asks(),
        startTimeoutMs: spec.startTimeoutMs ?? tools.defaultStartTimeoutMs,
        onState: () => this.#stateChanged(owner()),
        onReady: (upstream) => {
          this.#measured(instance.measure());
          if (owner().speaks(instance)) tools.onReady(server, upstream);
        },
        onListChanged: (upstream) => {
          if (owner().speaks(instance)) tools.onListChanged(server, upstream);
        },
        onCrash: (tail) => {
          this.#lastCrash = tail;
        },
      },
      tools,
    );
    return instance;
  }

  /** Of one process of several: the tail of its crash has to be its own, and all of them are read in one place. */
  #ownOutput(): OutputRing {
    const { name } = this.#server;
    const own = new OutputRing(INSTANCE_OUTPUT_BYTES, { mask: (text) => this.#tools.mask(name, text) });
    const encoder = new TextEncoder();
    own.follow((text) => this.output.push(encoder.encode(text)));
    return own;
  }

  #stateChanged(instances: Instances): void {
    // Those that were replaced have no say any more.
    if (this.#instances !== instances) return;
    const { state } = this.status();
    if (state !== "stopped") this.#tools.onAlive();
    if (state !== this.#state) this.#enter(state);
  }

  #enter(state: ServerState): void {
    this.#state = state;
    this.#tools.bus.emit("server.state", { server: this.#server.name, state });
  }
}

type Size = Pick<Usage, "memoryBytes" | "processes">;

function larger(a: Size, b: Size): Size {
  return {
    memoryBytes: Math.max(a.memoryBytes, b.memoryBytes),
    processes: Math.max(a.processes, b.processes),
  };
}

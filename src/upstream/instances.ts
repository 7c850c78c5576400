// The processes of one server: which of them serves a call, by the isolation of its specification, and how many there
// may be. Made by the pool, one for each enabled server; a new specification makes a new one.

import { AppError } from "../errors.ts";
import type { ConfiguredServer, Isolation } from "../model/server-spec.ts";
import { APPLIANCE, keyOf, ownRef, sharedRef, type Asker, type InstanceRef } from "./asker.ts";
import { durationText, isHeld, spareOnes, type Leases } from "./idleness.ts";
import type { Instance } from "./instance.ts";
import type { Upstream } from "./upstream.ts";

/** What an instance is made of, beside the server. */
export interface NewInstance {
  readonly ref: InstanceRef;
  readonly asker: Asker | undefined;
  /** What has to be gone before it starts. */
  readonly after: Promise<unknown>;
}

export interface InstancesOptions {
  readonly server: ConfiguredServer;
  readonly make: (made: NewInstance) => Instance;
  /** Of one that has a process for each caller or session. */
  readonly maxInstances: number;
  /** Whether the host has room for one more at this moment. */
  readonly hasRoom: () => boolean;
  /** 0: never. */
  readonly idleStopMs: number;
  readonly leases: () => Leases;
  /** It is over for good, and nothing of it is left. */
  readonly onGone: (ref: InstanceRef) => void;
  /** What has to be gone before any of them starts. */
  readonly after: Promise<unknown>;
  readonly now: () => number;
}

/** A remote server knows its callers by itself. */
export function isolationOf({ spec }: ConfiguredServer): Isolation {
  return spec.kind === "stdio" ? (spec.isolation ?? "shared") : "shared";
}

export class Instances {
  readonly #options: InstancesOptions;
  readonly #isolation: Isolation;
  /** `shared`: at least one, in the order in which they were made. */
  readonly #shared: Instance[] = [];
  readonly #mostShared: number;
  /** Otherwise: by caller or session. */
  readonly #owned = new Map<string, Instance>();
  /** By id: those on their way out. */
  readonly #ending = new Map<string, Promise<void>>();
  #pastExits = 0;
  /** Of several with a state of their own, the one whose lists count. */
  #speaker: Instance | undefined;

  constructor(options: InstancesOptions) {
    this.#options = options;
    const { spec } = options.server;
    this.#isolation = isolationOf(options.server);
    this.#mostShared = spec.kind === "stdio" ? (spec.instances ?? 1) : 1;
    if (this.#isolation === "shared") this.#share();
  }

  [Symbol.iterator](): IterableIterator<Instance> {
    return this.#isolation === "shared" ? this.#shared.values() : this.#owned.values();
  }

  /** Something of it runs, or is about to, or has to be let go of. */
  get isAlive(): boolean {
    const phase = this.#shared[0]?.keeper.phase ?? "stopped";
    const isIdle = phase === "stopped" || phase === "blocked";
    return !isIdle || this.#shared.length > 1 || this.#owned.size > 0;
  }

  /** Unexpected ends, of those that are gone too. */
  get exits(): number {
    return [...this].reduce((sum, { keeper }) => sum + keeper.exits, this.#pastExits);
  }

  /** The connection for a call, when there is one now: the way of every call. */
  ready(asker: Asker): Upstream | undefined {
    if (this.#isolation !== "shared") return this.#owned.get(keyOf(this.#isolation, asker))?.keeper.ready;
    return this.#mostShared === 1 ? this.#shared[0]?.keeper.ready : this.#leastBusy();
  }

  /** @throws AppError `server-busy` when there may be no more of them; else as Keeper.acquire */
  async acquire(asker: Asker): Promise<Upstream> {
    return this.ready(asker) ?? this.#for(asker).acquire();
  }

  /** Ends all of them and starts one. @throws as `acquire` */
  async restart(): Promise<Upstream> {
    const all = [...this];
    for (const instance of all) {
      if (this.#isMultiple(instance) && instance.asker !== APPLIANCE) void this.drop(instance);
    }
    return this.#for(APPLIANCE).keeper.restart();
  }

  /** Those that may have served a call of `asker`. */
  serving(asker: Asker): readonly Instance[] {
    if (this.#isolation === "shared") return this.#shared;
    const owned = this.#owned.get(keyOf(this.#isolation, asker));
    return owned === undefined ? [] : [owned];
  }

  /** Whether what `instance` lists is what the server offers. */
  speaks(instance: Instance): boolean {
    if (instance.asker === undefined) return true;
    if (this.#speaker === undefined || instance.asker === APPLIANCE) this.#speaker = instance;
    return this.#speaker === instance;
  }

  /** Stops what was idle for long enough, lets go of what stands for nothing any more, and pings the rest. */
  sweep(leases: Leases, now: number): void {
    const all = [...this];
    for (const instance of all) {
      const { keeper } = instance;
      const isOver = this.#isIdleTooLong(instance, leases, now);
      if (keeper.phase !== "ready") {
        const isMoot = keeper.phase === "stopped" ? instance.isIdle : isOver;
        if (isMoot && this.#isMultiple(instance)) void this.drop(instance);
      } else if (isOver) {
        keeper.rest(
          `Nobody needed it for ${durationText(this.#options.idleStopMs)}; the next call starts it.`,
        );
      } else instance.check(now);
    }
  }

  #isIdleTooLong(instance: Instance, leases: Leases, now: number): boolean {
    const { idleStopMs } = this.#options;
    // NB: looked at in any case: what happened since the last look is noticed only by looking.
    const idleMs = now - instance.idleSince(now);
    return idleStopMs > 0 && idleMs >= idleStopMs && instance.isSpare(now) && !isHeld(instance, leases);
  }

  /** The session is over, or the caller is gone: what served it alone ends. */
  release(key: string): void {
    const instance = this.#owned.get(key);
    if (instance !== undefined) void this.drop(instance);
  }

  /** Ends one of the multiples for good; whoever waits for it is told. Resolves when nothing of it is left. */
  drop(instance: Instance): Promise<void> {
    const at = this.#shared.indexOf(instance);
    if (at >= 0) this.#shared.splice(at, 1);
    else if (this.#isolation !== "shared" && instance.asker !== undefined) {
      this.#owned.delete(keyOf(this.#isolation, instance.asker));
    }
    return this.#end(instance);
  }

  /** Ends all of them for good. Resolves when nothing of them is left. */
  async close(): Promise<void> {
    for (const instance of this) void this.#end(instance);
    this.#shared.length = 0;
    this.#owned.clear();
    await Promise.all(this.#ending.values());
  }

  /** All but the first of those that serve everybody: they are there for who calls, and go when nobody does. */
  #isMultiple(instance: Instance): boolean {
    return instance !== this.#shared[0];
  }

  #end(instance: Instance): Promise<void> {
    const { ref, keeper } = instance;
    if (this.#speaker === instance) this.#speaker = undefined;
    this.#pastExits += keeper.exits;
    // One of the same id may be on its way out already, before this one ever ran.
    const ending = Promise.all([this.#ending.get(ref.id), keeper.close()]).then(() => {
      if (this.#ending.get(ref.id) === ending) this.#ending.delete(ref.id);
      this.#options.onGone(ref);
    });
    this.#ending.set(ref.id, ending);
    return ending;
  }

  /** The one with the fewest calls, the first of them; where all have some, one more is started for the next calls. */
  #leastBusy(): Upstream | undefined {
    let best: Upstream | undefined;
    for (const { keeper } of this.#shared) {
      const upstream = keeper.ready;
      if (upstream !== undefined && (best === undefined || upstream.inFlight < best.inFlight))
        best = upstream;
    }
    if (best !== undefined && best.inFlight > 0) this.#grow();
    return best;
  }

  #grow(): void {
    // One that starts, or has its troubles, is one more already.
    const other = this.#shared.find(({ keeper }) => keeper.phase !== "ready");
    if (other !== undefined) return other.keeper.wake();
    if (this.#shared.length < this.#mostShared && this.#options.hasRoom()) this.#share().keeper.wake();
  }

  #for(asker: Asker): Instance {
    if (this.#isolation === "shared") {
      const [first = this.#share()] = this.#shared;
      return first;
    }
    const key = keyOf(this.#isolation, asker);
    const known = this.#owned.get(key);
    if (known !== undefined) return known;
    const after = this.#makeRoom(asker);
    const instance = this.#make(ownRef(this.#isolation, asker), asker, after);
    this.#owned.set(key, instance);
    return instance;
  }

  #share(): Instance {
    const instance = this.#make(sharedRef(this.#freeIndex()), undefined, Promise.resolve());
    this.#shared.push(instance);
    return instance;
  }

  #freeIndex(): number {
    const taken = new Set(this.#shared.map(({ ref }) => ref.id));
    let index = 0;
    while (taken.has(sharedRef(index).id)) index++;
    return index;
  }

  #make(ref: InstanceRef, asker: Asker | undefined, room: Promise<unknown>): Instance {
    const { make, after } = this.#options;
    return make({ ref, asker, after: Promise.all([after, room, this.#ending.get(ref.id)]) });
  }

  /** Resolves when what had to go for one more is gone. @throws AppError `server-busy` */
  #makeRoom(asker: Asker): Promise<unknown> {
    const { server, maxInstances } = this.#options;
    if (this.#owned.size < maxInstances) return Promise.resolve();
    const victim = this.#leastNeeded(asker);
    if (victim !== undefined) return this.drop(victim);
    throw new AppError(
      "server-busy",
      `Server ${server.name} has ${maxInstances} processes for as many callers or sessions, and all are in use ` +
        "(setting max_instances_per_server): try again later.",
    );
  }

  /** Of the same caller first: nobody can push the others out by opening more sessions. */
  #leastNeeded({ callerId }: Asker): Instance | undefined {
    const { leases, now } = this.#options;
    const spare = spareOnes(this, leases(), now());
    return spare.find(({ asker }) => asker?.callerId === callerId) ?? spare[0];
  }
}

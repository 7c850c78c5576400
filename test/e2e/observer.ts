// Looks at an appliance many times a second while it works: what its servers take, as the kernel counts it and as the
// appliance does, and which of them it stops, compared with who was used when. Used by budget.test.ts.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Appliance, Crib } from "./appliance.ts";
import { groupHomes, groupsOf, processesOf, residentKib } from "./processes.ts";

const INTERVAL_MS = 200;
/** The appliance looks once a second who was used, and this looks at the appliance as often as it can. */
const UNSURE_MS = 2_000;

const Views = v.object({
  servers: v.array(
    v.looseObject({
      name: v.string(),
      pid: v.optional(v.number()),
      inFlight: v.number(),
      usage: v.optional(v.looseObject({ memoryBytes: v.number() })),
    }),
  ),
});

export interface Sample {
  /** Of all servers, as the kernel counts it. */
  readonly takenBytes: number;
  /** The same as `ls` has it. */
  readonly listedBytes: number;
  /** That, and what starts that are under way were promised, as /metrics has it. */
  readonly promisedBytes: number;
  readonly running: number;
}

export interface Eviction {
  readonly server: string;
  /** For so long nobody had used it. */
  readonly idleMs: number;
  /** Idle for longer, beyond doubt, and left alone. */
  readonly spared: readonly string[];
}

export class Observer {
  readonly samples: Sample[] = [];
  readonly evictions: Eviction[] = [];
  readonly #crib: Crib;
  readonly #appliance: Appliance;
  /** When each was used last, in milliseconds of performance.now(); Infinity while it is being used. */
  readonly #used = new Map<string, number>();
  readonly #users = new Map<string, number>();
  readonly #running: Promise<void>;
  #groupHomes: Promise<readonly string[]> | undefined;
  #before: ReadonlyMap<string, number> = new Map();
  #over = false;

  constructor(crib: Crib, appliance: Appliance) {
    this.#crib = crib;
    this.#appliance = appliance;
    this.#running = this.#watch();
  }

  /** Notes that `server` is used for as long as `work` lasts. */
  async use<T>(server: string, work: () => Promise<T>): Promise<T> {
    const change = (by: number): void => {
      const users = (this.#users.get(server) ?? 0) + by;
      this.#users.set(server, users);
      this.#used.set(server, users > 0 ? Infinity : performance.now());
    };
    change(1);
    try {
      return await work();
    } finally {
      change(-1);
    }
  }

  most(figure: keyof Sample): number {
    return this.samples.reduce((most, sample) => Math.max(most, sample[figure]), 0);
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#running;
  }

  async #watch(): Promise<void> {
    while (!this.#over) {
      await this.#look();
      await Bun.sleep(INTERVAL_MS);
    }
  }

  async #look(): Promise<void> {
    // What was known before the appliance was asked: whoever was used since then counts as in use.
    const usedBefore = new Map(this.#used);
    const [{ servers }, metrics, takenBytes] = await Promise.all([
      this.#servers(),
      fetch(`${this.#appliance.url}/metrics`).then((response) => response.text()),
      this.#takenBytes(),
    ]);
    const now = new Map(servers.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid]])));
    this.samples.push({
      takenBytes,
      listedBytes: servers.reduce((total, { usage }) => total + (usage?.memoryBytes ?? 0), 0),
      promisedBytes: Number(/^toolcrib_host_memory_bytes (\S+)$/m.exec(metrics)?.[1]),
      running: now.size,
    });
    this.#compare(now, usedBefore);
    this.#before = now;
  }

  #compare(now: ReadonlyMap<string, number>, usedBefore: ReadonlyMap<string, number>): void {
    const lastUse = (name: string) => Math.max(usedBefore.get(name) ?? 0, this.#used.get(name) ?? 0);
    const stayed = [...now].filter(([name, pid]) => this.#before.get(name) === pid).map(([name]) => name);
    for (const [server, pid] of this.#before) {
      if (now.get(server) === pid) continue;
      // Used again just now: then it was stopped before, and that use waits for the new start.
      const used = usedBefore.get(server) ?? 0;
      if (used === Infinity) continue;
      const spared = stayed.filter((name) => lastUse(name) < used - UNSURE_MS);
      this.evictions.push({ server, idleMs: performance.now() - used, spared });
    }
  }

  async #servers(): Promise<v.InferOutput<typeof Views>> {
    const unix = join(this.#crib.home, "run/admin.sock");
    return v.parse(Views, await (await fetch("http://toolcrib/api/v1/servers", { unix })).json());
  }

  /** NB: without control groups shared pages count for everybody who has them: too much, never too little. */
  async #takenBytes(): Promise<number> {
    this.#groupHomes ??= groupHomes(this.#crib.directory);
    const groups = await groupsOf(this.#crib.directory, await this.#groupHomes);
    const files = groups.flatMap((group) => [
      join(group, "memory.usage_in_bytes"),
      join(group, "memory.current"),
    ]);
    const counts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
    if (counts.some((count) => count !== "")) return sum(counts.map(Number));
    const processes = await processesOf(this.#crib.directory);
    const servers = processes.filter(({ pid }) => pid !== this.#appliance.pid);
    return 1024 * sum(await Promise.all(servers.map(({ pid }) => residentKib(pid))));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

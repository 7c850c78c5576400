// Keeps what is known of each server's lists: read when it becomes ready and when it says that they changed, saved,
// and published as the next catalog.

import { toAppError } from "../errors.ts";
import type { Bus } from "../events.ts";
import { Catalog } from "../gateway/catalog.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { LIST_KINDS, type Implementation } from "../gateway/view.ts";
import type { Log } from "../log.ts";
import type { ServerOffer } from "../model/server-offer.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { Store } from "../store/store.ts";
import { readOffer } from "../upstream/offer.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** For each page of a list. */
const LIST_TIMEOUT_MS = 60_000;
/**
 * From an announcement to the read. Reading long lists costs everybody time, so a server that goes on announcing is
 * read half as often each time, until it has been quiet for longer than it had to wait.
 */
const QUIET_MS = { least: 100, most: 10_000 } as const;

export interface OffersOptions {
  readonly store: Store;
  readonly gateway: Gateway;
  readonly bus: Bus;
  readonly log: Log;
  readonly self: Implementation;
}

interface Known {
  readonly specHash: string;
  readonly offer: ServerOffer;
}

export class Offers {
  readonly #options: OffersOptions;
  readonly #known = new Map<string, Known>();
  #servers: readonly ConfiguredServer[] = [];
  /** One read a connection at a time. NB: by connection, not by name: a server that is replaced has two for a while. */
  readonly #reading = new Map<Upstream, Promise<void>>();
  /** Connections whose lists are read again when their timer is up. */
  readonly #announced = new Map<Upstream, Timer>();
  /** How long a connection's last announcement waited, and when it was read, on the clock of performance.now. */
  readonly #paces = new WeakMap<Upstream, { readonly quietMs: number; readonly readAt: number }>();

  constructor(options: OffersOptions) {
    this.#options = options;
  }

  /** What was saved before: the catalog of the first moment. */
  restore(servers: readonly ConfiguredServer[]): void {
    const saved = this.#options.store.loadOffers();
    for (const server of servers) {
      const offer = saved.get(server.name);
      if (offer !== undefined) this.#known.set(server.name, { specHash: server.specHash, offer });
    }
    this.configure(servers);
  }

  /** The servers that there are now. Disabled ones show nothing; a changed one is unknown until it is read. */
  configure(servers: readonly ConfiguredServer[]): void {
    this.#servers = servers;
    const current = new Map(servers.map((server) => [server.name, server.specHash]));
    for (const [name, known] of this.#known) {
      if (current.get(name) !== known.specHash) this.#known.delete(name);
    }
    this.#publish();
  }

  of(server: string): ServerOffer | undefined {
    return this.#known.get(server)?.offer;
  }

  /** Reads the lists of a connection that has just begun; resolves when they are known. Never rejects. */
  refresh(server: ConfiguredServer, upstream: Upstream): Promise<void> {
    const running = this.#reading.get(upstream);
    if (running !== undefined) return running;
    const reading = this.#read(server, upstream).finally(() => this.#reading.delete(upstream));
    this.#reading.set(upstream, reading);
    return reading;
  }

  /** The server said that a list changed: it is read once more, after a read that is under way. */
  changed(server: ConfiguredServer, upstream: Upstream): void {
    if (this.#announced.has(upstream)) return;
    const quietMs = this.#quietMs(upstream);
    const readAgain = async (): Promise<void> => {
      await this.#reading.get(upstream);
      this.#announced.delete(upstream);
      await this.refresh(server, upstream);
      this.#paces.set(upstream, { quietMs, readAt: performance.now() });
    };
    this.#announced.set(
      upstream,
      setTimeout(() => void readAgain(), quietMs),
    );
  }

  #quietMs(upstream: Upstream): number {
    const pace = this.#paces.get(upstream);
    if (pace === undefined || performance.now() - pace.readAt > 2 * pace.quietMs) return QUIET_MS.least;
    return Math.min(2 * pace.quietMs, QUIET_MS.most);
  }

  close(): void {
    for (const timer of this.#announced.values()) clearTimeout(timer);
    this.#announced.clear();
  }

  /** Never rejects: without its lists a server still answers calls by name, and the log says why. */
  async #read(server: ConfiguredServer, upstream: Upstream): Promise<void> {
    const { store, log, bus } = this.#options;
    try {
      const offer = await readOffer(upstream, LIST_TIMEOUT_MS);
      const isCurrent = this.#servers.some(
        (each) => each.name === server.name && each.specHash === server.specHash,
      );
      const known = this.of(server.name);
      if (!isCurrent || (known !== undefined && isSame(known, offer))) return;
      this.#known.set(server.name, { specHash: server.specHash, offer });
      this.#publish();
      store.saveOffer(server.name, server.specHash, offer);
      bus.emit("offer.changed", { server: server.name, lists: ["tools", "prompts", "resources"] });
    } catch (thrown) {
      log.warn("lists not read", { server: server.name, reason: toAppError(thrown).message });
    }
  }

  #publish(): void {
    // A disabled server lists nothing, but its name stays known: a call to it is told why it cannot be.
    const servers = this.#servers.map(({ name, enabled, createdAt }) => ({
      name,
      addedAt: createdAt,
      offer: enabled ? this.of(name) : undefined,
    }));
    const catalog = new Catalog(servers, this.#options.self);
    this.#options.gateway.publish(catalog);
  }
}

function isSame(a: ServerOffer, b: ServerOffer): boolean {
  return (
    a.revision === b.revision &&
    a.serverInfo === b.serverInfo &&
    a.capabilities === b.capabilities &&
    a.instructions === b.instructions &&
    LIST_KINDS.every((kind) => Buffer.compare(a[kind], b[kind]) === 0)
  );
}

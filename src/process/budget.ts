// The host's budget: a start is let through when what all servers together take leaves room for it; the others wait in
// order, for as long as a start may take. The pool asks it before each start, tells it what runs takes by now, and ends
// idle servers where something is short. It knows servers by their names only.

import { AppError } from "../errors.ts";

/** What a server takes of the host, or is expected to take. */
export interface Share {
  readonly memoryBytes: number;
  /** Threads count where the kernel counts them. */
  readonly processes: number;
  /** Trees of processes: one for each start. */
  readonly instances: number;
}

/** Of all servers together. */
export interface HostLimits extends Share {
  /** Servers that may be starting at one moment. */
  readonly parallelStarts: number;
}

/** Of a server that runs elsewhere: it waits for its turn to start, and for nothing else. */
export const NO_SHARE: Share = { memoryBytes: 0, processes: 0, instances: 0 };

export interface StartRequest {
  readonly server: string;
  /** More than the host has counts as all that it has: such a start waits until it is alone. */
  readonly asks: Share;
  /** How long it may wait. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Of one start that was let through, until nothing of it is left. Calling one twice changes nothing. */
export interface Place {
  readonly share: Share;
  /** It is up, or it hangs: another one may start. */
  started(): void;
  /** What it takes by now, instead of what it asked for. */
  measured(taken: Pick<Share, "memoryBytes" | "processes">): void;
  /** It was told to end: what it takes is free soon. */
  leaving(): void;
  gone(): void;
}

export interface BudgetOptions {
  readonly limits: HostLimits;
  /** This much is missing, beside what is free soon: the time to end what nobody needs. */
  readonly makeRoom: (short: Share) => void;
}

interface Taken {
  readonly server: string;
  share: Share;
  isLeaving: boolean;
}

interface Waiting {
  readonly asks: Share;
  readonly admit: () => void;
}

/** What can be short, each with the setting that bounds it and how its amounts are written. */
const KINDS = [
  { kind: "memoryBytes", setting: "host_memory_bytes", show: mebibytes },
  { kind: "processes", setting: "host_processes", show: (amount: number) => `${amount} processes` },
  { kind: "instances", setting: "max_instances", show: (amount: number) => `${amount} places` },
] as const;
type Kind = (typeof KINDS)[number];

/** While something is short and starts wait for it, it is looked this often whether somebody has become idle. */
const LOOK_AGAIN_MS = 100;
/** Of those who take most, so many are named to who could not start. */
const NAMED = 3;

export class HostBudget {
  readonly #limits: HostLimits;
  readonly #makeRoom: (short: Share) => void;
  readonly #taken = new Set<Taken>();
  /** In order of arrival. As many as there are servers, callers and sessions at most: the pool bounds them. */
  readonly #waiting: Waiting[] = [];
  #starting = 0;
  #again: Timer | undefined;

  constructor({ limits, makeRoom }: BudgetOptions) {
    this.#limits = limits;
    this.#makeRoom = makeRoom;
  }

  /** What runs takes, and what starts that are under way expect to take. */
  get used(): Share {
    return sumOf(this.#taken);
  }

  /** Starts that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether a start that asks for this would be let through at once. */
  hasRoom(asks: Share): boolean {
    const isFree = this.#waiting.length === 0 && this.#starting < this.#limits.parallelStarts;
    return isFree && fits(combined(this.used, asks, add), this.#limits);
  }

  /** @throws AppError `server-busy` when there was no room in time; the reason of `signal` when that aborts. */
  enter({ signal, timeoutMs, server, ...request }: StartRequest): Promise<Place> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const asks = combined(request.asks, this.#limits, Math.min);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        if (this.#waiting.length === 0) this.#lookNoMore();
      };
      const admit = (): void => {
        leave();
        resolve(this.#take(server, asks));
      };
      const refuse = (reason: unknown): void => {
        leave();
        reject(reason);
        // Whoever stood behind it may fit.
        this.review();
      };
      const giveUp = (): void => refuse(signal.reason);
      const timer = setTimeout(() => refuse(this.#tooLate(asks, timeoutMs)), timeoutMs);
      signal.addEventListener("abort", giveUp, { once: true });
      const waiting: Waiting = { asks, admit };
      this.#waiting.push(waiting);
      this.review();
    });
  }

  /** Lets in whoever fits by now, and has room made where something is short. */
  review(): void {
    this.#lookNoMore();
    let isShort = !fits(this.used, this.#limits);
    // What runs has grown since it started.
    if (isShort) this.#askForRoom(NO_SHARE);
    for (const { asks, admit } of this.#waiting.slice()) {
      if (this.#starting >= this.#limits.parallelStarts) return;
      // What asks for nothing of the host passes those who wait for the host.
      if (isNothing(asks)) admit();
      else if (isShort) continue;
      else if (fits(combined(this.used, asks, add), this.#limits)) admit();
      else {
        isShort = true;
        this.#askForRoom(asks);
      }
    }
    if (isShort && this.#waiting.length > 0) {
      this.#again = setTimeout(() => this.review(), LOOK_AGAIN_MS);
    }
  }

  #lookNoMore(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
  }

  #askForRoom(asks: Share): void {
    const staying = sumOf([...this.#taken].filter(({ isLeaving }) => !isLeaving));
    const wanted = combined(staying, asks, add);
    const short = combined(wanted, this.#limits, (amount, limit) => Math.max(0, amount - limit));
    if (!isNothing(short)) this.#makeRoom(short);
  }

  #take(server: string, asks: Share): Place {
    const taken: Taken = { server, share: asks, isLeaving: false };
    this.#taken.add(taken);
    this.#starting++;
    let isStarting = true;
    const started = (): void => {
      if (isStarting) this.#starting--;
      isStarting = false;
      this.review();
    };
    return {
      get share() {
        return taken.share;
      },
      started,
      measured: ({ memoryBytes, processes }) => {
        taken.share = { ...taken.share, memoryBytes, processes };
        if (this.#waiting.length > 0) this.review();
      },
      leaving: () => {
        taken.isLeaving = true;
      },
      gone: () => {
        this.#taken.delete(taken);
        started();
      },
    };
  }

  #tooLate(asks: Share, timeoutMs: number): AppError {
    const waited = `The server waited ${timeoutMs / 1000} s for its start`;
    return new AppError("server-busy", `${waited}: ${this.#inTheWay(asks)}. Try again later.`);
  }

  /** What keeps it from starting, as the end of a sentence. */
  #inTheWay(asks: Share): string {
    const { used } = this;
    const { parallelStarts } = this.#limits;
    const short = KINDS.find(({ kind }) => used[kind] + asks[kind] > this.#limits[kind]);
    if (short === undefined) {
      return this.#starting >= parallelStarts
        ? `as many starts are under way as may be at once (${parallelStarts}, setting parallel_starts)`
        : "others stand before it";
    }
    const { kind, setting, show } = short;
    return (
      `it needs ${show(asks[kind])}, and of the ${show(this.#limits[kind])} that all servers may have ` +
      `(setting ${setting}) others have ${show(used[kind])} and are in use${this.#most(short)}`
    );
  }

  #most({ kind, show }: Kind): string {
    const amounts = new Map<string, number>();
    for (const { server, share } of this.#taken) {
      amounts.set(server, (amounts.get(server) ?? 0) + share[kind]);
    }
    const most = [...amounts].toSorted(([, a], [, b]) => b - a).slice(0, NAMED);
    if (most.length === 0) return "";
    return `, most of all ${most.map(([server, amount]) => `${server} (${show(amount)})`).join(", ")}`;
  }
}

function combined(a: Share, b: Share, combine: (a: number, b: number) => number): Share {
  return {
    memoryBytes: combine(a.memoryBytes, b.memoryBytes),
    processes: combine(a.processes, b.processes),
    instances: combine(a.instances, b.instances),
  };
}

function add(a: number, b: number): number {
  return a + b;
}

function sumOf(taken: Iterable<Taken>): Share {
  let sum = NO_SHARE;
  for (const { share } of taken) sum = combined(sum, share, add);
  return sum;
}

function fits(share: Share, limits: Share): boolean {
  return KINDS.every(({ kind }) => share[kind] <= limits[kind]);
}

function isNothing(share: Share): boolean {
  return KINDS.every(({ kind }) => share[kind] === 0);
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}

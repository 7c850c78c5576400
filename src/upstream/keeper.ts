// The one owner of a process's life: start → wait → decide, by the restart table. It knows nothing of kinds: a
// Connector makes the connection, the table says when. Made by the pool, one for each process that there may be.

import { AppError, asSentence, toAppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ServerState } from "../model/server-state.ts";
import type { Place } from "../process/budget.ts";
import { restart, STOPPED, type RestartEvent, type RestartState } from "../process/restart.ts";
import type { Connector, Upstream, UpstreamListener } from "./upstream.ts";

/** A start keeps others from starting this long at most: one that hangs must not keep them out. */
const HOLD_MS = 2_000;
/** A caller waits for a start that is due within this time; later than that it is told when to come back. */
const WORTH_WAITING_MS = 10_000;

export interface KeeperOptions {
  readonly name: string;
  readonly connector: Connector;
  readonly listener: UpstreamListener;
  /** Resolves when the host has room for a start. @throws AppError `server-busy` */
  readonly admit: (signal: AbortSignal) => Promise<Place>;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly random: () => number;
  /** Called after each change of state. */
  readonly onState: (state: ServerState) => void;
  /** Called with each new connection, before any caller gets it. */
  readonly onReady: (upstream: Upstream) => void;
  /** Called when it ended unasked or did not start: the moment to keep the tail of its output. */
  readonly onCrash: (error: AppError) => void;
}

export interface KeeperStatus {
  readonly state: ServerState;
  readonly since: number;
  readonly reason: string | undefined;
  readonly nextStartAt: number | undefined;
}

interface Waiter {
  readonly resolve: (upstream: Upstream) => void;
  readonly reject: (error: AppError) => void;
}

/** From a start to its end: one start or connection. Aborting ends it, and then nothing of it counts any more. */
interface Life {
  readonly abort: AbortController;
  /** Resolves when nothing of it is left. */
  readonly done: Promise<void>;
  /** Where it was let through to start. */
  place: Place | undefined;
}

export class Keeper {
  readonly #options: KeeperOptions;
  #state: RestartState = STOPPED;
  #since: number;
  #lastError: AppError | undefined;
  #restsBecause: string | undefined;
  #exits = 0;
  #upstream: Upstream | undefined;
  #waiters: Waiter[] = [];
  #dueTimer: Timer | undefined;
  #life: Life | undefined;
  /** The end of the life before, and by it of all before: the next one waits for it. */
  #ended: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#since = options.now();
  }

  /** The connection, if there is one now: the way of a call when all is well. */
  get ready(): Upstream | undefined {
    return this.#upstream;
  }

  get phase(): ServerState {
    return this.#state.phase;
  }

  /** When it entered this phase. */
  get since(): number {
    return this.#since;
  }

  /** Unexpected ends so far. */
  get exits(): number {
    return this.#exits;
  }

  /** Callers that wait for a start. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** What the running process has of the host's budget. */
  get place(): Place | undefined {
    return this.#life?.place;
  }

  status(): KeeperStatus {
    const { phase, dueAt } = this.#state;
    return {
      state: phase,
      since: this.#since,
      reason: this.#reason(),
      nextStartAt: dueAt,
    };
  }

  #reason(): string | undefined {
    const { phase } = this.#state;
    if (phase === "ready") return undefined;
    if (phase === "starting" && this.#life?.place === undefined) return "It waits for its turn to start.";
    return this.#restsBecause ?? this.#lastError?.message;
  }

  /**
   * The connection, started if need be.
   * @throws AppError `start-failed` when it does not start, or waits to be started for longer than is worth waiting;
   * `blocked` when it cannot start at all; `server-busy` when the host has no room for it.
   */
  acquire(): Promise<Upstream> {
    if (this.#upstream !== undefined) return Promise.resolve(this.#upstream);
    if (this.#closed) return Promise.reject(new AppError("server-lost", "The server is being stopped."));
    this.#step("wanted");
    const { phase, dueAt } = this.#state;
    if (phase === "blocked") return Promise.reject(this.#blocked());
    const waitMs = dueAt === undefined ? 0 : dueAt - this.#options.now();
    if (waitMs > WORTH_WAITING_MS) return Promise.reject(this.#notNow(waitMs));
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Starts it if it is stopped; nobody waits for it. */
  wake(): void {
    if (!this.#closed) this.#step("wanted");
  }

  /** Ends what runs, forgets the past and starts it. @throws as `acquire` */
  restart(): Promise<Upstream> {
    this.#halt("The server is being restarted.", "reset");
    return this.acquire();
  }

  /** Ends what runs, because nobody needs it. Whoever needs it after all waits for its end and gets a new one. */
  rest(why: string): void {
    if (this.#upstream === undefined) return;
    this.#restsBecause = why;
    this.#release(new AppError("server-lost", why));
    this.#step("rested");
  }

  /** It runs and does not do its work: ended, and started again by the table. */
  fail(error: AppError): void {
    if (this.#upstream === undefined) return;
    this.#release(error);
    this.#settle(error);
  }

  /** Ends it for good. Resolves when nothing of it is left. */
  close(): Promise<void> {
    this.#closed = true;
    this.#halt("The server is being stopped.", "stopped");
    return this.#ended;
  }

  #halt(why: string, event: "reset" | "stopped"): void {
    const error = new AppError("server-lost", why);
    this.#release(error);
    this.#rejectWaiters(error);
    this.#step(event);
  }

  /** Lets go of the life that there is: it ends by itself, and the next one waits for that. */
  #release(reason: AppError): void {
    this.#upstream = undefined;
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    this.#ended = life.done;
    life.place?.leaving();
    life.abort.abort(reason);
  }

  #step(event: RestartEvent, at = this.#options.now()): void {
    const { now, random, onState } = this.#options;
    const before = this.#state;
    const next = restart(before, event, at, random);
    if (next === before) return;
    this.#state = next;
    if (next.phase !== before.phase) this.#since = now();
    clearTimeout(this.#dueTimer);
    const { dueAt } = next;
    if (dueAt !== undefined && !this.#closed) {
      // NB: the timer's word counts: a clock that was set back must not make a start that is due look early.
      const due = (): void => this.#step("due", Math.max(dueAt, now()));
      this.#dueTimer = setTimeout(due, Math.max(0, dueAt - now()));
    }
    if (next.phase === "starting") this.#start();
    if (next.phase !== before.phase) onState(next.phase);
  }

  #start(): void {
    const abort = new AbortController();
    const before = this.#ended;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const life: Life = { abort, done, place: undefined };
    this.#restsBecause = undefined;
    this.#life = life;
    this.#ended = done;
    void this.#live(life, before).finally(resolve);
  }

  /** One life: wait for the one before, connect, serve, end. Never rejects. */
  async #live(life: Life, before: Promise<void>): Promise<void> {
    const { signal } = life.abort;
    let error: AppError;
    try {
      await before;
      error = await this.#serve(await this.#connect(life), signal);
    } catch (thrown) {
      error = toAppError(thrown);
    }
    life.place?.gone();
    // One that was let go of has no say any more.
    if (this.#life !== life) return;
    this.#life = undefined;
    this.#upstream = undefined;
    this.#settle(error);
  }

  async #connect(life: Life): Promise<Upstream> {
    const { admit, connector, listener } = this.#options;
    const { signal } = life.abort;
    const place = await admit(signal);
    life.place = place;
    signal.throwIfAborted();
    const hold = setTimeout(() => place.started(), HOLD_MS);
    try {
      return await connector.connect(listener, signal);
    } finally {
      clearTimeout(hold);
      place.started();
    }
  }

  /** Resolves with the reason when the connection is over and nothing of it is left. */
  async #serve(upstream: Upstream, signal: AbortSignal): Promise<AppError> {
    let closing: Promise<void> | undefined;
    const close = (): void => {
      closing ??= upstream.close();
    };
    if (signal.aborted) close();
    else {
      signal.addEventListener("abort", close, { once: true });
      this.#begin(upstream);
    }
    const error = await upstream.closed;
    signal.removeEventListener("abort", close);
    await closing;
    return error;
  }

  #begin(upstream: Upstream): void {
    this.#upstream = upstream;
    this.#lastError = undefined;
    this.#step("ready");
    this.#options.onReady(upstream);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.resolve(upstream);
  }

  /** It is over, unasked: what comes next. */
  #settle(error: AppError): void {
    const { name, log, onCrash } = this.#options;
    this.#lastError = error;
    switch (error.code) {
      case "session-over":
        // Nobody can be waiting: the connection was there until now.
        log.info("session over", { server: name, reason: error.message });
        return this.#step("expired");
      case "server-busy":
        log.warn("server not started", { server: name, reason: error.message });
        this.#rejectWaiters(error);
        return this.#step("rested");
      case "blocked":
        log.warn("server blocked", { server: name, reason: error.message });
        onCrash(error);
        this.#step("blocked");
        return this.#rejectWaiters(this.#blocked());
      default:
        return this.#crashed(error);
    }
  }

  #crashed(error: AppError): void {
    const { name, log, onCrash, now } = this.#options;
    const wasStarting = this.#state.phase === "starting";
    this.#exits++;
    log.warn("server ended", { server: name, reason: error.message });
    onCrash(error);
    this.#step("ended");
    const { dueAt, phase } = this.#state;
    const soon = dueAt !== undefined && dueAt - now() <= WORTH_WAITING_MS;
    // Whoever waits for a start hears that it failed; whoever waits for a restart that is near goes on waiting.
    if (wasStarting || phase !== "backing-off" || !soon) this.#rejectWaiters(startFailure(error));
  }

  #rejectWaiters(error: AppError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  #blocked(): AppError {
    const { name } = this.#options;
    const why = asSentence(this.#lastError?.message ?? "it cannot start");
    return new AppError(
      "blocked",
      `Server ${name} is blocked: ${why} When that is mended, \`toolcrib restart ${name}\` starts it.`,
      this.#lastError === undefined ? {} : { cause: this.#lastError },
    );
  }

  #notNow(waitMs: number): AppError {
    const { name } = this.#options;
    const seconds = Math.ceil(waitMs / 1000);
    const why = this.#lastError === undefined ? "" : `: ${this.#lastError.message}`;
    return new AppError(
      "start-failed",
      `Server ${name} is in state ${this.#state.phase} and is tried again in ${seconds} s${why}. ` +
        `\`toolcrib restart ${name}\` tries it now.`,
      { details: { retryAfterSeconds: seconds } },
    );
  }
}

function startFailure(error: AppError): AppError {
  return error.code === "start-failed"
    ? error
    : new AppError("start-failed", error.message, { cause: error });
}

// The one owner of a server's life: start → wait → decide, by the restart table. It knows nothing of kinds: a
// Connector makes the connection, the table says when. Made by the pool, one for each enabled server.

import { AppError, toAppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ServerState, ServerStatus } from "../model/server-state.ts";
import type { Gate } from "../process/gate.ts";
import { restart, STOPPED, type RestartEvent, type RestartState } from "../process/restart.ts";
import type { Connector, Upstream, UpstreamListener } from "./upstream.ts";

/** A start holds its place in the gate this long at most: one that hangs must not keep the others out. */
const GATE_HOLD_MS = 2_000;
/** A caller waits for a start that is due within this time; later than that it is told when to come back. */
const WORTH_WAITING_MS = 10_000;

export interface KeeperOptions {
  readonly name: string;
  readonly connector: Connector;
  readonly listener: UpstreamListener;
  readonly gate: Gate;
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

interface Waiter {
  readonly resolve: (upstream: Upstream) => void;
  readonly reject: (error: AppError) => void;
}

export class Keeper {
  readonly #options: KeeperOptions;
  #state: RestartState = STOPPED;
  #since: number;
  #lastError: AppError | undefined;
  #exits = 0;
  #upstream: Upstream | undefined;
  #waiters: Waiter[] = [];
  #dueTimer: Timer | undefined;
  /** The start or connection that is under way, ended by aborting. One at a time. */
  #run: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#since = options.now();
  }

  /** The connection, if there is one now: the way of a call when all is well. */
  get ready(): Upstream | undefined {
    return this.#upstream;
  }

  status(): Omit<ServerStatus, "pid"> {
    return {
      state: this.#state.phase,
      since: this.#since,
      reason: this.#state.phase === "ready" ? undefined : this.#lastError?.message,
      exits: this.#exits,
      nextStartAt: this.#state.dueAt,
      inFlight: this.#upstream?.inFlight ?? 0,
    };
  }

  /**
   * The connection, started if need be.
   * @throws AppError `start-failed` when it does not start, or waits to be started for longer than is worth waiting.
   */
  acquire(): Promise<Upstream> {
    if (this.#upstream !== undefined) return Promise.resolve(this.#upstream);
    if (this.#closed) return Promise.reject(new AppError("server-lost", "The server is being stopped."));
    this.#step("wanted");
    const { dueAt } = this.#state;
    const waitMs = dueAt === undefined ? 0 : dueAt - this.#options.now();
    if (waitMs > WORTH_WAITING_MS) return Promise.reject(this.#notNow(waitMs));
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Ends what runs, forgets the past and starts it. @throws AppError `start-failed` */
  async restart(): Promise<Upstream> {
    await this.#halt("The server is being restarted.", "reset");
    return this.acquire();
  }

  /** Ends it for good. Resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#halt("The server is being stopped.", "stopped");
  }

  async #halt(why: string, event: "reset" | "stopped"): Promise<void> {
    clearTimeout(this.#dueTimer);
    // NB: a loop, because whoever else waited for the end of the same run may have begun the next one; and no await
    // between its end and the step, or a start could come in between and be forgotten.
    for (let run = this.#run; run !== undefined; run = this.#run) {
      run.abort.abort(new AppError("server-lost", why));
      await run.done;
    }
    this.#rejectWaiters(new AppError("server-lost", why));
    this.#step(event);
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
    if (next.phase !== before.phase) onState(next.phase);
    if (next.phase === "starting") this.#start();
  }

  #start(): void {
    const abort = new AbortController();
    const done = this.#live(abort.signal);
    this.#run = { abort, done };
  }

  /** One life: connect, serve, end. Never rejects. */
  async #live(signal: AbortSignal): Promise<void> {
    let upstream: Upstream;
    try {
      upstream = await this.#connect(signal);
    } catch (thrown) {
      this.#run = undefined;
      if (!signal.aborted) this.#ended(toAppError(thrown));
      return;
    }
    this.#upstream = upstream;
    this.#lastError = undefined;
    this.#step("ready");
    this.#options.onReady(upstream);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.resolve(upstream);

    const stop = (): void => void upstream.close();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const error = await upstream.closed;
    signal.removeEventListener("abort", stop);
    this.#upstream = undefined;
    this.#run = undefined;
    if (!signal.aborted) this.#ended(error);
  }

  async #connect(signal: AbortSignal): Promise<Upstream> {
    const { gate, connector, listener } = this.#options;
    const leave = await gate.enter(signal);
    const hold = setTimeout(leave, GATE_HOLD_MS);
    try {
      return await connector.connect(listener, signal);
    } finally {
      clearTimeout(hold);
      leave();
    }
  }

  #ended(error: AppError): void {
    if (error.code === "session-over") return this.#expired(error);
    const wasStarting = this.#state.phase === "starting";
    this.#exits++;
    this.#lastError = error;
    this.#options.log.warn("server ended", { server: this.#options.name, reason: error.message });
    this.#options.onCrash(error);
    this.#step("ended");
    const { dueAt, phase } = this.#state;
    const soon = dueAt !== undefined && dueAt - this.#options.now() <= WORTH_WAITING_MS;
    // Whoever waits for a start hears that it failed; whoever waits for a restart that is near goes on waiting.
    if (wasStarting || phase !== "backing-off" || !soon) this.#rejectWaiters(this.#startFailure(error));
  }

  /** Nobody can be waiting: the connection was there until now. */
  #expired(error: AppError): void {
    this.#lastError = error;
    this.#options.log.info("session over", { server: this.#options.name, reason: error.message });
    this.#step("expired");
  }

  #rejectWaiters(error: AppError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  #startFailure(error: AppError): AppError {
    return error.code === "start-failed"
      ? error
      : new AppError("start-failed", error.message, { cause: error });
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

// The requests of one connection that have no answer yet: who waits under which id, and until when. Every upstream
// owns one and closes it with its connection. It guarantees what AnswerSink promises: one outcome, nothing after it.

import { AppError } from "../errors.ts";
import type { AnswerSink, Range } from "./upstream.ts";

/** A call may be late by this much before it is noticed. One timer for all calls; none while there are none. */
const SWEEP_EVERY_MS = 100;

interface Entry {
  readonly sink: AnswerSink;
  readonly timeoutMs: number;
  readonly takesProgress: boolean;
  /** On the clock that the constructor was given. */
  deadline: number;
}

export class PendingCalls {
  readonly #entries = new Map<number, Entry>();
  readonly #now: () => number;
  readonly #onOverdue: (id: number) => void;
  #lastId = 0;
  #timer: Timer | undefined;

  /**
   * @param now a clock in milliseconds that never goes back (performance.now).
   * @param onOverdue called with the id of a call that ran out of time, after its sink was told: the place to tell
   *   the server that nobody waits any more.
   */
  constructor(now: () => number, onOverdue: (id: number) => void = () => undefined) {
    this.#now = now;
    this.#onOverdue = onOverdue;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Calls that were entered so far. */
  get begun(): number {
    return this.#lastId;
  }

  /**
   * Enters a call and gives it an id: 1, 2, 3, … and none of them twice. Progress that was not asked for is not heard:
   * with it a server could put off the end of its own handshake for ever.
   */
  add(sink: AnswerSink, timeoutMs: number, takesProgress = true): number {
    const id = ++this.#lastId;
    this.#entries.set(id, { sink, timeoutMs, takesProgress, deadline: this.#now() + timeoutMs });
    // NB: the timer is not stopped with the last call but by the sweep that finds nothing: one call after the other
    // would otherwise start and stop it each time.
    this.#timer ??= setInterval(() => this.sweep(this.#now()), SWEEP_EVERY_MS);
    return id;
  }

  has(id: number): boolean {
    return this.#entries.has(id);
  }

  /** Each of the following answers whether the call was pending: an unknown or settled id is ignored. */
  settleResult(id: number, value: Uint8Array): boolean {
    const entry = this.#take(id);
    entry?.sink.result(value);
    return entry !== undefined;
  }

  settleError(id: number, value: Uint8Array): boolean {
    const entry = this.#take(id);
    entry?.sink.error(value);
    return entry !== undefined;
  }

  lose(id: number, error: AppError): boolean {
    const entry = this.#take(id);
    entry?.sink.lost(error);
    return entry !== undefined;
  }

  /** The time of the call begins anew. */
  progress(id: number, params: Uint8Array, token: Range): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || !entry.takesProgress) return false;
    entry.deadline = this.#now() + entry.timeoutMs;
    entry.sink.progress(params, token);
    return true;
  }

  /** Takes a call out without a word to its sink: it was cancelled. */
  forget(id: number): boolean {
    return this.#take(id) !== undefined;
  }

  /** The connection is over: every sink is told once, and the timer stops. */
  loseAll(error: AppError): void {
    this.#stopTimer();
    // NB: the ids of this moment. A sink that tries again at once must not be lost, and try again, for ever.
    const ids = [...this.#entries.keys()];
    for (const id of ids) this.lose(id, error);
  }

  /** Loses the calls whose time is up. Runs by itself; public for tests. */
  sweep(now: number): void {
    if (this.#entries.size === 0) return this.#stopTimer();
    for (const [id, entry] of this.#entries) {
      if (entry.deadline > now) continue;
      this.lose(id, overdue(entry.timeoutMs));
      this.#onOverdue(id);
    }
  }

  #take(id: number): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#entries.delete(id);
    return entry;
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function overdue(timeoutMs: number): AppError {
  return new AppError(
    "server-timeout",
    `The server gave neither an answer nor progress for ${timeoutMs / 1000} s; where it needs longer, give it a longer call timeout.`,
    { details: { timeoutMs } },
  );
}

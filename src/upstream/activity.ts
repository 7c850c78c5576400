// What goes on on one connection: since when nobody has used it, and whether the server behind it still answers. Costs
// a call nothing: it is looked at from time to time, by the pool's one timer.

import { AppError } from "../errors.ts";
import type { AnswerSink, Upstream } from "./upstream.ts";

export const HEARTBEAT = {
  /** Without a call or a ping for this long, it is pinged. */
  quietMs: 30_000,
  timeoutMs: 10_000,
  /** Pings in a row without an answer. */
  misses: 3,
} as const;

export interface ActivityOptions {
  readonly upstream: Upstream;
  /** False: it is never pinged. */
  readonly isPinged: boolean;
  /** It answers no more: called with each miss beyond the bound. */
  readonly onDead: (error: AppError) => void;
  readonly now: number;
}

export class Activity {
  readonly #options: ActivityOptions;
  #idleSince: number;
  #begun: number;
  #pingedAt: number;
  #isPinging = false;
  #misses = 0;

  constructor(options: ActivityOptions) {
    this.#options = options;
    this.#idleSince = options.now;
    this.#pingedAt = options.now;
    this.#begun = options.upstream.begun;
  }

  /** Requests without an answer, our own ping excepted. */
  get inFlight(): number {
    return this.#options.upstream.inFlight - (this.#isPinging ? 1 : 0);
  }

  /** Since when nobody uses it, in milliseconds since the epoch: as exact as it is looked often. */
  idleSince(now: number): number {
    const { begun } = this.#options.upstream;
    const isUsed = this.inFlight > 0 || begun !== this.#begun;
    this.#begun = begun;
    // A clock that was set back must not make it look busy for as long.
    this.#idleSince = isUsed ? now : Math.min(this.#idleSince, now);
    return this.#idleSince;
  }

  /** Pings it when it is time to (MCP 2025-11-25, Utilities, Ping). */
  check(now: number): void {
    if (!this.#options.isPinged || this.#isPinging) return;
    const quietSince = Math.max(this.idleSince(now), Math.min(this.#pingedAt, now));
    if (this.inFlight > 0 || now - quietSince < HEARTBEAT.quietMs) return;
    this.#pingedAt = now;
    this.#isPinging = true;
    const { upstream } = this.#options;
    const { timeoutMs } = HEARTBEAT;
    upstream.begin({ method: "ping", params: undefined, progressToken: undefined, timeoutMs }, this.#pong());
    // Our own request is no use of it.
    this.#begun = upstream.begun;
  }

  #pong(): AnswerSink {
    const answered = (): void => {
      this.#isPinging = false;
      this.#misses = 0;
    };
    return {
      result: answered,
      // A server that has no ping has answered all the same.
      error: answered,
      progress: () => undefined,
      lost: (error) => {
        this.#isPinging = false;
        // A remote server that is busy has a status; one on its standard streams does not read.
        const isUnread = error.code === "server-busy" && error.details?.["status"] === undefined;
        const isSilence = isUnread || error.code === "server-timeout";
        // Where a call came in between, the server may have been at work on it.
        const isAlone = this.inFlight === 0 && this.#options.upstream.begun === this.#begun;
        if (isSilence && isAlone) this.#missed();
      },
    };
  }

  #missed(): void {
    this.#misses++;
    if (this.#misses < HEARTBEAT.misses) return;
    const { timeoutMs, misses } = HEARTBEAT;
    this.#options.onDead(
      new AppError(
        "server-lost",
        `The server did not answer ${misses} pings in a row within ${timeoutMs / 1000} s each`,
      ),
    );
  }
}

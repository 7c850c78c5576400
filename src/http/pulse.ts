// Beats on everything that is quiet for long: open streams, and requests whose answer is not there yet. One timer for
// all of them, running only while there is something to keep alive.

export interface Beating {
  beat(): void;
}

/** Shorter than the 30 to 60 s after which common proxies give up on a silent connection. */
const PERIOD_MS = 15_000;

export class Pulse {
  /** What was there at the last beat, and what came since: nothing is beaten in its first period. */
  #seen = new Set<Beating>();
  #fresh = new Set<Beating>();
  #timer: Timer | undefined;

  add(beating: Beating): void {
    this.#fresh.add(beating);
    this.#timer ??= setInterval(() => this.beat(), PERIOD_MS);
  }

  delete(beating: Beating): void {
    if (!this.#fresh.delete(beating)) this.#seen.delete(beating);
  }

  /** Public for tests; runs by itself. */
  beat(): void {
    for (const beating of this.#seen) beating.beat();
    for (const beating of this.#fresh) this.#seen.add(beating);
    this.#fresh = new Set();
    if (this.#seen.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

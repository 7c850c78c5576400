// The durations of one job, and what the tables want of them.

const MAX_SAMPLES = 1 << 20;

export class Latencies {
  readonly #samples = new Float64Array(MAX_SAMPLES);
  #count = 0;
  #lastEnd = 0;

  /** `endedAt` and `tookMs` in milliseconds. Beyond the bound only the count goes on. */
  add(tookMs: number, endedAt: number): void {
    if (this.#count < MAX_SAMPLES) this.#samples[this.#count] = tookMs;
    this.#count++;
    this.#lastEnd = endedAt;
  }

  /** `since`: when counting began. */
  values(since: number): Record<string, number> {
    if (this.#count === 0) throw new Error("nothing was answered in the time that was measured");
    const sorted = this.#samples.subarray(0, Math.min(this.#count, MAX_SAMPLES)).toSorted();
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
    const seconds = (this.#lastEnd - since) / 1000;
    return { perSecond: this.#count / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
  }
}

// Lets a bounded number of starts through at once; the others wait in order. Starting is what costs a host most.

export class Gate {
  readonly #width: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  /** Resolves with the function that lets the next one in; call it once. Rejects when `signal` aborts first. */
  enter(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#inside < this.#width) {
      this.#inside++;
      return Promise.resolve(this.#leaver());
    }
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        signal.removeEventListener("abort", giveUp);
        this.#inside++;
        resolve(this.#leaver());
      };
      const giveUp = (): void => {
        const at = this.#waiting.indexOf(admit);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      this.#waiting.push(admit);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  #leaver(): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#inside--;
      this.#waiting.shift()?.();
    };
  }
}

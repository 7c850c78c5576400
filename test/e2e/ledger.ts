// What the command line acknowledged, and what it was asked for without an answer: the two sides that a home is held
// against after its appliance was killed. An unanswered wish may have come true or not; nothing else may have changed.

import type { Crib } from "./appliance.ts";

/** The exit code of a verb that the appliance did not answer. */
const UNREACHABLE = 3;

/** `true`: acknowledged as there. `false`: acknowledged as gone. Undefined: asked for, no answer. */
type Known<T> = { readonly there: boolean | undefined; readonly value: T };

export class Ledger<T> {
  readonly #entries = new Map<string, Known<T>>();
  #made = 0;

  /** A name that was never used before. */
  fresh(prefix: string): string {
    return `${prefix}-${++this.#made}`;
  }

  names(there: boolean): readonly string[] {
    return [...this.#entries].filter(([, known]) => known.there === there).map(([name]) => name);
  }

  value(name: string): T | undefined {
    return this.#entries.get(name)?.value;
  }

  set(name: string, there: boolean, value: T): void {
    this.#entries.set(name, { there, value });
  }

  /**
   * Runs a verb that makes, changes or removes `name`; `after` is what its answer means. While it runs, and when it
   * gets no answer, the outcome is open. False when there was no answer: the appliance is gone.
   */
  async ask(
    crib: Crib,
    name: string,
    words: readonly string[],
    after: (stdout: string) => Known<T>,
  ): Promise<boolean> {
    this.#entries.set(name, { there: undefined, value: this.value(name) ?? after("").value });
    const { code, stdout, stderr } = await crib.run(words, { timeoutMs: 30_000 });
    if (code === 0) this.#entries.set(name, after(stdout));
    // Nobody there, or gone in the middle. Anything else was no accident.
    else if (code !== UNREACHABLE) throw new Error(`${words.join(" ")} ended with ${code}\n${stderr}`);
    return code === 0;
  }

  /**
   * Holds `found` against what was acknowledged, and takes over what was open. An entry whose value is open too
   * gets the one that `found` has.
   */
  settle(found: ReadonlyMap<string, T>, same: (acknowledged: T, found: T) => boolean): void {
    const strangers = [...found.keys()].filter((name) => !this.#entries.has(name));
    if (strangers.length > 0) throw new Error(`never asked for: ${strangers.join(", ")}`);
    for (const [name, { there, value }] of this.#entries) {
      const actual = found.get(name);
      if (there === true && actual === undefined) throw new Error(`acknowledged and lost: ${name}`);
      if (there === false && actual !== undefined) throw new Error(`acknowledged as gone and back: ${name}`);
      if (there === true && actual !== undefined && !same(value, actual)) {
        throw new Error(
          `acknowledged as ${JSON.stringify(value)}, found as ${JSON.stringify(actual)}: ${name}`,
        );
      }
      this.#entries.set(name, {
        there: actual !== undefined,
        value: there === undefined ? (actual ?? value) : value,
      });
    }
  }
}

// A value that may not be seen: it prints as [secret] wherever something is printed, logged or serialised.
// Whoever needs the text asks for it by name.

import { inspect } from "node:util";

const MASK = "[secret]";

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Call it where the value leaves for its one purpose, and keep no copy. */
  expose(): string {
    return this.#text;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

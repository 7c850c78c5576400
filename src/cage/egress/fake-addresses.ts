// Stand-in addresses: the DNS stub gives each name one of its own, so that a connection to it says what was asked for.
// They look public, because servers that guard themselves refuse to ask a private or reserved address: 28.0.0.0/15 was
// given out (to a ministry) and is announced nowhere. In a cage all of it is local.

/** Names that have an address at one time. The one that was not used for the longest gives way. */
const MAX_NAMES = 4096;

/** Without the first and the last of the range. */
const RANGE = { base: 28 * 2 ** 24, size: 2 ** 17 - 2 } as const;

interface Entry {
  readonly address: string;
  /** Connections to it. */
  open: number;
}

export class FakeAddresses {
  readonly #maxNames: number;
  readonly #base: number;
  readonly #size: number;
  /** By name; the one that was used last is the last. */
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<string, string>();
  #next = 0;

  /** `base` is an IPv4 address as a number, of which `size` behind it are given out. */
  constructor({ maxNames = MAX_NAMES, base = RANGE.base, size = RANGE.size } = {}) {
    this.#maxNames = maxNames;
    this.#base = base;
    this.#size = size;
  }

  /** The address of a name: the same one for as long as it is remembered. */
  addressOf(name: string): string {
    const known = this.#entries.get(name);
    if (known !== undefined) {
      this.#touch(name, known);
      return known.address;
    }
    if (this.#entries.size >= this.#maxNames) this.#forgetOldest();
    const entry = { address: this.#freeAddress(), open: 0 };
    this.#entries.set(name, entry);
    this.#names.set(entry.address, name);
    return entry.address;
  }

  nameOf(address: string): string | undefined {
    return this.#names.get(address);
  }

  /** Whether it is of the range, known or forgotten. */
  covers(address: string): boolean {
    const offset = toNumber(address) - this.#base;
    return offset >= 0 && offset <= this.#size + 1;
  }

  /** A connection begins: the name keeps its address until the returned function was called. */
  hold(name: string): () => void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return () => {};
    this.#touch(name, entry);
    entry.open++;
    let held = true;
    return () => {
      if (held) entry.open--;
      held = false;
    };
  }

  #touch(name: string, entry: Entry): void {
    this.#entries.delete(name);
    this.#entries.set(name, entry);
  }

  #forgetOldest(): void {
    for (const [name, { address, open }] of this.#entries) {
      if (open > 0) continue;
      this.#entries.delete(name);
      this.#names.delete(address);
      return;
    }
  }

  /**
   * Goes through the whole range before one is used again: a program may remember what it once looked up, and must not
   * reach another name by it. Ends, because fewer are in use than there are.
   */
  #freeAddress(): string {
    for (;;) {
      const address = toText(this.#base + 1 + this.#next);
      this.#next = (this.#next + 1) % this.#size;
      if (!this.#names.has(address)) return address;
    }
  }
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

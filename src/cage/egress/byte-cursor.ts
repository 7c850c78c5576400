// Reads numbers and slices off bytes of a stranger, in the order of the network. Used for DNS queries and ClientHellos.

/** Reading past the end gives zeros and nothing, and makes `ok` false for good: it is asked once, when all was read. */
export class ByteCursor {
  readonly #bytes: Uint8Array;
  #at = 0;
  #ok = true;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ok(): boolean {
    return this.#ok;
  }

  /** Bytes from the start. */
  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.take(1)[0] ?? 0;
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u24(): number {
    return this.u8() * 0x1_0000 + this.u16();
  }

  /** A view, not a copy; empty where there are fewer. */
  take(count: number): Uint8Array {
    if (count > this.remaining) {
      this.#ok = false;
      this.#at = this.#bytes.length;
    }
    const from = this.#at;
    if (this.#ok) this.#at += count;
    return this.#bytes.subarray(from, this.#at);
  }
}

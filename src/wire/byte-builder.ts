// Gathers a message that arrives in pieces, up to a bound. Used wherever bytes come from a network.

/** Room for the second piece; the first is kept as it came. */
const FIRST_ROOM_BYTES = 4096;

export class ByteBuilder {
  readonly #maxBytes: number;
  /** The one piece so far, or the buffer below once a second one came. */
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;
  /** False while `#bytes` is somebody's piece, which is not written to. */
  #ours = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Adds a piece; false when all of it would be over the bound, and then nothing is added. A single piece is not
   * copied; of more, each byte is copied less than three times, and a peer that sends them one by one costs no
   * more memory than one that does not.
   */
  append(piece: Uint8Array): boolean {
    const length = this.#length + piece.length;
    if (length > this.#maxBytes) return false;
    if (this.#length === 0 && !this.#ours) {
      this.#bytes = piece;
    } else {
      if (!this.#ours || length > this.#bytes.length) this.#grow(length);
      this.#bytes.set(piece, this.#length);
    }
    this.#length = length;
    return true;
  }

  /** All that was added. The builder is empty afterwards and writes to these bytes no more. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    this.#ours = false;
  }

  #grow(atLeast: number): void {
    const room = Math.min(this.#maxBytes, Math.max(atLeast, 2 * this.#length, FIRST_ROOM_BYTES));
    const grown = new Uint8Array(room);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#ours = true;
  }
}

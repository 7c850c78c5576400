// One buffer that messages are put together in, again and again. A large message costs its copy then, and not the
// first touch of fresh memory for each answer, which is dearer than the copy.

import { compose, lengthOf, writePieces, type Piece } from "./compose.ts";

/** Larger messages get a buffer of their own, so that one of them does not stay in memory for good. */
const MAX_KEPT_BYTES = 4 * 1_048_576;

export class Scratch {
  #buffer = Buffer.allocUnsafe(16_384);

  /**
   * All pieces in one view of the buffer, good until the next call: for takers that copy at once, as the constructor
   * of Response does (Fetch Standard, "extract a body").
   */
  compose(...pieces: readonly Piece[]): Uint8Array<ArrayBuffer> {
    const length = lengthOf(pieces);
    if (length > MAX_KEPT_BYTES) return compose(...pieces);
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(Math.min(2 * length, MAX_KEPT_BYTES));
    writePieces(pieces, this.#buffer);
    return this.#buffer.subarray(0, length);
  }
}

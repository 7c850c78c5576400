// Takes a stream of bytes apart in pieces of a known length: what an archive is read with. Holds one chunk of the
// stream at a time, so a hostile length costs nothing. Called by tar.ts and bundle-load.ts.

import { AppError } from "../errors.ts";

export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes, together in memory. @throws AppError `bad-answer` when the stream ends before */
  async take(length: number): Promise<Uint8Array> {
    const taken = new Uint8Array(length);
    let at = 0;
    for await (const piece of this.pieces(length)) {
      taken.set(piece, at);
      at += piece.length;
    }
    return taken;
  }

  /** Exactly `length` bytes, as they come. @throws as `take` */
  async *pieces(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      if (!(await this.#fill())) throw new AppError("bad-answer", "The archive ends in the middle.");
      const piece = this.#chunk.subarray(0, left);
      this.#chunk = this.#chunk.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** True when nothing comes any more. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** Wants no more of the stream. Never rejects. */
  async cancel(): Promise<void> {
    await this.#chunks.return?.().catch(() => undefined);
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
    }
    return true;
  }
}

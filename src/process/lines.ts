// Cuts a byte stream into lines (MCP, Transports, stdio: messages are delimited by newlines). Bounded: a line longer
// than the limit is reported once and ends the stream for this splitter.

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line whose pieces are smaller than this on average is joined as it comes: a peer may send byte by byte. */
const SMALL_PIECE_BYTES = 4096;
const MAX_SMALL_PIECES = 64;

export class LineSplitter {
  readonly #maxLineBytes: number;
  readonly #onLine: (line: Uint8Array) => void;
  /** Pieces of the line that has not ended yet. Together never more than `#maxLineBytes`. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  /** `onLine` gets each line that is not empty, without its line break. The bytes are not written to again. */
  constructor(maxLineBytes: number, onLine: (line: Uint8Array) => void) {
    this.#maxLineBytes = maxLineBytes;
    this.#onLine = onLine;
  }

  /** Takes the next chunk. False when a line is longer than the limit: what it held is dropped by then. */
  push(chunk: Uint8Array): boolean {
    let start = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline < 0) break;
      if (this.#pieceBytes + newline - start > this.#maxLineBytes) return this.#refuse();
      this.#emit(chunk.subarray(start, newline));
      start = newline + 1;
    }
    const rest = chunk.length - start;
    if (rest === 0) return true;
    if (this.#pieceBytes + rest > this.#maxLineBytes) return this.#refuse();
    this.#pieces.push(start === 0 ? chunk : chunk.subarray(start));
    this.#pieceBytes += rest;
    if (this.#pieces.length > MAX_SMALL_PIECES + this.#pieceBytes / SMALL_PIECE_BYTES) {
      this.#pieces = [Buffer.concat(this.#pieces)];
    }
    return true;
  }

  /** What came after the last line break, once the stream has ended. Not a line; worth a log entry. */
  get unfinishedBytes(): number {
    return this.#pieceBytes;
  }

  #emit(tail: Uint8Array): void {
    let line = tail;
    if (this.#pieceBytes > 0) {
      line = joined(this.#pieces, tail, this.#pieceBytes);
      this.#pieces = [];
      this.#pieceBytes = 0;
    }
    if (line[line.length - 1] === CARRIAGE_RETURN) line = line.subarray(0, -1);
    if (line.length > 0) this.#onLine(line);
  }

  #refuse(): false {
    this.#pieces = [];
    this.#pieceBytes = 0;
    return false;
  }
}

function joined(pieces: readonly Uint8Array[], tail: Uint8Array, pieceBytes: number): Uint8Array {
  const line = Buffer.allocUnsafe(pieceBytes + tail.length);
  let at = 0;
  for (const piece of pieces) {
    line.set(piece, at);
    at += piece.length;
  }
  line.set(tail, at);
  return line;
}

// The last part of what a server wrote to stderr, bounded, for `logs`, for the reason of a crash and for the error
// that a caller reads. One ring a server: it outlives the processes whose output it holds.

import { excerpt } from "../wire/excerpt.ts";

const decoder = new TextDecoder("utf-8", { fatal: false });
const NEWLINE = 0x0a;

/** More pieces than this are joined: a server may write byte by byte. */
const MAX_CHUNKS = 128;
const MAX_LAST_LINE_BYTES = 300;

export class OutputRing {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes that came since the current process began; the crash tail is cut from these. */
  #sinceStart = 0;
  readonly #listeners = new Set<(text: string) => void>();
  /** Of the listeners: a character may come in two chunks. */
  #live = new TextDecoder();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Marks the begin of a new process: what came before is no longer the tail of its crash. */
  begin(): void {
    this.#sinceStart = 0;
  }

  push(chunk: Uint8Array): void {
    // A copy: a small chunk may be a view of a large read buffer, which it would keep alive.
    const kept = chunk.length > this.#maxBytes ? chunk.slice(-this.#maxBytes) : chunk.slice();
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    this.#sinceStart += kept.length;
    while (this.#bytes > this.#maxBytes) this.#dropOldest();
    if (this.#chunks.length > MAX_CHUNKS) this.#chunks = [Buffer.concat(this.#chunks)];
    if (this.#listeners.size === 0) return;
    const text = this.#live.decode(chunk, { stream: true });
    for (const listener of this.#listeners) listener(text);
  }

  /** A line of the appliance's own between the server's (what was skipped, that it ended). */
  note(sentence: string): void {
    const lastByte = this.#chunks.at(-1)?.at(-1) ?? NEWLINE;
    const lineBreak = lastByte === NEWLINE ? "" : "\n";
    this.push(new TextEncoder().encode(`${lineBreak}[toolcrib] ${sentence}\n`));
  }

  /** Everything kept, newest last. */
  text(): string {
    return decoder.decode(Buffer.concat(this.#chunks));
  }

  /** At most `maxBytes` of the end of what the current process wrote. */
  tail(maxBytes: number): string {
    const bytes = Buffer.concat(this.#chunks);
    const wanted = Math.min(maxBytes, this.#sinceStart, bytes.length);
    return decoder.decode(bytes.subarray(bytes.length - wanted));
  }

  /**
   * The last line with something on it that the current process wrote, fit for a sentence, at most 300 bytes of it.
   * `clean` gets the text before anything is cut.
   */
  lastLine(clean: (text: string) => string = (text) => text): string | undefined {
    const lines = clean(this.tail(4096)).split("\n");
    return lines
      .map((line) => excerpt(Buffer.from(line), MAX_LAST_LINE_BYTES))
      .findLast((line) => line !== "" && !line.startsWith("[toolcrib] "));
  }

  /** Calls `listener` with all that comes after. Returns the function that ends it. */
  follow(listener: (text: string) => void): () => void {
    if (this.#listeners.size === 0) this.#live = new TextDecoder();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #dropOldest(): void {
    const oldest = this.#chunks[0];
    if (oldest === undefined) return;
    const over = this.#bytes - this.#maxBytes;
    if (oldest.length <= over) {
      this.#chunks.shift();
      this.#bytes -= oldest.length;
      return;
    }
    // NB: no copy: byte by byte, it would cost the whole ring each time.
    this.#chunks[0] = oldest.subarray(over);
    this.#bytes -= over;
  }
}

// The last part of what a server wrote to stderr, bounded, for `logs`, for the reason of a crash and for the error
// that a caller reads. One ring a server: it outlives the processes whose output it holds. What comes goes on to the
// server's log file, where it has one.

import { excerpt } from "../wire/excerpt.ts";
import type { LogFile } from "./log-file.ts";

const decoder = new TextDecoder("utf-8", { fatal: false });
const NEWLINE = 0x0a;

/** More pieces than this are joined: a server may write byte by byte. */
const MAX_CHUNKS = 128;
const MAX_LAST_LINE_BYTES = 300;
/** Of a line that has not ended, those that followers wait for. */
const MAX_HELD_CHARACTERS = 64 * 1024;

export interface OutputOptions {
  /** Gets all that the ring gets. Owned by whoever made it. */
  readonly file?: LogFile;
  /** Takes the secrets out of what is shown: whole lines, as far as the ring has them. */
  readonly mask?: (text: string) => string;
}

export class OutputRing {
  readonly #maxBytes: number;
  readonly #file: LogFile | undefined;
  readonly #mask: OutputOptions["mask"];
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** Something that came is not kept any more. */
  #hasLost = false;
  /** Bytes that came since the current process began; the crash tail is cut from these. */
  #sinceStart = 0;
  readonly #listeners = new Set<(text: string) => void>();
  /** Of the listeners: a character may come in two chunks. */
  #live = new TextDecoder();
  /** The line that has not ended: only of a ring with secrets, which are found in whole lines. */
  #held = "";

  constructor(maxBytes: number, { file, mask }: OutputOptions = {}) {
    this.#maxBytes = maxBytes;
    this.#file = file;
    this.#mask = mask;
  }

  /** Marks the begin of a new process: what came before is no longer the tail of its crash. */
  begin(): void {
    this.#sinceStart = 0;
    this.#file?.endLine();
  }

  push(chunk: Uint8Array): void {
    this.#file?.push(chunk);
    this.#keep(chunk);
  }

  #keep(chunk: Uint8Array): void {
    // A copy: a small chunk may be a view of a large read buffer, which it would keep alive.
    const kept = chunk.length > this.#maxBytes ? chunk.slice(-this.#maxBytes) : chunk.slice();
    this.#hasLost ||= this.#bytes + chunk.length > this.#maxBytes;
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    this.#sinceStart += chunk.length;
    while (this.#bytes > this.#maxBytes) this.#dropOldest();
    if (this.#chunks.length > MAX_CHUNKS) this.#chunks = [Buffer.concat(this.#chunks)];
    if (this.#listeners.size === 0) return;
    const text = this.#forFollowers(this.#live.decode(chunk, { stream: true }));
    if (text === "") return;
    for (const listener of this.#listeners) listener(text);
  }

  /** A line of the appliance's own between the server's (what was skipped, that it ended). */
  note(sentence: string): void {
    const lastByte = this.#chunks.at(-1)?.at(-1) ?? NEWLINE;
    const lineBreak = lastByte === NEWLINE ? "" : "\n";
    this.#keep(new TextEncoder().encode(`${lineBreak}[toolcrib] ${sentence}\n`));
    this.#file?.note(sentence);
  }

  /** Everything kept, newest last. */
  text(): string {
    return this.#shown(Number.POSITIVE_INFINITY);
  }

  /**
   * The same; where this appliance has heard nothing yet, what the log file has of an earlier one, at most
   * `maxBytes` of it.
   */
  async kept(maxBytes: number): Promise<string> {
    if (this.#bytes > 0 || this.#file === undefined) return this.text();
    return this.#file.tailOf(maxBytes);
  }

  /** At most `maxBytes` of the end of what the current process wrote. */
  tail(maxBytes: number): string {
    // NB: what is cut before it is masked can hold half a secret.
    const shown = Buffer.from(this.#shown(this.#sinceStart));
    return shown.length <= maxBytes
      ? shown.toString()
      : decoder.decode(shown.subarray(shown.length - maxBytes));
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
    if (this.#listeners.size === 0) {
      this.#live = new TextDecoder();
      this.#held = "";
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last `maxBytes` that came, as far as they are kept, without secrets. */
  #shown(maxBytes: number): string {
    const bytes = Buffer.concat(this.#chunks);
    const text = decoder.decode(bytes.subarray(Math.max(0, bytes.length - maxBytes)));
    if (this.#mask === undefined) return text;
    // The first line lost its begin, and with it perhaps half a secret.
    const isCut = this.#hasLost && maxBytes > bytes.length;
    return this.#mask(isCut ? text.slice(text.indexOf("\n") + 1) : text);
  }

  #forFollowers(text: string): string {
    if (this.#mask === undefined) return text;
    const all = this.#held + text;
    const end = all.length > MAX_HELD_CHARACTERS ? all.length : all.lastIndexOf("\n") + 1;
    this.#held = all.slice(end);
    return this.#mask(all.slice(0, end));
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

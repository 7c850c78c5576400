// What a server writes to stderr, on disk: a line each with its time, rotated, rate-limited, without secrets. Writing
// never holds anybody up and never fails for the caller: what finds no room is dropped, counted and told. One LogFile
// a server; whoever made it closes it.

import type { FileHandle } from "node:fs/promises";
import { systemErrorCode } from "../errors.ts";
import { LogLines, logText, type RawLine } from "./log-file-lines.ts";
import { endsWithin, openLog, removeLog, rotate, sizeOfLog, tailOfLog } from "./log-file-rotation.ts";

export const LOG_LIMITS = {
  /** Of one file; a line is never split between two. */
  maxFileBytes: 10_000_000,
  /** The current one among them. */
  files: 5,
  maxLineBytes: 16 * 1024,
  windowMs: 30_000,
  linesPerWindow: 1_000,
  /** That wait to be written. */
  maxQueuedBytes: 1024 * 1024,
} as const;
type LogLimits = { readonly [key in keyof typeof LOG_LIMITS]: number };

/** After a failure nothing is tried for as long. */
const RETRY_MS = 1_000;

export interface LogFileOptions {
  /** Absolute; its directory is made when the first line comes. */
  readonly path: string;
  /** Takes the secrets out of a line. */
  readonly mask: (line: string) => string;
  /** Told once when writing begins to fail, and again only after it went well in between. A sentence. */
  readonly onTrouble: (sentence: string) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly limits?: Partial<LogLimits>;
}

export class LogFile {
  readonly #options: LogFileOptions;
  readonly #limits: LogLimits;
  readonly #now: () => number;
  readonly #lines: LogLines;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** While lines are on their way to the disk. */
  #writing: Promise<void> | undefined;
  #windowBegan = 0;
  #linesInWindow = 0;
  /** Since it was last told. */
  #dropped = 0;
  #teller: Timer | undefined;
  /** Something was dropped because too much waits, not because it was too much for its window. */
  #hadNoRoom = false;
  /** The last write went wrong, then. */
  #failedAt: number | undefined;
  #isTold = false;
  /** Whether the end of the file has been looked at: it may be half a line of an appliance that was killed. */
  #isKnown = false;
  #isClosed = false;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#limits = { ...LOG_LIMITS, ...options.limits };
    this.#now = options.now ?? Date.now;
    this.#lines = new LogLines(this.#limits.maxLineBytes, (line) => this.#take(line));
  }

  /** Bytes as they come from the server. */
  push(chunk: Uint8Array): void {
    if (!this.#isClosed) this.#lines.push(chunk);
  }

  /** A line of the appliance's own. It is not counted: there are few, and they say why something ended. */
  note(sentence: string): void {
    if (this.#isClosed) return;
    this.#lines.end();
    if (!this.#append(`[toolcrib] ${this.#text({ bytes: Buffer.from(sentence), isCut: false })}`))
      this.#drop();
  }

  /** Half a line stays one: what comes next is of another process. */
  endLine(): void {
    this.#lines.end();
  }

  /** At most `maxBytes` of its end, whole lines, what waits to be written included. */
  async tailOf(maxBytes: number): Promise<string> {
    await this.#flush();
    return tailOfLog(this.#options.path, this.#limits.files, maxBytes);
  }

  /** Resolves when all that can be written is. What comes after is not kept. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#lines.end();
    this.#isClosed = true;
    // First what waits: there may be no room for more words before.
    await this.#flush();
    this.#tellDropped();
    await this.#flush();
  }

  /** Closes it and takes its files away: for a server that is removed. */
  async remove(): Promise<void> {
    await this.close();
    await removeLog(this.#options.path, this.#limits.files);
  }

  #take(line: RawLine): void {
    const now = this.#now();
    // NB: a clock that was set back begins a window too, or it would be an endless one.
    if (now - this.#windowBegan >= this.#limits.windowMs || now < this.#windowBegan) {
      this.#tellDropped();
      this.#windowBegan = now;
      this.#linesInWindow = 0;
    }
    this.#linesInWindow++;
    // Before it costs anything: a flood is only counted.
    if (this.#linesInWindow > this.#limits.linesPerWindow) return this.#drop();
    if (!this.#append(this.#text(line))) this.#drop();
  }

  #text(line: RawLine): string {
    return logText(line, this.#options.mask, this.#limits.maxLineBytes);
  }

  #drop(): void {
    this.#dropped++;
    if (this.#isClosed) return;
    const { windowMs } = this.#limits;
    const left = Math.min(windowMs, Math.max(1, this.#windowBegan + windowMs - this.#now()));
    this.#teller ??= setTimeout(() => this.#tellDropped(), left).unref();
  }

  #tellDropped(): void {
    clearTimeout(this.#teller);
    this.#teller = undefined;
    if (this.#dropped === 0) return;
    const lines = this.#dropped === 1 ? "line" : "lines";
    if (!this.#append(`[toolcrib] dropped ${this.#dropped} ${lines}`)) return;
    this.#dropped = 0;
    this.#hadNoRoom = false;
  }

  /** False where there is no room. */
  #append(text: string): boolean {
    const line = Buffer.from(`${new Date(this.#now()).toISOString()} ${text}\n`);
    const fits = this.#queuedBytes + line.length <= this.#limits.maxQueuedBytes;
    this.#hadNoRoom ||= !fits;
    if (fits) {
      this.#queue.push(line);
      this.#queuedBytes += line.length;
    }
    const rests = this.#failedAt !== undefined && Math.abs(this.#now() - this.#failedAt) < RETRY_MS;
    if (!rests) this.#write();
    return fits;
  }

  /** All that waits, whether the last attempt failed or not. */
  async #flush(): Promise<void> {
    await this.#writing;
    this.#write();
    await this.#writing;
  }

  #write(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const batch = Buffer.concat(this.#queue);
        this.#queue = [];
        await this.#writeBatch(batch);
        // Now that there is room for the words.
        if (this.#hadNoRoom) this.#tellDropped();
      }
      this.#failedAt = undefined;
      this.#isTold = false;
    } catch (error) {
      this.#failedAt = this.#now();
      if (this.#isTold) return;
      this.#isTold = true;
      this.#options.onTrouble(
        `${this.#options.path} cannot be written (${systemErrorCode(error) ?? String(error)}): lines of this server ` +
          "are kept in memory as far as there is room, and written when it can be again.",
      );
    }
  }

  /** What was not written goes back to the front. */
  async #writeBatch(batch: Buffer): Promise<void> {
    let written = 0;
    try {
      await using file = await this.#fileFor(batch.length);
      while (written < batch.length) {
        written += (await file.write(batch, written, batch.length - written)).bytesWritten;
      }
    } finally {
      this.#queuedBytes -= written;
      if (written < batch.length) this.#queue.unshift(batch.subarray(written));
    }
  }

  /** Opened for each batch: no descriptor is held, and what somebody else moved away is made again. */
  async #fileFor(bytes: number): Promise<FileHandle> {
    const { path } = this.#options;
    const size = await sizeOfLog(path);
    if (size > 0 && size + bytes > this.#limits.maxFileBytes) await rotate(path, this.#limits.files);
    const file = await openLog(path);
    if (this.#isKnown) return file;
    this.#isKnown = true;
    if (await endsWithin(file)) await file.write("\n");
    return file;
  }
}

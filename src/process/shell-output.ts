// What the program of a shell has printed and its reader has not taken yet. shell-session.ts owns one: the program's
// streams push, one reader takes. When much of it waits, the program is held back.

import type { ShellOutput } from "../model/shell.ts";

/** From here on the program is held back, and down to here until it goes on. */
const HOLD_BYTES = 256 * 1024;
const RELEASE_BYTES = 64 * 1024;
/**
 * What comes all the same is left out from here on. On a busy host a terminal takes its time to hold (0.3 MB come
 * mostly, 47 MB were the worst of 80 floods), and a program can resist.
 */
const MAX_BYTES = 16 * 1024 * 1024;
/** What a waiting chunk takes beside its bytes: they may be short. */
const CHUNK_COST_BYTES = 256;

export interface Brake {
  /** May be called again while it holds: a program that was interrupted goes on. */
  hold(): void;
  release(): void;
}

export class OutputQueue {
  readonly #waiting: ShellOutput[] = [];
  #brake: Brake | undefined;
  #waitingBytes = 0;
  #leftOutBytes = 0;
  #isHeld = false;
  #isEnded = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void)[] = [];

  /** For a program that does not wait for `room`. */
  brakeWith(brake: Brake): void {
    this.#brake = brake;
  }

  push(stream: ShellOutput["stream"], bytes: Uint8Array): void {
    if (this.#isEnded) return;
    if (this.#waitingBytes >= MAX_BYTES) this.#leftOutBytes += bytes.length;
    else this.#add({ stream, bytes });
    if (this.#waitingBytes < HOLD_BYTES) return;
    this.#isHeld = true;
    this.#brake?.hold();
  }

  /** Resolves when the program may go on. */
  room(): Promise<void> {
    if (!this.#isHeld) return Promise.resolve();
    return new Promise((resolve) => this.#wakeWriters.push(resolve));
  }

  /** Nothing more is taken; what waits can still be read. */
  end(): void {
    this.#isEnded = true;
    this.#wakeReader?.();
    this.#release();
  }

  /** For one reader, until the end. */
  async *read(): AsyncGenerator<ShellOutput> {
    for (;;) {
      const next = this.#take() ?? this.#notice();
      if (next !== undefined) yield next;
      else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => (this.#wakeReader = resolve));
    }
  }

  #add(output: ShellOutput): void {
    this.#waiting.push(output);
    this.#waitingBytes += output.bytes.length + CHUNK_COST_BYTES;
    this.#wakeReader?.();
  }

  #take(): ShellOutput | undefined {
    const next = this.#waiting.shift();
    if (next === undefined) return undefined;
    this.#waitingBytes -= next.bytes.length + CHUNK_COST_BYTES;
    if (this.#waitingBytes <= RELEASE_BYTES) this.#release();
    return next;
  }

  /** In the place of what is missing. */
  #notice(): ShellOutput | undefined {
    if (this.#leftOutBytes === 0) return undefined;
    const text = `\r\n[${this.#leftOutBytes} bytes were left out: they came faster than they were read]\r\n`;
    this.#leftOutBytes = 0;
    return { stream: "err", bytes: new TextEncoder().encode(text) };
  }

  #release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#brake?.release();
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}

// One side of a brokered connection: reads of it what is asked for, writes with backpressure, and ends. Made over a TLS
// socket by broker-connection.ts, which owns it. No deadlines of its own: its owner destroys it.

import type { Socket } from "node:net";
import { headLength, MAX_HEAD_BYTES } from "./broker-head.ts";
import { BrokerRefusal } from "./broker-refusal.ts";

/** What waits to be read; with as much, the peer has to wait. */
const MAX_WAITING_BYTES = 64 * 1024;
/** After its end was sent, a peer may go on for so long: closed at once, it could lose what was said last. */
const LINGER_MS = 2000;

/** Told of bytes to the peer and from it. */
export interface ByteMeter {
  readonly up: (bytes: number) => void;
  readonly down: (bytes: number) => void;
}

export class ByteSocket {
  /** Resolves when nothing of it is left. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #meter: ByteMeter | undefined;
  readonly #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #ended = false;
  #isLeaving = false;
  /** Why it was destroyed, for whoever reads or is about to. */
  #reason: Error | undefined;
  #stirred: PromiseWithResolvers<void> | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  /** From now on, what comes is for `read`. */
  constructor(socket: Socket, meter?: ByteMeter) {
    this.#socket = socket;
    this.#meter = meter;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("end", () => this.#finish());
    socket.on("close", () => this.#finish());
    socket.on("error", (error: Error) => {
      this.#reason ??= error;
      this.#finish();
    });
    socket.on("drain", () => this.#wakeWriter());
  }

  /** Nothing came that was not read, and the peer has not ended. */
  get isQuiet(): boolean {
    return this.#chunks.length === 0 && !this.#ended;
  }

  /** Once something can be read, or the end has come. */
  async stirred(): Promise<void> {
    if (!this.isQuiet) return;
    this.#stirred ??= Promise.withResolvers();
    await this.#stirred.promise;
  }

  /** What came, as it came; undefined at the end. @throws the reason where there is one for a broken connection */
  async read(): Promise<Uint8Array | undefined> {
    await this.stirred();
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      if (this.#reason !== undefined) throw this.#reason;
      return undefined;
    }
    this.#waitingBytes -= chunk.length;
    if (this.#isPaused && this.#waitingBytes < MAX_WAITING_BYTES) this.#pause(false);
    return chunk;
  }

  /** Gives back what was read too much. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.unshift(bytes);
    this.#waitingBytes += bytes.length;
  }

  /** The head of a message with its empty line; undefined when the end comes first. @throws BrokerRefusal, see `read` */
  async readHead(): Promise<Uint8Array | undefined> {
    return this.#readUntil(headLength, MAX_HEAD_BYTES, 431);
  }

  /** A line with its CR and LF; undefined when the end comes first. @throws BrokerRefusal, see `read` */
  async readLine(maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#readUntil(lineLength, maxBytes, 400);
  }

  /** Resolves when there is room for more: to false when nobody is there any more. */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isGone) return false;
    this.#meter?.up(bytes.length);
    if (bytes.length === 0 || this.#socket.write(bytes)) return true;
    this.#drained ??= Promise.withResolvers();
    await this.#drained.promise;
    return !this.#isGone;
  }

  /** Sends what is left and the end, and waits a little for that of the peer. What still comes is dropped. */
  end(): void {
    if (this.#isLeaving || this.#socket.destroyed) return;
    this.#isLeaving = true;
    this.#drop();
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once("close", () => clearTimeout(timer));
    this.#socket.end();
    this.#socket.resume();
  }

  /** At once. Whoever reads gets the reason, or the end where there is none. */
  destroy(reason?: Error): void {
    this.#reason ??= reason;
    this.#drop();
    this.#socket.destroy();
    this.#finish();
  }

  get #isGone(): boolean {
    return this.#socket.destroyed || this.#isLeaving;
  }

  #take(chunk: Uint8Array): void {
    if (this.#isLeaving || chunk.length === 0) return;
    this.#meter?.down(chunk.length);
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    if (!this.#isPaused && this.#waitingBytes >= MAX_WAITING_BYTES) this.#pause(true);
    this.#wakeReader();
  }

  #pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  #finish(): void {
    this.#ended = true;
    this.#wakeReader();
    if (this.#socket.destroyed) this.#wakeWriter();
  }

  #drop(): void {
    this.#chunks.length = 0;
    this.#waitingBytes = 0;
  }

  #wakeReader(): void {
    this.#stirred?.resolve();
    this.#stirred = undefined;
  }

  #wakeWriter(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  /** `length` looks for the end of the thing: each byte once, however small the pieces are that it comes in. */
  async #readUntil(
    length: (bytes: Uint8Array, from: number) => number | undefined,
    maxBytes: number,
    status: number,
  ): Promise<Uint8Array | undefined> {
    let gathered = new Uint8Array(1024);
    let size = 0;
    for (;;) {
      const chunk = await this.read();
      if (chunk === undefined) return undefined;
      // Of a larger chunk, what matters is within the bound, or it is too long.
      const taken = chunk.subarray(0, maxBytes + 1 - size);
      gathered = withRoom(gathered, size, taken.length);
      gathered.set(taken, size);
      const end = length(gathered.subarray(0, size + taken.length), size);
      if (end !== undefined && end <= maxBytes) {
        this.unread(chunk.subarray(end - size));
        return gathered.subarray(0, end);
      }
      size += taken.length;
      if (size > maxBytes)
        throw new BrokerRefusal(status, `More than ${maxBytes} bytes of head or framing came.`);
    }
  }
}

/** The same, or twice as large with the first `size` bytes in it. */
function withRoom(buffer: Uint8Array<ArrayBuffer>, size: number, more: number): Uint8Array<ArrayBuffer> {
  if (size + more <= buffer.length) return buffer;
  const larger = new Uint8Array(Math.max(buffer.length * 2, size + more));
  larger.set(buffer.subarray(0, size));
  return larger;
}

function lineLength(bytes: Uint8Array, from: number): number | undefined {
  const at = bytes.indexOf(0x0a, from);
  if (at < 0) return undefined;
  if (bytes[at - 1] !== 0x0d)
    throw new BrokerRefusal(400, "A line of the framing does not end with CR and LF.");
  return at + 1;
}

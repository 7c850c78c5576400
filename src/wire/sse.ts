// Event streams (WHATWG HTML, section 9.2, Server-sent events): the parser for what servers send and the encoder for
// our own streams. Data stays bytes from end to end: it is cut out, not decoded.

import { ByteBuilder } from "./byte-builder.ts";
import { compose, encodeText, onOneLine } from "./compose.ts";
import { textOf } from "./json-scan.ts";

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;
const LINE_FEED = Uint8Array.of(LF);
/** What is known of the next line break in a chunk, beside its index. */
const NOT_SEARCHED = -2;
const NONE_LEFT = -1;
/** No field that means something has a longer name. */
const MAX_NAME_BYTES = 16;
/** Longer ids and event names are not kept: they count as not sent. */
const MAX_LABEL_BYTES = 1024;
/** The wait that a server may ask for has this many digits at most. */
const MAX_RETRY_DIGITS = 9;

export interface SseEvent {
  /** `message` where the stream names none. */
  readonly event: string;
  /** The data lines, joined with line feeds. Not written to again. */
  readonly data: Uint8Array;
}

export class SseParser {
  /** The id of the last event: where a broken stream goes on. Empty while there is none, or when the server took it back. */
  lastEventId: string;
  /** How long the server asks to wait before a reconnect, in milliseconds. */
  retryMs: number | undefined;
  readonly #onEvent: (event: SseEvent) => void;
  /** The line that has not ended yet. */
  readonly #line: ByteBuilder;
  readonly #data: ByteBuilder;
  #dataLines = 0;
  #event = "";
  #id: string;
  /** Bytes of the byte order mark that were seen; 3 also when it is known not to come. */
  #markBytes = 0;
  /** The chunk before ended with CR: an LF that follows belongs to it. */
  #afterCarriageReturn = false;

  /**
   * `maxEventBytes` bounds the data of an event, and each line. `onEvent` gets every event with a data line. The id of
   * the last event outlives a stream: where this one continues another, `lastEventId` is the id so far.
   */
  constructor(maxEventBytes: number, onEvent: (event: SseEvent) => void, lastEventId = "") {
    this.lastEventId = lastEventId;
    this.#id = lastEventId;
    this.#onEvent = onEvent;
    // The name of the field stands before the data.
    this.#line = new ByteBuilder(maxEventBytes + MAX_NAME_BYTES);
    this.#data = new ByteBuilder(maxEventBytes);
  }

  /** Takes the next chunk. False when a line or an event is over the bound: the stream is of no more use. */
  push(chunk: Uint8Array): boolean {
    let start = this.#markBytes < BYTE_ORDER_MARK.length ? this.#skipMark(chunk) : 0;
    let feed = NOT_SEARCHED;
    let carriageReturn = NOT_SEARCHED;
    while (start < chunk.length) {
      if (this.#afterCarriageReturn) {
        this.#afterCarriageReturn = false;
        if (chunk[start] === LF) start++;
        continue;
      }
      feed = nextOf(LF, chunk, start, feed);
      carriageReturn = nextOf(CR, chunk, start, carriageReturn);
      const end = carriageReturn >= 0 && (feed < 0 || carriageReturn < feed) ? carriageReturn : feed;
      if (end < 0) return this.#line.append(chunk.subarray(start));
      if (!this.#endLine(chunk.subarray(start, end))) return false;
      this.#afterCarriageReturn = end === carriageReturn;
      start = end + 1;
    }
    return true;
  }

  /** Index of the first byte after the mark that may stand once, at the very start; it may come in pieces. */
  #skipMark(chunk: Uint8Array): number {
    let start = 0;
    while (start < chunk.length && this.#markBytes < BYTE_ORDER_MARK.length) {
      if (chunk[start] !== BYTE_ORDER_MARK[this.#markBytes]) {
        // What looked like its begin was text after all.
        this.#line.append(Uint8Array.from(BYTE_ORDER_MARK.slice(0, this.#markBytes)));
        this.#markBytes = BYTE_ORDER_MARK.length;
        return start;
      }
      start++;
      this.#markBytes++;
    }
    return start;
  }

  #endLine(tail: Uint8Array): boolean {
    if (this.#line.length === 0) return this.#field(tail);
    if (!this.#line.append(tail)) return false;
    return this.#field(this.#line.take());
  }

  #field(line: Uint8Array): boolean {
    if (line.length === 0) return this.#dispatch();
    const colon = line.indexOf(COLON);
    if (colon === 0) return true;
    const nameEnd = colon < 0 ? line.length : colon;
    const value = line.subarray(nameEnd + (line[nameEnd + 1] === SPACE ? 2 : 1));
    const name = nameEnd > MAX_NAME_BYTES ? "" : textOf(line, 0, nameEnd);
    if (name === "data") return this.#addData(value);
    if (value.length > MAX_LABEL_BYTES) return true;
    if (name === "event") this.#event = textOf(value, 0, value.length);
    if (name === "id" && !value.includes(0)) this.#id = textOf(value, 0, value.length);
    if (name === "retry") this.#setRetry(textOf(value, 0, value.length));
    return true;
  }

  #addData(value: Uint8Array): boolean {
    if (this.#dataLines > 0 && !this.#data.append(LINE_FEED)) return false;
    this.#dataLines++;
    return this.#data.append(value);
  }

  #setRetry(text: string): void {
    if (/^\d+$/.test(text) && text.length <= MAX_RETRY_DIGITS) this.retryMs = Number(text);
  }

  #dispatch(): true {
    this.lastEventId = this.#id;
    const event = this.#event === "" ? "message" : this.#event;
    const data = this.#data.take();
    const hasData = this.#dataLines > 0;
    this.#event = "";
    this.#dataLines = 0;
    if (hasData) this.#onEvent({ event, data });
    return true;
  }
}

/**
 * Where `byte` stands next in `chunk`, from `start` on. NB: `known`, the answer of the last time, holds until it is
 * passed. Searching anew for each line would make a chunk without that byte cost its length squared.
 */
function nextOf(byte: number, chunk: Uint8Array, start: number, known: number): number {
  return known === NONE_LEFT || known >= start ? known : chunk.indexOf(byte, start);
}

export interface SseFields {
  /** Without a line break. */
  readonly id?: string;
  /** `message` when left out. */
  readonly event?: string;
}

/** One event of a stream of ours. `data` is JSON: a line break in it can only be space and becomes one. */
export function sseEvent(data: Uint8Array, { id, event = "message" }: SseFields = {}): Buffer {
  const head = id === undefined ? `event: ${event}\ndata: ` : `event: ${event}\nid: ${id}\ndata: `;
  return compose(encodeText(head), onOneLine(data), "\n\n");
}

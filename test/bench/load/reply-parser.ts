// HTTP/1.1 responses out of the bytes of one keep-alive connection: content-length and chunked bodies, nothing
// else. Owned by a Connection; written for a load generator, so it copies each byte once and builds no objects.

export interface Reply {
  readonly status: number;
  /** Status line and header fields, as sent. */
  readonly head: string;
  /** Valid until the next reply begins. */
  readonly body: Buffer;
}

type State = "head" | "length" | "chunk-size" | "chunk-data" | "chunk-end" | "trailer";

const MAX_LINE_BYTES = 64 * 1024;
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

export class ReplyParser {
  #state: State = "head";
  #status = 0;
  #head = "";
  /** What came of a head or a chunk's size line that is not complete yet. */
  #held: Buffer = EMPTY;
  #body = Buffer.allocUnsafe(16 * 1024);
  #bodyLength = 0;
  /** Bytes of the body, or of the chunk, that are still to come. */
  #missing = 0;

  /** Takes what arrived; the reply, once it is whole. At most one, as a client that does not pipeline gets it. */
  take(arrived: Buffer): Reply | undefined {
    let rest = this.#held.length === 0 ? arrived : Buffer.concat([this.#held, arrived]);
    this.#held = EMPTY;
    for (;;) {
      if (this.#state === "length" || this.#state === "chunk-data") {
        rest = this.#takeBody(rest);
        if (this.#missing > 0) return undefined;
        if (this.#state === "length") return this.#finish(rest);
        this.#state = "chunk-end";
      }
      const ending = this.#state === "head" ? "\r\n\r\n" : "\r\n";
      const end = rest.indexOf(ending);
      if (end < 0) {
        if (rest.length > MAX_LINE_BYTES) throw new Error("a header that does not end");
        this.#held = Buffer.from(rest);
        return undefined;
      }
      const line = rest.toString("latin1", 0, end);
      rest = rest.subarray(end + ending.length);
      if (this.#takeLine(line)) return this.#finish(rest);
    }
  }

  /** True when the reply ends with this line. */
  #takeLine(line: string): boolean {
    if (this.#state === "head") return this.#takeHead(line);
    if (this.#state === "trailer") return line === "";
    if (this.#state === "chunk-end") {
      this.#state = "chunk-size";
      return false;
    }
    this.#missing = Number.parseInt(line, 16);
    if (!(this.#missing >= 0)) throw new Error(`not the size of a chunk: ${line.slice(0, 40)}`);
    this.#state = this.#missing === 0 ? "trailer" : "chunk-data";
    return false;
  }

  #takeHead(head: string): boolean {
    this.#head = head;
    this.#status = Number(head.slice(9, 12));
    this.#bodyLength = 0;
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      this.#state = "chunk-size";
      return false;
    }
    this.#missing = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    this.#state = "length";
    return false;
  }

  #takeBody(bytes: Buffer): Buffer {
    const count = Math.min(this.#missing, bytes.length);
    this.#reserve(this.#bodyLength + this.#missing);
    bytes.copy(this.#body, this.#bodyLength, 0, count);
    this.#bodyLength += count;
    this.#missing -= count;
    return bytes.subarray(count);
  }

  #reserve(length: number): void {
    if (length <= this.#body.length) return;
    if (length > MAX_BODY_BYTES) throw new Error(`a body of more than ${MAX_BODY_BYTES} bytes`);
    const larger = Buffer.allocUnsafe(length * 2);
    this.#body.copy(larger, 0, 0, this.#bodyLength);
    this.#body = larger;
  }

  #finish(rest: Buffer): Reply {
    if (rest.length > 0) throw new Error(`${rest.length} bytes after the end of a reply`);
    this.#state = "head";
    return { status: this.#status, head: this.#head, body: this.#body.subarray(0, this.#bodyLength) };
  }
}

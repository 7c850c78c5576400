// Cuts what a server writes to stderr into the lines of its log file: whole lines, so that a secret is found however
// its bytes came, and of bounded length. Used by log-file.ts.

const NEWLINE = 0x0a;
/** More pieces of one line than this are joined: a server may write byte by byte. */
const MAX_PIECES = 64;
/**
 * Bytes of a line that are kept beyond what is shown: a secret that begins in what is shown ends in here, and is
 * found whole. Values of variables have at most 32,768 characters.
 */
const BEYOND_BYTES = 32 * 1024;
const CUT = " … [cut]";

/** Beside what steers terminals: NUL, and what reverses text or breaks lines. The tab stays. */
const UNFIT = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
/** Colours, which most programs write, say nothing in a file. */
const COLOUR = /\u001b\[[\d;:]*m/g;

export interface RawLine {
  readonly bytes: Uint8Array;
  /** There was more, which nobody keeps. */
  readonly isCut: boolean;
}

/** Holds `maxLineBytes` + 32 KiB at most. */
export class LogLines {
  readonly #maxBytes: number;
  readonly #onLine: (line: RawLine) => void;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** The rest of a line that was too long goes by. */
  #skips = false;

  constructor(maxLineBytes: number, onLine: (line: RawLine) => void) {
    this.#maxBytes = maxLineBytes + BEYOND_BYTES;
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    for (let start = 0; start < chunk.length;) {
      const end = chunk.indexOf(NEWLINE, start);
      this.#take(chunk.subarray(start, end === -1 ? chunk.length : end));
      if (end === -1) return;
      if (!this.#skips) this.#emit(false);
      this.#skips = false;
      start = end + 1;
    }
  }

  /** The line that is under way, if there is one, ends here: its process ended, or the appliance has something to say. */
  end(): void {
    if (this.#bytes > 0) this.#emit(false);
    this.#skips = false;
  }

  #take(piece: Uint8Array): void {
    if (this.#skips) return;
    const room = this.#maxBytes - this.#bytes;
    // A copy: a small piece may be a view of a large read buffer, which it would keep alive.
    this.#pieces.push(piece.slice(0, room));
    this.#bytes += Math.min(piece.length, room);
    if (this.#pieces.length > MAX_PIECES) this.#pieces = [Buffer.concat(this.#pieces)];
    if (piece.length > room) this.#emit(true);
  }

  #emit(isCut: boolean): void {
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    this.#skips = isCut;
    this.#onLine({ bytes, isCut });
  }
}

/**
 * The line as the file has it: UTF-8, without secrets, fit for a terminal (`\x1b` instead of what it stands for), at
 * most `maxBytes` and a mark that says that there was more.
 */
export function logText({ bytes, isCut }: RawLine, mask: (text: string) => string, maxBytes: number): string {
  const text = new TextDecoder().decode(bytes).replace(/\r$/, "");
  const masked = mask(text);
  // NB: at the end of a cut line there may be the begin of a secret.
  const whole = isCut ? masked.slice(0, Math.max(0, masked.length - BEYOND_BYTES)) : masked;
  const clean = whole.replaceAll(COLOUR, "").replaceAll(UNFIT, escaped);
  const shown = Buffer.from(clean);
  if (shown.length <= maxBytes) return isCut ? clean + CUT : clean;
  return shown.subarray(0, characterEnd(shown, maxBytes)).toString() + CUT;
}

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
}

/** The last place before `at` that is not within a character. */
function characterEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return end;
}

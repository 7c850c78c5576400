// Numbers of requests: nine digits each, never the same twice in one run, so that a request and the answer that is
// expected are made by writing nine digits into bytes that stand ready.

const FIRST = 427_100_001;
const DIGITS = 9;
const ZERO = 0x30;

export class Numbers {
  #last = FIRST - 1;

  next(): number {
    this.#last++;
    if (this.#last >= 1_000_000_000)
      throw new Error("the run is too long: no numbers of nine digits are left");
    return this.#last;
  }
}

/** Where the digits of `number` stand in `bytes`. */
export function findDigits(bytes: Buffer, number: number): readonly number[] {
  const digits = String(number);
  const places: number[] = [];
  for (let at = bytes.indexOf(digits); at >= 0; at = bytes.indexOf(digits, at + DIGITS)) places.push(at);
  return places;
}

export function writeDigits(bytes: Buffer, places: readonly number[], number: number): void {
  for (const place of places) {
    let rest = number;
    for (let at = place + DIGITS - 1; at >= place; at--) {
      bytes[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

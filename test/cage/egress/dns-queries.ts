// DNS queries for tests, and a reader of answers that shares nothing with the code under test.

export interface QueryOptions {
  readonly id?: number;
  readonly flags?: number;
  readonly type?: number;
  readonly recordClass?: number;
  readonly questions?: number;
  /** Whole records, after the question. */
  readonly additional?: readonly (readonly number[])[];
}

export const TYPES = {
  a: 1,
  ns: 2,
  ptr: 12,
  mx: 15,
  txt: 16,
  aaaa: 28,
  srv: 33,
  opt: 41,
  svcb: 64,
  https: 65,
  any: 255,
};

export function dnsQuery(name: string, options: QueryOptions = {}): Buffer {
  const {
    id = 0x1234,
    flags = 0x0100,
    type = TYPES.a,
    recordClass = 1,
    questions = 1,
    additional = [],
  } = options;
  const words = [id, flags, questions, 0, 0, additional.length];
  return Buffer.from([
    ...words.flatMap(u16),
    ...nameBytes(name),
    ...u16(type),
    ...u16(recordClass),
    ...additional.flat(),
  ]);
}

/** An OPT record. */
export function edns(version = 0, data: readonly number[] = []): readonly number[] {
  return [0, ...u16(TYPES.opt), ...u16(4096), 0, version, 0x80, 0, ...u16(data.length), ...data];
}

export function nameBytes(name: string): readonly number[] {
  const labels = name === "" ? [] : name.split(".");
  return [...labels.flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]), 0];
}

export interface ReadAnswer {
  readonly id: number;
  readonly isAnswer: boolean;
  readonly rcode: number;
  readonly recursion: boolean;
  readonly question: Buffer;
  readonly addresses: readonly string[];
  readonly ttl: number | undefined;
  readonly edns: { readonly size: number; readonly upperRcode: number } | undefined;
}

/** Throws for whatever is not exactly as it should be. */
export function readAnswer(bytes: Uint8Array): ReadAnswer {
  const message = Buffer.from(bytes);
  let at = 12;
  const counts = [4, 6, 8, 10].map((offset) => message.readUInt16BE(offset));
  const [questions = 0, answers = 0, authorities = 0, additional = 0] = counts;
  if (questions > 1 || authorities > 0) throw new Error(`unexpected counts ${counts.join()}`);
  const questionStart = at;
  if (questions === 1) {
    while (message.readUInt8(at) > 0) at += 1 + message.readUInt8(at);
    at += 5;
  }
  const question = message.subarray(questionStart, at);
  const addresses: string[] = [];
  let ttl: number | undefined;
  for (let index = 0; index < answers; index++) {
    if (message.readUInt16BE(at) !== 0xc00c) throw new Error("does not point at the question");
    if (message.readUInt32BE(at + 2) !== 0x0001_0001) throw new Error("is no internet address");
    ttl = message.readUInt32BE(at + 6);
    if (message.readUInt16BE(at + 10) !== 4) throw new Error("has not four bytes");
    addresses.push([...message.subarray(at + 12, at + 16)].join("."));
    at += 16;
  }
  let found: ReadAnswer["edns"];
  if (additional === 1) {
    if (message.readUInt8(at) !== 0 || message.readUInt16BE(at + 1) !== TYPES.opt)
      throw new Error("is no OPT");
    found = { size: message.readUInt16BE(at + 3), upperRcode: message.readUInt8(at + 5) };
    if (message.readUInt16BE(at + 9) !== 0) throw new Error("OPT has data");
    at += 11;
  }
  if (additional > 1 || at !== message.length) throw new Error("something is left over");
  const flags = message.readUInt16BE(2);
  return {
    id: message.readUInt16BE(0),
    isAnswer: (flags & 0x8000) !== 0,
    rcode: flags & 0xf,
    recursion: (flags & 0x0180) === 0x0180,
    question,
    addresses,
    ttl,
    edns: found,
  };
}

function u16(value: number): readonly [number, number] {
  return [(value >> 8) & 0xff, value & 0xff];
}

// DNS messages (RFC 1035, EDNS of RFC 6891) as far as a stub needs them: one question in, one answer out. Pure, and
// fed by whoever is in the cage.
//
// NB: nothing of a query is copied into an answer but its identifier, one bit and the bytes of its one question, which
// were checked to be a plain name: no compression to follow, nothing to amplify.

import { hostName } from "../../model/host-rule.ts";
import { ByteCursor } from "./byte-cursor.ts";

/** RFC 1035, 6891. `badVersion` needs the upper bits that EDNS has. */
export const RCODE = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

export interface DnsQuery {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** The bytes of its question; empty when there is none to repeat. */
  readonly question: Uint8Array;
  /** As `hostName` gives it; undefined for what is no host name. */
  readonly name: string | undefined;
  readonly wantsAddress: boolean;
  readonly edns: boolean;
  /** What is wrong with it, to be answered as it is. */
  readonly fault: Rcode | undefined;
}

export type DnsAnswer = { readonly address: string } | { readonly rcode: Rcode };

/** The longest query that is read: one question and options fit many times. */
export const MAX_QUERY_BYTES = 4096;
const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
const MAX_ADDITIONAL = 4;
/** Short: an address is given to another name one day. */
const TTL_SECONDS = 60;
/** What we would take by UDP (RFC 9715). */
const UDP_BYTES = 1232;

const TYPE = { a: 1, opt: 41, any: 255 } as const;
const CLASS = { internet: 1, any: 255 } as const;

/** Undefined for what gets no answer at all: too short to have an identifier, too long, or an answer itself. */
export function parseQuery(message: Uint8Array): DnsQuery | undefined {
  if (message.length < HEADER_BYTES || message.length > MAX_QUERY_BYTES) return undefined;
  const cursor = new ByteCursor(message);
  const id = cursor.u16();
  const flags = cursor.u16();
  if ((flags & 0x8000) !== 0) return undefined;
  const recursionDesired = (flags & 0x0100) !== 0;
  const empty = {
    id,
    recursionDesired,
    question: message.subarray(0, 0),
    name: undefined,
    wantsAddress: false,
  };
  if ((flags & 0x7800) !== 0) return { ...empty, edns: false, fault: RCODE.notImplemented };

  const [questions, answers, authorities, additional] = [
    cursor.u16(),
    cursor.u16(),
    cursor.u16(),
    cursor.u16(),
  ];
  const wrong = questions !== 1 || answers > 0 || authorities > 0 || additional > MAX_ADDITIONAL;
  if (wrong) return { ...empty, edns: false, fault: RCODE.formatError };
  const labels = readName(cursor);
  const [type, recordClass] = [cursor.u16(), cursor.u16()];
  const end = cursor.position;
  const options = readOptions(cursor, additional);
  if (labels === undefined || options === undefined || !cursor.ok || cursor.remaining > 0) {
    return { ...empty, edns: false, fault: RCODE.formatError };
  }
  return {
    id,
    recursionDesired,
    question: message.subarray(HEADER_BYTES, end),
    name: nameOf(labels),
    wantsAddress: type === TYPE.a || type === TYPE.any,
    edns: options.present,
    fault: faultOf(recordClass, options.version),
  };
}

export function encodeAnswer(query: DnsQuery, answer: DnsAnswer): Uint8Array {
  const address = "address" in answer ? answer.address.split(".").map(Number) : undefined;
  const rcode = "rcode" in answer ? answer.rcode : RCODE.ok;
  const header = [
    ...u16(query.id),
    // An answer, with recursion where it was wanted, which there always is.
    0x80 | (query.recursionDesired ? 1 : 0),
    0x80 | (rcode & 0xf),
    ...u16(query.question.length === 0 ? 0 : 1),
    ...u16(address === undefined ? 0 : 1),
    ...u16(0),
    ...u16(query.edns ? 1 : 0),
  ];
  const record =
    address === undefined
      ? []
      : // The name is where the question has it.
        [
          0xc0,
          HEADER_BYTES,
          ...u16(TYPE.a),
          ...u16(CLASS.internet),
          0,
          0,
          ...u16(TTL_SECONDS),
          ...u16(4),
          ...address,
        ];
  const options = query.edns ? [0, ...u16(TYPE.opt), ...u16(UDP_BYTES), rcode >> 4, 0, 0, 0, 0, 0] : [];
  return Uint8Array.from([...header, ...query.question, ...record, ...options]);
}

/** Undefined where it is none, or is compressed: the first name of a message has nothing to point at. */
function readName(cursor: ByteCursor): readonly Uint8Array[] | undefined {
  const labels: Uint8Array[] = [];
  const start = cursor.position;
  for (;;) {
    const length = cursor.u8();
    if (length === 0) return labels;
    if (length > 63) return undefined;
    labels.push(cursor.take(length));
    if (!cursor.ok || cursor.position - start >= MAX_NAME_BYTES) return undefined;
  }
}

/** Reads over what follows the question, of which only EDNS means anything. */
function readOptions(cursor: ByteCursor, count: number): { present: boolean; version: number } | undefined {
  let present = false;
  let version = 0;
  for (let index = 0; index < count; index++) {
    const labels = readName(cursor);
    const type = cursor.u16();
    cursor.u16();
    const [, ednsVersion = 0] = cursor.take(4);
    cursor.take(cursor.u16());
    if (labels === undefined || !cursor.ok) return undefined;
    if (type !== TYPE.opt) continue;
    if (present || labels.length > 0) return undefined;
    present = true;
    version = ednsVersion;
  }
  return { present, version };
}

function faultOf(recordClass: number, ednsVersion: number): Rcode | undefined {
  if (ednsVersion > 0) return RCODE.badVersion;
  return recordClass === CLASS.internet || recordClass === CLASS.any ? undefined : RCODE.refused;
}

function nameOf(labels: readonly Uint8Array[]): string | undefined {
  // NB: a dot inside of a label would make two of it.
  if (labels.some((label) => label.includes(0x2e))) return undefined;
  return hostName(labels.map((label) => Buffer.from(label).toString("latin1")).join("."));
}

function u16(value: number): readonly [number, number] {
  return [value >> 8, value & 0xff];
}

// Puts filter programs together for the kernel's packet filter machine, as seccomp(2) runs it. Called by seccomp.ts
// alone. A program is made of pieces, each of which ends in an answer whichever way it takes, so no piece can run into
// the next one and there are no labels.

interface Instruction {
  readonly operation: number;
  /** Instructions to leave out where a comparison holds, and where it does not. */
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly operand: number;
}

/** Not empty; every way through it ends in an answer. */
export type Code = readonly Instruction[];

/** 32 bits of what the filter is shown (struct seccomp_data). */
export interface Field {
  readonly offset: number;
  /** The bits that count. */
  readonly mask?: number;
}

export const CALL_NUMBER: Field = { offset: 0 };
export const ARCHITECTURE: Field = { offset: 4 };

/**
 * The low half of an argument of a call, counted from 0. NB: all that seccomp.ts looks at is an `int`, a `umode_t` or
 * flags of which the kernel drops the high half, so that half must not count here either: a filter that compares all
 * 64 bits is passed by with one bit set up there (as TIOCSTI was in CVE-2019-7303).
 */
export function argument(index: 0 | 1 | 2 | 3, mask?: number): Field {
  const offset = 16 + 8 * index;
  return mask === undefined ? { offset } : { offset, mask };
}

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const RETURN = 0x06;
const COMPARISONS = { equal: 0x15, atLeast: 0x35, anyBitOf: 0x45 } as const;
export type Comparison = keyof typeof COMPARISONS;

/** What a conditional jump can leave out; more takes a jump of its own. */
const SHORT = 255;

export const ALLOW: Code = [plain(RETURN, 0x7fff_0000)];
export const KILL: Code = [plain(RETURN, 0x8000_0000)];

export function refuse(errno: number): Code {
  return [plain(RETURN, 0x0005_0000 | errno)];
}

export function when(
  field: Field,
  comparison: Comparison,
  operand: number,
  then: Code,
  otherwise: Code,
): Code {
  return [...load(field), ...branch(comparison, operand, then, otherwise)];
}

/** `then` where the field is one of `operands`. */
export function whenOneOf(field: Field, operands: readonly number[], then: Code, otherwise: Code): Code {
  const tests = operands.reduceRight((rest, operand) => branch("equal", operand, then, rest), otherwise);
  return [...load(field), ...tests];
}

/** The code that goes with the number of the call, found by halving. */
export function byCallNumber(codes: ReadonlyMap<number, Code>, otherwise: Code): Code {
  const sorted = [...codes].toSorted(([a], [b]) => a - b);
  return [...load(CALL_NUMBER), ...halved(sorted, otherwise)];
}

/** As the kernel takes it: an array of struct sock_filter, little endian. */
export function assembled(code: Code): Uint8Array {
  const bytes = new Uint8Array(code.length * 8);
  const view = new DataView(bytes.buffer);
  code.forEach(({ operation, ifTrue, ifFalse, operand }, index) => {
    view.setUint16(index * 8, operation, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, operand, true);
  });
  return bytes;
}

function halved(codes: readonly (readonly [number, Code])[], otherwise: Code): Code {
  const middle = codes.length >> 1;
  const [pivot, code] = codes[middle] ?? [];
  if (pivot === undefined || code === undefined) return otherwise;
  if (codes.length === 1) return branch("equal", pivot, code, otherwise);
  const [low, high] = [codes.slice(0, middle), codes.slice(middle)];
  return branch("atLeast", pivot, halved(high, otherwise), halved(low, otherwise));
}

function load({ offset, mask }: Field): readonly Instruction[] {
  return mask === undefined ? [plain(LOAD, offset)] : [plain(LOAD, offset), plain(AND, mask)];
}

/** Of what was loaded last. */
function branch(comparison: Comparison, operand: number, then: Code, otherwise: Code): Code {
  if (then.length <= SHORT) return [compare(comparison, operand, 0, then.length), ...then, ...otherwise];
  return [compare(comparison, operand, 1, 0), plain(JUMP, then.length), ...then, ...otherwise];
}

function compare(comparison: Comparison, operand: number, ifTrue: number, ifFalse: number): Instruction {
  return { operation: COMPARISONS[comparison], ifTrue, ifFalse, operand };
}

function plain(operation: number, operand: number): Instruction {
  return { operation, ifTrue: 0, ifFalse: 0, operand };
}

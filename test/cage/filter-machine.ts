// The packet filter machine of the kernel, as far as seccomp uses it (seccomp(2), net/core/filter.c): runs a filter
// over a system call. Used by the filter's tests.

export interface Call {
  readonly number: number;
  /** As the kernel names architectures (AUDIT_ARCH_…). */
  readonly architecture: number;
  /** 64 bits each; those left out are 0. */
  readonly args: readonly bigint[];
}

const MAX_INSTRUCTIONS = 4096;
const ANSWERS: Readonly<Record<number, string>> = { 0x7fff0000: "allow", 0x80000000: "kill" };

/** `allow`, `kill`, or the number of an errno. @throws Error for a program that the kernel would not take */
export function answerOf(program: Uint8Array, call: Call): string {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const count = program.length / 8;
  if (!Number.isInteger(count) || count > MAX_INSTRUCTIONS)
    throw new Error(`not a program: ${program.length} bytes`);
  const data = seccompData(call);
  let accumulator = 0;
  // It only ever jumps ahead.
  for (let at = 0; at < count; at++) {
    const operation = view.getUint16(at * 8, true);
    const operand = view.getUint32(at * 8 + 4, true);
    const jump = (holds: boolean): number => view.getUint8(at * 8 + (holds ? 2 : 3));
    if (operation === 0x20) accumulator = load(data, operand);
    else if (operation === 0x54) accumulator = (accumulator & operand) >>> 0;
    else if (operation === 0x05) at += operand;
    else if (operation === 0x15) at += jump(accumulator === operand);
    else if (operation === 0x35) at += jump(accumulator >= operand);
    else if (operation === 0x45) at += jump((accumulator & operand) !== 0);
    else if (operation === 0x06) return answer(operand);
    else throw new Error(`instruction ${at} is unknown: ${operation}`);
  }
  throw new Error("the program ends without an answer");
}

/** struct seccomp_data: the number, the architecture, the instruction pointer, six arguments. */
function seccompData({ number, architecture, args }: Call): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setInt32(0, number, true);
  data.setUint32(4, architecture, true);
  args.forEach((value, index) => data.setBigUint64(16 + 8 * index, value, true));
  return data;
}

function load(data: DataView, offset: number): number {
  if (offset % 4 !== 0 || offset > 60) throw new Error(`a load outside of the call: ${offset}`);
  return data.getUint32(offset, true);
}

function answer(value: number): string {
  const whole = ANSWERS[value];
  if (whole !== undefined) return whole;
  if (value >>> 16 === 5) return String(value & 0xffff);
  throw new Error(`an unknown answer: ${value.toString(16)}`);
}

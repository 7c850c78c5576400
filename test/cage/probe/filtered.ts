// Installs a filter of system calls on itself and becomes another program: filtered.ts FILTER PROGRAM ARGUMENT…
// What the launcher does for a server, without the rest of a cage. Run by the filter's test.

import { dlopen, FFIType, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";

const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;

const { symbols } = dlopen("libc.so.6", {
  prctl: { args: [FFIType.i32, FFIType.u64, FFIType.u64, FFIType.u64, FFIType.u64], returns: FFIType.i32 },
  execv: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
});

const [, , filterFile = "", ...argv] = process.argv;
const filter = readFileSync(filterFile);

/** struct sock_fprog: the count, then the address, of instructions of 8 bytes. */
const program = new DataView(new ArrayBuffer(16));
program.setUint16(0, filter.length / 8, true);
program.setBigUint64(8, BigInt(ptr(filter)), true);

const words = argv.map((word) => Buffer.from(`${word}\0`));
const vector = new BigUint64Array([...words.map((word) => BigInt(ptr(word))), 0n]);
const [file] = words;

symbols.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
const refused = symbols.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ptr(program), 0, 0);
if (refused !== 0 || file === undefined) process.exit(125);
symbols.execv(ptr(file), ptr(vector));
process.exit(126);

// Descriptors of other processes that came over a Unix socket (SCM_RIGHTS), which Bun has no call for. Called by
// launch.ts for the listeners inside a cage.

import { dlopen, ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import { AppError } from "../errors.ts";

/** What Linux puts into one message. */
export const MOST_DESCRIPTORS = 253;

// Of 64-bit Linux, x64 and arm64 alike.
const MSGHDR_BYTES = 56;
const CMSGHDR_BYTES = 16;
const DESCRIPTOR_BYTES = 4;
const MSG_DONTWAIT = 0x40;
const MSG_CTRUNC = 0x8;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/**
 * Takes one message with one byte and `count` descriptors, which has to be there already. They are closed on exec, and
 * the caller's from then on.
 * @throws AppError `start-failed` when there is no such message; what came then is closed
 */
export function receiveDescriptors(socket: number, count: number): readonly number[] {
  const byte = new Uint8Array(1);
  const control = new DataView(new ArrayBuffer(CMSGHDR_BYTES + MOST_DESCRIPTORS * DESCRIPTOR_BYTES + 4));
  const parts = new BigUint64Array([BigInt(ptr(byte)), 1n]);
  const header = new DataView(new ArrayBuffer(MSGHDR_BYTES));
  header.setBigUint64(16, BigInt(ptr(parts)), true);
  header.setBigUint64(24, 1n, true);
  header.setBigUint64(32, BigInt(ptr(control)), true);
  header.setBigUint64(40, BigInt(control.byteLength), true);

  const libc = dlopen("libc.so.6", { recvmsg: { args: ["i32", "ptr", "i32"], returns: "i64" } });
  const received = Number(libc.symbols.recvmsg(socket, ptr(header), MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  libc.close();

  const descriptors = received < 0 ? [] : descriptorsIn(control);
  const whole = received === 1 && (header.getInt32(48, true) & MSG_CTRUNC) === 0;
  if (whole && descriptors.length === count) return descriptors;
  closeAll(descriptors);
  throw new AppError(
    "start-failed",
    `The launcher handed out ${descriptors.length} of ${count} listeners: try again, and look at the limit of open files.`,
  );
}

function descriptorsIn(control: DataView): readonly number[] {
  // NB: the kernel wrote this one; where nothing came, it is all zero.
  const size = Number(control.getBigUint64(0, true));
  const isRights = control.getInt32(8, true) === SOL_SOCKET && control.getInt32(12, true) === SCM_RIGHTS;
  const count = isRights ? Math.floor((size - CMSGHDR_BYTES) / DESCRIPTOR_BYTES) : 0;
  return Array.from({ length: count }, (_, index) =>
    control.getInt32(CMSGHDR_BYTES + index * DESCRIPTOR_BYTES, true),
  );
}

export function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor);
}

// The C library, for what the runtime would do in another way, or not at all. Every call gives what the kernel answered.

import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { getSystemErrorName } from "node:util";
import { refusal } from "./attacker-attempt.ts";

const { i32, i64, ptr: pointer } = FFIType;
const {
  symbols: { __errno_location: errnoLocation, ...libc },
} = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: pointer },
  getpriority: { args: [i32, i32], returns: i32 },
  inotify_add_watch: { args: [i32, pointer, i32], returns: i32 },
  inotify_init: { args: [], returns: i32 },
  kill: { args: [i32, i32], returns: i32 },
  prlimit: { args: [i32, i32, pointer, pointer], returns: i32 },
  setpriority: { args: [i32, i32, i32], returns: i32 },
  setuid: { args: [i32], returns: i32 },
  shmat: { args: [i32, pointer, i32], returns: i64 },
  syscall: { args: [i64, i64, i64, i64, i64], returns: i64 },
  truncate: { args: [pointer, i64], returns: i32 },
});

/** Numbers of system calls; the same on all machines, but for those of priorities. */
const PIDFD_SEND_SIGNAL = 424;
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;
const [IOPRIO_SET, IOPRIO_GET] = process.arch === "x64" ? [251, 252] : [30, 31];
const IOPRIO_WHO_PROCESS = 1;
const RLIMIT_NOFILE = 7;
const IN_CREATE = 0x100;

export function signal(pid: number): string {
  checked(libc.kill(pid, 0));
  return "";
}

export function signalByDescriptor(pid: number): string {
  checked(libc.syscall(PIDFD_SEND_SIGNAL, pidDescriptor(pid), 0, 0, 0));
  return "";
}

export function stealDescriptor(pid: number): string {
  checked(libc.syscall(PIDFD_GETFD, pidDescriptor(pid), 0, 0, 0));
  return "";
}

/** To the priority that it has already: of the processor, or of disks where that is refused. */
export function slow(pid: number): string {
  if (libc.setpriority(0, pid, libc.getpriority(0, pid)) === 0) return "";
  const priority = checked(libc.syscall(IOPRIO_GET, IOPRIO_WHO_PROCESS, pid, 0, 0));
  checked(libc.syscall(IOPRIO_SET, IOPRIO_WHO_PROCESS, pid, priority, 0));
  return "";
}

/** To the limit that it has already. */
export function limit(pid: number): string {
  const old = new BigUint64Array(2);
  checked(libc.prlimit(pid, RLIMIT_NOFILE, null, ptr(old)));
  checked(libc.prlimit(pid, RLIMIT_NOFILE, ptr(old), null));
  return "";
}

export function attachSharedMemory(id: number): string {
  checked(libc.shmat(id, null, 0));
  return "";
}

export function becomeRoot(): string {
  checked(libc.setuid(0));
  return "";
}

/** NB: the runtime would open the file for that. */
export function truncate(path: string, size: number): string {
  checked(libc.truncate(ptr(Buffer.from(`${path}\0`)), size));
  return "";
}

/** For the names of what is made in a directory. */
export function watch(path: string): string {
  const watcher = checked(libc.inotify_init());
  checked(libc.inotify_add_watch(watcher, ptr(Buffer.from(`${path}\0`)), IN_CREATE));
  return "";
}

function pidDescriptor(pid: number): number {
  return checked(libc.syscall(PIDFD_OPEN, pid, 0, 0, 0));
}

/** NB: to be asked at once, while nothing else has called the C library. */
function checked(result: number | bigint): number {
  if (result >= 0) return Number(result);
  const location = errnoLocation();
  const number = location === null ? 0 : read.i32(location);
  throw refusal(getSystemErrorName(-number));
}

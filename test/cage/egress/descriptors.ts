// Listening sockets as bare descriptors, the way the launcher hands them out of a cage.

import { dlopen, ptr } from "bun:ffi";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

export interface Descriptor {
  readonly fd: number;
  readonly port: number;
}

/** On a port that the kernel chooses. */
export function openListener(protocol: "tcp" | "udp", address: string): Descriptor {
  const { symbols, close } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  });
  try {
    const type = (protocol === "tcp" ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const fd = symbols.socket(AF_INET, type, 0);
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.set(address.split(".").map(Number), 4);
    const failed =
      fd < 0 ||
      symbols.bind(fd, ptr(name), name.length) !== 0 ||
      (protocol === "tcp" && symbols.listen(fd, 128) !== 0) ||
      symbols.getsockname(fd, ptr(name), ptr(Uint32Array.of(name.length))) !== 0;
    if (failed) throw new Error(`could not listen on ${address}`);
    return { fd, port: name.readUInt16BE(2) };
  } finally {
    close();
  }
}

// Asks the kernel which version of Landlock it has. There is no file that tells: it takes the system call itself.
// doctor.ts is the only caller.

import { dlopen, FFIType } from "bun:ffi";

/** landlock_create_ruleset(2): the same number on x86-64 and arm64. */
const CREATE_RULESET = 444;
const VERSION_FLAG = 1;
/** The C libraries of the two kinds of Linux that Toolcrib is built for. */
const C_LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`];

/** 0 where the kernel has none or it is switched off; undefined where it cannot be asked. Makes nothing. */
export function landlockAbi(): number | undefined {
  if (process.platform !== "linux") return undefined;
  for (const name of C_LIBRARIES) {
    try {
      const library = dlopen(name, {
        syscall: { args: [FFIType.i64, FFIType.ptr, FFIType.u64, FFIType.u32], returns: FFIType.i64 },
      });
      const abi = Number(library.symbols.syscall(CREATE_RULESET, null, 0, VERSION_FLAG));
      library.close();
      return Math.max(0, abi);
    } catch {
      // The other library, then.
    }
  }
  return undefined;
}

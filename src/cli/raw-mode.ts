// The terminal of whoever runs the command line, handed over whole: every key as it is typed, every byte as it is
// printed. Called by shell.ts.
//
// NB: `process.stdin.setRawMode` goes half of the way (Bun 1.4.5, as Node): line ends on the screen are still made
// longer, and an editor in the cage draws stairs.

import { dlopen, ptr } from "bun:ffi";
import { AppError } from "../errors.ts";

const STDIN = 0;
/** More than a struct termios takes; what is in it is the C library's business. */
const TERMIOS_BYTES = 256;
// Of Linux.
const TCSANOW = 0;
const TCIFLUSH = 0;

/**
 * Returns what gives the terminal back as it was; calling that again does nothing. What was typed and not read by
 * then is thrown away: it was not meant for the shell that waits behind.
 * @throws AppError `internal` where stdin is no terminal
 */
export function rawMode(): () => void {
  const { symbols, close } = dlopen("libc.so.6", {
    tcgetattr: { args: ["i32", "ptr"], returns: "i32" },
    tcsetattr: { args: ["i32", "i32", "ptr"], returns: "i32" },
    tcflush: { args: ["i32", "i32"], returns: "i32" },
    cfmakeraw: { args: ["ptr"], returns: "void" },
  });
  const before = new Uint8Array(TERMIOS_BYTES);
  if (symbols.tcgetattr(STDIN, ptr(before)) !== 0) {
    close();
    throw new AppError("internal", "The terminal cannot be asked for its settings.");
  }
  const raw = before.slice();
  symbols.cfmakeraw(ptr(raw));
  symbols.tcsetattr(STDIN, TCSANOW, ptr(raw));
  let isRaw = true;
  return () => {
    if (!isRaw) return;
    isRaw = false;
    symbols.tcflush(STDIN, TCIFLUSH);
    symbols.tcsetattr(STDIN, TCSANOW, ptr(before));
    close();
  };
}

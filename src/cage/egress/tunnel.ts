// Moves bytes between two sockets: as fast as the slower one takes them, each direction ended by itself, never cut for
// being idle.

import type { Socket } from "node:net";

/**
 * Everything that `from` reads goes to `to`; its end ends `to`. Holds no more than what one read gave (512 KiB at
 * most) and what `to` could not take at once of it.
 */
export function pump(from: Socket, to: Socket, count: (bytes: number) => void): void {
  from.on("data", (chunk: Buffer) => {
    count(chunk.length);
    if (!to.write(chunk)) from.pause();
  });
  to.on("drain", () => from.resume());
  // NB: Bun 1.4.5 says `end` also of a socket that was destroyed here.
  from.once("end", () => {
    if (!from.destroyed) to.end();
  });
  from.resume();
}

/** When one is gone, so is the other: reset where it was, which a program tells from an end. */
export function tie(one: Socket, other: Socket): void {
  const follow = (to: Socket) => (hadError: boolean) => {
    if (hadError || !to.writableEnded) to.resetAndDestroy();
  };
  one.once("close", follow(other));
  other.once("close", follow(one));
}

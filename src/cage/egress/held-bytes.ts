// Holds the first bytes of a connection back until it is known what they ask for. Used by passage.ts.

import type { Socket } from "node:net";

export type Held<Judged> =
  /** The socket is paused; `bytes` came out of it. */
  | { readonly state: "judged"; readonly judged: Judged; readonly bytes: Buffer }
  /** It ended before its bytes said anything. */
  | { readonly state: "ended"; readonly bytes: Buffer }
  | { readonly state: "closed" }
  | { readonly state: "timeout"; readonly bytes: Buffer };

/**
 * Reads until `judge` has an answer to all bytes that came so far; it must have one before they are too many.
 * `early`: what was read before. Without `timeoutMs` it waits for as long as the socket lives.
 */
export function holdBytes<Judged>(
  socket: Socket,
  early: Buffer,
  judge: (bytes: Buffer) => Judged | undefined,
  timeoutMs?: number,
): Promise<Held<Judged>> {
  if (socket.destroyed) return Promise.resolve({ state: "closed" });
  const { promise, resolve } = Promise.withResolvers<Held<Judged>>();
  let bytes = early;
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => finish({ state: "timeout", bytes }), timeoutMs);
  function finish(held: Held<Judged>): void {
    clearTimeout(timer);
    // NB: before the listener goes: what comes without one would be lost.
    socket.pause();
    socket.off("data", onData).off("end", onEnd).off("close", onClose);
    resolve(held);
  }
  function look(): void {
    const judged = judge(bytes);
    if (judged !== undefined) finish({ state: "judged", judged, bytes });
  }
  function onData(chunk: Buffer): void {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    look();
  }
  function onEnd(): void {
    // NB: Bun 1.4.5 says `end` also of a socket that was destroyed here.
    finish(socket.destroyed ? { state: "closed" } : { state: "ended", bytes });
  }
  function onClose(): void {
    finish({ state: "closed" });
  }
  // What came before may be enough, and pauses it again.
  socket.on("data", onData).once("end", onEnd).once("close", onClose).resume();
  look();
  return promise;
}

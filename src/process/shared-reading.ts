// Reads a stream of a server without keeping the event loop from everybody else. Used for the pipes of a child and
// for the event streams of remote servers.

/** After so much work on what came, and after so many chunks, the others have their turn. */
const TURN_MS = 5;
const TURN_CHUNKS = 32;

/**
 * Hands each chunk to `take`, until the stream ends or `take` answers false. Rejects when the stream breaks.
 *
 * NB: a read that finds data resolves without a turn of the event loop (Bun 1.4.5). A server that writes faster than
 * it is read would have the loop to itself: no timer, no request and no other server for as long as it goes on.
 */
export async function readShared(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  take: (chunk: Uint8Array) => boolean,
): Promise<void> {
  let busyMs = 0;
  let chunks = 0;
  for await (const chunk of stream) {
    const begun = performance.now();
    if (!take(chunk)) return;
    busyMs += performance.now() - begun;
    chunks++;
    if (busyMs < TURN_MS && chunks < TURN_CHUNKS) continue;
    busyMs = 0;
    chunks = 0;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

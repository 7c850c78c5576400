// Connects to the first of some checked addresses that answers. Used for every connection that leaves a cage.

import { connect, type Socket } from "node:net";
import { systemErrorCode } from "../../errors.ts";

/** Begins to connect to an address, never to a name. Half-open connections have to be allowed. */
export type Dial = (address: string, port: number) => Socket;

/** Of an address that is not the last: one that answers nothing must not take all the time there is. */
const ATTEMPT_MS = 3000;
const MAX_ATTEMPTS = 4;
/** Finds hosts that are gone: an idle connection is never cut for being idle. */
export const KEEP_ALIVE_MS = 60_000;

export const dialAddress: Dial = (address, port) =>
  connect({
    host: address,
    port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });

/** A connected socket that reads nothing yet, or why there is none (such as `ECONNREFUSED`). Gives up with the signal. */
export async function dialFirst(
  addresses: readonly string[],
  port: number,
  dial: Dial,
  signal: AbortSignal,
): Promise<Socket | string> {
  let failure = "no address";
  for (const [index, address] of addresses.slice(0, MAX_ATTEMPTS).entries()) {
    if (signal.aborted) return abortReason(signal);
    const isLast = index === Math.min(addresses.length, MAX_ATTEMPTS) - 1;
    const result = await connected(dial(address, port), isLast ? undefined : ATTEMPT_MS, signal);
    if (typeof result !== "string") return result;
    failure = result;
  }
  return failure;
}

function connected(
  socket: Socket,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<Socket | string> {
  const { promise, resolve } = Promise.withResolvers<Socket | string>();
  const fail = (why: string): void => {
    resolve(why);
    socket.destroy();
  };
  const abort = (): void => fail(abortReason(signal));
  const timer = timeoutMs === undefined ? undefined : setTimeout(fail, timeoutMs, "ETIMEDOUT");
  signal.addEventListener("abort", abort, { once: true });
  socket.once("connect", () => resolve(socket));
  // Stays: whatever happens to it later is told by `close`.
  socket.on("error", (error) => fail(systemErrorCode(error) ?? error.message));
  socket.once("close", () => fail("ECONNRESET"));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  });
}

/** Why a signal says that it is over: words of ours. */
export function abortReason(signal: AbortSignal): string {
  return signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
}

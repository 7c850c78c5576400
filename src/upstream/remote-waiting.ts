// Time limits around what a remote server does. Each timer here belongs to the one call that waits on it.

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = (): void => resolve();
  signal.addEventListener("abort", wake, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
  });
}

/** Runs `work` with a signal that aborts after `ms`, or with `outer`. */
export async function withDeadline<T>(
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const inner = new AbortController();
  const giveUp = (): void => inner.abort();
  const timer = setTimeout(giveUp, ms);
  outer.addEventListener("abort", giveUp, { once: true });
  if (outer.aborted) giveUp();
  try {
    return await work(inner.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", giveUp);
  }
}

const RECONNECT = { leastMs: 100, usualMs: 1_000, mostMs: 60_000 } as const;

/**
 * How long to wait before a stream is opened again: what the server asked for, within bounds; twice as long with each
 * attempt that brought nothing. One that broke off without a wish is tried at once: is the server still there?
 */
export function reconnectDelayMs(askedMs: number | undefined, wasBroken: boolean, failures: number): number {
  const base = askedMs ?? (wasBroken ? RECONNECT.leastMs : RECONNECT.usualMs);
  return Math.min(RECONNECT.mostMs, Math.max(RECONNECT.leastMs, base) * 2 ** Math.min(failures, 16));
}

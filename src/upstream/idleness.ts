// Which processes may be ended because nobody uses them. The idle stop, the bounds of the pools and the host's budget
// ask the same question here.

import type { Instance } from "./instance.ts";

/** Open streams on which somebody listens: what speaks there is in use, also while it says nothing. */
export interface Leases {
  /** Servers whose own endpoint has a listener. */
  readonly servers: ReadonlySet<string>;
  /** Sessions that listen. */
  readonly sessions: ReadonlySet<string>;
}

export const NO_LEASES: Leases = { servers: new Set(), sessions: new Set() };

export function isHeld({ server, asker }: Instance, leases: Leases): boolean {
  if (asker === undefined) return leases.servers.has(server);
  return asker.sessionId !== undefined && leases.sessions.has(asker.sessionId);
}

/** Those that nobody uses at this moment, the least recently used first. */
export function spareOnes(instances: Iterable<Instance>, leases: Leases, now: number): readonly Instance[] {
  const spare: { instance: Instance; since: number }[] = [];
  for (const instance of instances) {
    if (!instance.isSpare(now) || isHeld(instance, leases)) continue;
    spare.push({ instance, since: instance.idleSince(now) });
  }
  return spare.toSorted((a, b) => a.since - b.since).map(({ instance }) => instance);
}

/** Such as `15 min`, `90 s`. */
export function durationText(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1000} s`;
}

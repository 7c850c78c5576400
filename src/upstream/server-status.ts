// The state of a server that may have several processes, as one: their sum, and the worst that one of them is in.

import type { ServerState, ServerStatus, Usage } from "../model/server-state.ts";
import type { Instance } from "./instance.ts";
import type { KeeperStatus } from "./keeper.ts";

/** The worst first; `ready` before those that come or go beside it, because it serves. */
const GRAVITY: readonly ServerState[] = [
  "blocked",
  "crash-loop",
  "needs-sign-in",
  "backing-off",
  "ready",
  "starting",
  "stopped",
];

/** What is known of a server apart from the processes that it has now. */
export interface ServerFacts {
  /** When the last of its processes was let go of, or it was configured. */
  readonly since: number;
  readonly exits: number;
  readonly asksMemoryBytes: number;
}

export function serverStatus(instances: Iterable<Instance>, facts: ServerFacts): ServerStatus {
  const all = [...instances];
  const worst = GRAVITY.flatMap((state) => all.find(({ keeper }) => keeper.phase === state) ?? [])[0];
  const running = all.filter(({ keeper }) => keeper.ready !== undefined);
  const { state, since, reason, nextStartAt } = worst?.keeper.status() ?? stoppedSince(facts.since);
  return {
    state,
    since,
    reason,
    nextStartAt,
    pid: all.find(({ pid }) => pid !== undefined)?.pid,
    exits: facts.exits,
    inFlight: all.reduce((sum, { inFlight }) => sum + inFlight, 0),
    instances: running.length,
    usage: sumOf(running.flatMap(({ usage }) => usage ?? [])),
    asksMemoryBytes: facts.asksMemoryBytes,
  };
}

function stoppedSince(since: number): KeeperStatus {
  return { state: "stopped", since, reason: undefined, nextStartAt: undefined };
}

function sumOf(usages: readonly Usage[]): Usage | undefined {
  if (usages.length === 0) return undefined;
  return usages.reduce((sum, usage) => ({
    memoryBytes: sum.memoryBytes + usage.memoryBytes,
    processes: sum.processes + usage.processes,
    cpuSeconds: sum.cpuSeconds + usage.cpuSeconds,
  }));
}

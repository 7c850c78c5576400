// What is remembered of each server's cages beyond the life of a process: what was refused, learned and reached, and
// the last report. Bounded by server; in memory only. Owned by cages.ts.

import type { CageReport, RefusedAttempt } from "../model/cage-report.ts";
import type { TrafficView } from "../model/cage-view.ts";
import type { RuleTraffic } from "./egress/decisions.ts";

const MAX_REFUSED = 100;
const MAX_LEARNED = 256;
const MAX_TRAFFIC = 512;

interface Remembered {
  report: CageReport | undefined;
  /** By what; newest last. */
  readonly refused: Map<string, RefusedAttempt>;
  readonly learned: Set<string>;
  readonly traffic: Map<string, TrafficView>;
}

export class CageHistory {
  readonly #servers = new Map<string, Remembered>();

  /** NB: an attempt comes again with the count of its own process. */
  refused(server: string, attempt: RefusedAttempt): void {
    const { refused } = this.#of(server);
    refused.delete(attempt.what);
    refused.set(attempt.what, attempt);
    const [oldest] = refused.keys();
    if (refused.size > MAX_REFUSED && oldest !== undefined) refused.delete(oldest);
  }

  ended(
    server: string,
    last: {
      readonly report: CageReport;
      readonly learned: readonly string[];
      readonly traffic: readonly RuleTraffic[];
    },
  ): void {
    const known = this.#of(server);
    known.report = last.report;
    for (const grant of last.learned) if (known.learned.size < MAX_LEARNED) known.learned.add(grant);
    for (const entry of this.trafficWith(server, [last.traffic])) {
      if (known.traffic.size < MAX_TRAFFIC || known.traffic.has(entry.grant))
        known.traffic.set(entry.grant, entry);
    }
  }

  report(server: string): CageReport | undefined {
    return this.#servers.get(server)?.report;
  }

  refusedBy(server: string): readonly RefusedAttempt[] {
    return [...(this.#servers.get(server)?.refused.values() ?? [])];
  }

  learned(server: string): readonly string[] {
    return [...(this.#servers.get(server)?.learned ?? [])];
  }

  /** What is remembered and what runs, together; rules that nothing went through are left out. */
  trafficWith(server: string, running: readonly (readonly RuleTraffic[])[]): readonly TrafficView[] {
    const total = new Map(this.#servers.get(server)?.traffic);
    for (const { rule, connections, bytesUp, bytesDown } of running.flat()) {
      if (connections === 0) continue;
      const before = total.get(rule);
      total.set(rule, {
        grant: rule,
        connections: (before?.connections ?? 0) + connections,
        bytesUp: (before?.bytesUp ?? 0) + bytesUp,
        bytesDown: (before?.bytesDown ?? 0) + bytesDown,
      });
    }
    return [...total.values()];
  }

  forget(server: string): void {
    this.#servers.delete(server);
  }

  #of(server: string): Remembered {
    const known = this.#servers.get(server);
    if (known !== undefined) return known;
    const fresh: Remembered = {
      report: undefined,
      refused: new Map(),
      learned: new Set(),
      traffic: new Map(),
    };
    this.#servers.set(server, fresh);
    return fresh;
  }
}

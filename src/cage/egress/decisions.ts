// What the egress of one cage decided: what was refused, what went through by which rule, what learning saw. Egress
// writes it; `show`, the error of a tool, `/metrics` and the diff that learning offers are read from it.
//
// The server decides how much it asks for. So everything here is bounded, and what is told to others (the log, the
// bus) is told at a bounded rate.

import type { RefusedAttempt } from "../../model/cage-report.ts";

export interface RuleTraffic {
  /** As text: `*.example.com:443`. */
  readonly rule: string;
  /** Connections, now and ever. */
  readonly open: number;
  readonly connections: number;
  /** From the server to the host, and back. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** Counts one connection. `close` may be called again. */
export interface Meter {
  up(bytes: number): void;
  down(bytes: number): void;
  close(): void;
}

export interface DecisionsOptions {
  /** As text. Each is listed from the start. */
  readonly rules: readonly string[];
  /** Gets an attempt again after 10 seconds at the earliest, and at most 32 in 10 seconds. */
  readonly announce: (attempt: RefusedAttempt) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const MAX_REFUSED = 100;
const MAX_LEARNED = 256;
const QUIET_MS = 10_000;
const MAX_ANNOUNCED = 32;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Decisions {
  readonly #announce: (attempt: RefusedAttempt) => void;
  readonly #now: () => number;
  /** By `what`; the newest is the last. */
  readonly #refused = new Map<string, { readonly attempt: RefusedAttempt; readonly announcedAt: number }>();
  readonly #traffic: Map<string, Mutable<RuleTraffic>>;
  readonly #learned = new Set<string>();
  #windowStart = 0;
  #announced = 0;

  constructor({ rules, announce, now }: DecisionsOptions) {
    this.#announce = announce;
    this.#now = now;
    this.#traffic = new Map(rules.map((rule) => [rule, unused(rule)]));
  }

  refuse({ what, reason, grant }: Pick<RefusedAttempt, "what" | "reason" | "grant">): void {
    const known = this.#refused.get(what);
    const at = this.#now();
    const attempt = { at, what, reason, count: (known?.attempt.count ?? 0) + 1, grant };
    const tell = this.#mayAnnounce(at, known?.announcedAt);
    this.#refused.delete(what);
    this.#refused.set(what, {
      attempt,
      announcedAt: tell ? at : (known?.announcedAt ?? Number.NEGATIVE_INFINITY),
    });
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > MAX_REFUSED && oldest !== undefined) this.#refused.delete(oldest);
    if (tell) this.#announce(attempt);
  }

  /** Newest last. */
  refused(): readonly RefusedAttempt[] {
    return [...this.#refused.values()].map(({ attempt }) => attempt);
  }

  /** A connection goes through by this rule. */
  open(rule: string): Meter {
    const traffic = this.#traffic.get(rule) ?? unused(rule);
    this.#traffic.set(rule, traffic);
    traffic.open++;
    traffic.connections++;
    let counted = true;
    return {
      up: (bytes) => void (traffic.bytesUp += bytes),
      down: (bytes) => void (traffic.bytesDown += bytes),
      close: () => {
        if (counted) traffic.open--;
        counted = false;
      },
    };
  }

  /** False when there is no room to write it down: then it must not go through. */
  learn(grant: string): boolean {
    if (this.#learned.size >= MAX_LEARNED && !this.#learned.has(grant)) return false;
    this.#learned.add(grant);
    return true;
  }

  /** Grants as text, in the order in which they were wanted first. */
  learned(): readonly string[] {
    return [...this.#learned];
  }

  /** In the order of the rules, then what was learned. */
  traffic(): readonly RuleTraffic[] {
    return [...this.#traffic.values()].map((traffic) => ({ ...traffic }));
  }

  #mayAnnounce(at: number, lastAt = Number.NEGATIVE_INFINITY): boolean {
    // NB: the clock may be set back.
    if (at - this.#windowStart >= QUIET_MS || at < this.#windowStart) {
      this.#windowStart = at;
      this.#announced = 0;
    }
    if ((at - lastAt < QUIET_MS && at >= lastAt) || this.#announced >= MAX_ANNOUNCED) return false;
    this.#announced++;
    return true;
  }
}

function unused(rule: string): Mutable<RuleTraffic> {
  return { rule, open: 0, connections: 0, bytesUp: 0, bytesDown: 0 };
}

// The agent tokens in memory: who presents one, and when each was last used. The store has the same by hash; no
// request waits for it.

import type { TokenRecord } from "../model/token.ts";
import type { Caller } from "./caller.ts";

/** `tc_` and 256 random bits in base64url. */
const TOKEN = /^tc_[A-Za-z0-9_-]{43}$/;

interface Entry {
  readonly caller: Caller;
  readonly expiresAt: number;
}

export class TokenBook {
  readonly #now: () => number;
  #entries = new Map<string, Entry>();
  #used = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes the place of all that was known. Constant work for a request, whatever the number of tokens. */
  replace(records: readonly TokenRecord[]): void {
    this.#entries = new Map(
      records.map((record) => [
        record.hash,
        {
          caller: { id: record.id, name: record.name, servers: record.servers?.toSorted() },
          expiresAt: record.expiresAt ?? Number.POSITIVE_INFINITY,
        },
      ]),
    );
  }

  /**
   * Whose token it is; undefined when it is unknown, revoked or expired.
   * The look-up goes by the token's SHA-256, so its time says nothing about how much of a guess was right.
   */
  caller(token: string): Caller | undefined {
    if (!TOKEN.test(token)) return undefined;
    const entry = this.#entries.get(hashToken(token));
    if (entry === undefined) return undefined;
    const now = this.#now();
    if (now >= entry.expiresAt) return undefined;
    this.#used.set(entry.caller.id, now);
    return entry.caller;
  }

  /** By name: what `--as` asks for. */
  callerNamed(name: string): Caller | undefined {
    for (const { caller } of this.#entries.values()) {
      if (caller.name === name) return caller;
    }
    return undefined;
  }

  /** Ids of the tokens whose time is over: what they opened has to end. */
  expired(): readonly string[] {
    const now = this.#now();
    return [...this.#entries.values()]
      .filter(({ expiresAt }) => now >= expiresAt)
      .map(({ caller }) => caller.id);
  }

  /** When each was last used since the last call of this, in milliseconds since the epoch. */
  takeUsed(): ReadonlyMap<string, number> {
    const used = this.#used;
    if (used.size > 0) this.#used = new Map();
    return used;
  }

  /** What was taken and could not be saved: it is taken once more. */
  putBack(used: ReadonlyMap<string, number>): void {
    this.#used = new Map([...used, ...this.#used]);
  }
}

/** SHA-256, base64url: a token has full entropy, so a fast hash keeps it as safe as a slow one. */
export function hashToken(token: string): string {
  return Bun.SHA256.hash(token, "base64url");
}

export function newToken(): string {
  return `tc_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url")}`;
}

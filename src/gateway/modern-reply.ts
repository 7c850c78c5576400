// Puts on a result what revision 2026-07-28 demands of it and a legacy server does not send: resultType, the cache
// hints, and who answered. Errors of the server get the status and the code of that revision.

import { OPEN_BRACE, CLOSE_BRACE } from "../wire/json-bytes.ts";
import { META, RPC } from "../model/protocol.ts";
import { encodeText, splice, type Piece } from "../wire/compose.ts";
import { findMember, skipSpace, textOf } from "../wire/json-scan.ts";
import type { Refusal, Reply } from "./reply.ts";

export class ModernReply implements Reply {
  readonly #outer: Reply;
  readonly #serverInfo: string;
  /** Undefined for results that must not be kept. */
  readonly #ttlMs: number | undefined;
  /** The answer is that of resources/read. */
  readonly #isRead: boolean;

  constructor(outer: Reply, serverInfo: string, ttlMs: number | undefined, isRead = false) {
    this.#outer = outer;
    this.#serverInfo = serverInfo;
    this.#ttlMs = ttlMs;
    this.#isRead = isRead;
  }

  result(...pieces: readonly Piece[]): void {
    const [head = "{}", ...rest] = pieces;
    const first = typeof head === "string" ? encodeText(head) : head;
    const at = skipSpace(first, 0);
    if (first[at] !== OPEN_BRACE) return this.#outer.result(...pieces);
    const has = (name: string): boolean => mentions(first, name) && findMember(first, at, name) !== undefined;
    const stamps = this.#stamps(has);
    const body = first.subarray(at + 1);
    const isEmpty = body[skipSpace(body, 0)] === CLOSE_BRACE;
    if (stamps.length === 0) return this.#outer.result(first, ...rest);
    this.#outer.result("{", ...stamps, isEmpty ? "" : ",", body, ...rest);
  }

  refuse(refusal: Refusal): void {
    this.#outer.refuse(refusal);
  }

  serverError(value: Uint8Array): void {
    const at = findMember(value, 0, "code");
    const code = at === undefined ? NaN : Number(textOf(value, at.start, at.end));
    // Streamable HTTP, Sending Messages: 404 where the method is not implemented.
    if (code === RPC.methodNotFound) return this.#outer.serverError(value, 404);
    if (at === undefined || !this.#isRead || code !== RPC.resourceNotFound) {
      return this.#outer.serverError(value);
    }
    this.#outer.serverError(splice(value, at, String(RPC.invalidParams)));
  }

  notify(method: string, ...params: readonly Piece[]): void {
    this.#outer.notify(method, ...params);
  }

  drop(): void {
    this.#outer.drop();
  }

  /** The members to add, those left out that the server gave by itself. */
  #stamps(has: (name: string) => boolean): Piece[] {
    const members: Piece[][] = [];
    if (!has("resultType")) members.push(['"resultType":"complete"']);
    if (this.#ttlMs !== undefined) {
      if (!has("ttlMs")) members.push([`"ttlMs":${this.#ttlMs}`]);
      // Lists differ by caller: never `public`.
      if (!has("cacheScope")) members.push(['"cacheScope":"private"']);
    }
    if (!has("_meta")) members.push([`"_meta":{"${META.serverInfo}":`, encodeText(this.#serverInfo), "}"]);
    return members.flatMap((member, index) => (index === 0 ? member : [",", ...member]));
  }
}

/** A native search first: nearly no result has the member, and most are not worth a walk. */
function mentions(bytes: Uint8Array, name: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(`"${name}"`);
}

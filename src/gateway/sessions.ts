// Legacy sessions (MCP 2025-11-25, Transports, Session Management): who opened them, what is in flight in them, and
// the stream on which they hear of changes. In memory only: after a restart clients get 404 and begin again.

import type { Asker } from "../upstream/asker.ts";
import type { PendingCall } from "../upstream/upstream.ts";
import { encodeText } from "../wire/compose.ts";
import type { Scope } from "./catalog.ts";

/** The stream of a GET. `send` may drop a message when the client does not read. */
export interface SessionStream {
  send(message: Uint8Array): void;
  close(): void;
}

export class Session implements Asker {
  readonly id: string;
  readonly callerId: string;
  readonly scope: Scope;
  readonly revision: string;
  stream: SessionStream | undefined;
  lastUsedAt: number;
  /** By the raw JSON of the agent's request id. Made with the first call: most sessions are idle most of the time. */
  #inFlight: Map<string, PendingCall> | undefined;
  /** Methods of notifications that no stream was there for: one each, and there are few. */
  #untold: Set<string> | undefined;

  constructor(id: string, callerId: string, scope: Scope, revision: string, now: number) {
    this.id = id;
    this.callerId = callerId;
    this.scope = scope;
    this.revision = revision;
    this.lastUsedAt = now;
  }

  get sessionId(): string {
    return this.id;
  }

  get busy(): boolean {
    return this.stream !== undefined || (this.#inFlight?.size ?? 0) > 0;
  }

  /** Sends a notification without params. Between two streams of a client it waits for the next one. */
  tell(method: string): void {
    if (this.stream !== undefined)
      return this.stream.send(encodeText(`{"jsonrpc":"2.0","method":"${method}"}`));
    this.#untold ??= new Set();
    this.#untold.add(method);
  }

  /** Takes `stream` in place of the one before, which is closed. */
  listen(stream: SessionStream): void {
    this.stream?.close();
    this.stream = stream;
    const untold = this.#untold ?? [];
    this.#untold = undefined;
    for (const method of untold) this.tell(method);
  }

  track(requestId: string, call: PendingCall): void {
    this.#inFlight ??= new Map();
    this.#inFlight.set(requestId, call);
  }

  settled(requestId: string): void {
    this.#inFlight?.delete(requestId);
  }

  cancel(requestId: string, reason: string): void {
    this.#inFlight?.get(requestId)?.cancel(reason);
  }

  /** Cancels what is in flight and closes the stream. */
  end(): void {
    for (const call of this.#inFlight?.values() ?? []) call.cancel("the session ended");
    this.stream?.close();
    this.stream = undefined;
  }
}

export interface SessionLimits {
  readonly maxSessions: number;
  /** Without a request, a call in flight or a stream, in milliseconds. */
  readonly idleMs: number;
}

export class Sessions {
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #onOver: (id: string) => void;
  readonly #sessions = new Map<string, Session>();

  /** `onOver` is told the id of each session, or caller, for whom nothing has to be kept any longer. */
  constructor(limits: SessionLimits, now: () => number, onOver: (id: string) => void = () => undefined) {
    this.#limits = limits;
    this.#now = now;
    this.#onOver = onOver;
  }

  get size(): number {
    return this.#sessions.size;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** A new session with an id of 122 random bits, in visible ASCII. Where there are too many, the oldest idle one goes. */
  open(callerId: string, scope: Scope, revision: string): Session {
    if (this.#sessions.size >= this.#limits.maxSessions) this.#makeRoom(callerId);
    const session = new Session(crypto.randomUUID(), callerId, scope, revision, this.#now());
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Undefined for an unknown id and for another caller's session alike: neither may learn which. */
  find(id: string, callerId: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined || session.callerId !== callerId) return undefined;
    session.lastUsedAt = this.#now();
    return session;
  }

  end(session: Session): void {
    this.#sessions.delete(session.id);
    session.end();
    this.#onOver(session.id);
  }

  /** The caller may come no more. */
  endAllOf(callerId: string): void {
    for (const session of this.#sessions.values()) {
      if (session.callerId === callerId) this.end(session);
    }
    this.#onOver(callerId);
  }

  endAll(): void {
    for (const session of this.#sessions.values()) this.end(session);
  }

  /** Ends what was idle too long. Called from time to time. */
  expire(): void {
    const before = this.#now() - this.#limits.idleMs;
    for (const session of this.#sessions.values()) {
      if (session.lastUsedAt < before && !session.busy) this.end(session);
    }
  }

  /** The caller's own sessions go first: nobody can push the others out by opening more. */
  #makeRoom(callerId: string): void {
    const all = [...this.#sessions.values()];
    const own = all.filter((session) => session.callerId === callerId);
    let oldest: Session | undefined;
    let idle: Session | undefined;
    for (const session of own.length > 0 ? own : all) {
      if (oldest === undefined || session.lastUsedAt < oldest.lastUsedAt) oldest = session;
      if (session.busy) continue;
      if (idle === undefined || session.lastUsedAt < idle.lastUsedAt) idle = session;
    }
    const victim = idle ?? oldest;
    if (victim !== undefined) this.end(victim);
  }
}

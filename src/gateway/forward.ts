// One request on its way to a server and back: the hot path. No SQL, no disk, no parsing of results; the only await
// is on the server.

import { AppError, asSentence, toAppError } from "../errors.ts";
import type { Bus } from "../events.ts";
import type { RefusedAttempt } from "../model/cage-report.ts";
import type { Asker } from "../upstream/asker.ts";
import type { AnswerSink, PendingCall, Range, Upstream } from "../upstream/upstream.ts";
import { refusalHint, withSentence, withTextBlock } from "./refusal-hint.ts";
import type { Reply } from "./reply.ts";
import { retryAdvice, retryOf } from "./retry.ts";
import { isToolError } from "./tool-error.ts";
import type { View } from "./view.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** The servers as the gateway sees them; the pool implements it. */
export interface Servers {
  /** The connection that serves `asker`, when there is one now. */
  ready(server: string, asker: Asker): Upstream | undefined;
  /** The connection, started if need be. @throws AppError */
  acquire(server: string, asker: Asker): Promise<Upstream>;
  /** What the cage around it has refused since then, in milliseconds since the epoch, newest last. */
  refusals?(server: string, asker: Asker, sinceMs: number): readonly RefusedAttempt[];
  /** The session, or the caller, of this id needs nothing any more. */
  release?(id: string): void;
  /** For a request without an answer or progress, in milliseconds. */
  callTimeoutMs(server: string): number;
}

export interface ForwardOptions {
  readonly server: string;
  readonly asker: Asker;
  readonly method: string;
  readonly params: Uint8Array | undefined;
  readonly progressToken: Range | undefined;
  readonly reply: Reply;
  /** Of tools/call: what knows the tool, and its name there. */
  readonly view?: View | undefined;
  readonly name?: string | undefined;
  /** Called once, when the call is over in whatever way. */
  readonly onSettled?: (() => void) | undefined;
}

/** Calls that one server may have under way; those of clients that went away count until it answers them. */
const MAX_IN_FLIGHT = 10_000;

type Outcome = "ok" | "tool-error" | "error" | "lost" | "cancelled";

export class Forwarder {
  readonly #servers: Servers;
  readonly #bus: Bus;
  readonly #room = new WaitingRoom();

  constructor(servers: Servers, bus: Bus) {
    this.#servers = servers;
    this.#bus = bus;
  }

  /** Never throws: what goes wrong is answered to `reply`. */
  forward(options: ForwardOptions): PendingCall {
    const call = new ForwardedCall(options, this.#servers, this.#bus);
    const upstream = this.#servers.ready(options.server, options.asker);
    const timeoutMs = this.#servers.callTimeoutMs(options.server);
    if (upstream !== undefined) {
      if (upstream.inFlight < MAX_IN_FLIGHT) call.begin(upstream, timeoutMs);
      else call.lost(tooMany("are under way to it"));
      return call;
    }
    const leave = this.#room.enter(options.server, options.params?.length ?? 0);
    if (leave === undefined) {
      call.lost(tooMany("wait for its start"));
      return call;
    }
    call.wait(leave);
    this.#servers.acquire(options.server, options.asker).then(
      (acquired) => call.begin(acquired, timeoutMs),
      (thrown: unknown) => call.lost(toAppError(thrown)),
    );
    return call;
  }
}

function tooMany(where: string): AppError {
  return new AppError("server-busy", `Too many calls ${where} already: try again later.`);
}

class ForwardedCall implements AnswerSink, PendingCall {
  readonly #options: Omit<ForwardOptions, "params">;
  readonly #servers: Servers;
  readonly #bus: Bus;
  readonly #startedAt = performance.now();
  /** The agent's own progress token, put back into each progress notification. */
  readonly #token: Uint8Array | undefined;
  readonly #requestBytes: number;
  /** Let go of once they are sent: a large request does not stay in memory for as long as its answer takes. */
  #params: Uint8Array | undefined;
  #pending: PendingCall | undefined;
  /** The server has it: from here on it may have been carried out, whatever comes. */
  #wasSent = false;
  #settled = false;
  #leave: (() => void) | undefined;

  /** NB: member by member: `{ params, ...options }` cost as much as all the rest of a call's way through here. */
  constructor(given: ForwardOptions, servers: Servers, bus: Bus) {
    const { params, server, asker, method, progressToken, reply, view, name, onSettled } = given;
    this.#options = { server, asker, method, progressToken, reply, view, name, onSettled };
    this.#servers = servers;
    this.#bus = bus;
    this.#params = params;
    this.#requestBytes = params?.length ?? 0;
    this.#token =
      progressToken === undefined ? undefined : params?.slice(progressToken.start, progressToken.end);
  }

  /** `leave` is called when the wait for the server is over, in whatever way. */
  wait(leave: () => void): void {
    this.#leave = leave;
  }

  begin(upstream: Upstream, timeoutMs: number): void {
    if (this.#settled) return;
    this.#endWait();
    const { method, progressToken } = this.#options;
    const params = this.#params;
    this.#params = undefined;
    this.#pending = upstream.begin({ method, params, progressToken, timeoutMs }, this);
    this.#wasSent = true;
  }

  result(value: Uint8Array): void {
    if (this.#settled) return;
    const { method, reply } = this.#options;
    if (method !== "tools/call" || !isToolError(value)) {
      this.#settle("ok", value.length);
      return reply.result(value);
    }
    this.#settle("tool-error", value.length);
    const hint = this.#refusalHint();
    reply.result(hint === undefined ? value : withTextBlock(value, hint));
  }

  error(value: Uint8Array): void {
    if (this.#settled) return;
    this.#settle("error", value.length);
    const hint = this.#refusalHint();
    this.#options.reply.serverError(hint === undefined ? value : withSentence(value, hint));
  }

  progress(params: Uint8Array, token: Range): void {
    if (this.#settled || this.#token === undefined) return;
    const before = params.subarray(0, token.start);
    this.#options.reply.notify("notifications/progress", before, this.#token, params.subarray(token.end));
  }

  lost(error: AppError): void {
    if (this.#settled) return;
    const { server, method, view, name = "", reply } = this.#options;
    const wasSent = this.#wasSent;
    this.#settle("lost", 0);
    const isRepeatable = (): boolean => view?.isRepeatable(name) ?? false;
    const retry = retryOf({ method, code: error.code, wasSent, isRepeatable });
    const more = [retryAdvice(retry, wasSent), this.#refusalHint()].filter((text) => text !== undefined);
    reply.refuse({
      code: error.jsonRpcCode,
      message: `${server}: ${more.length === 0 ? error.message : [asSentence(error.message), ...more].join(" ")}`,
      data: { server, code: error.code, retry, ...error.details },
    });
  }

  /** Of what the cage refused while the call was under way, by whichever call. */
  #refusalHint(): string | undefined {
    const { server, asker, method } = this.#options;
    if (method !== "tools/call" || this.#servers.refusals === undefined) return undefined;
    const sinceMs = Math.floor(Date.now() - (performance.now() - this.#startedAt));
    return refusalHint(server, this.#servers.refusals(server, asker, sinceMs));
  }

  cancel(reason: string): void {
    if (this.#settled) return;
    this.#settle("cancelled", 0);
    this.#pending?.cancel(reason);
    this.#options.reply.drop();
  }

  #endWait(): void {
    this.#leave?.();
    this.#leave = undefined;
  }

  #settle(outcome: Outcome, resultBytes: number): void {
    this.#settled = true;
    this.#params = undefined;
    this.#endWait();
    this.#options.onSettled?.();
    this.#bus.emit("call.finished", {
      server: this.#options.server,
      method: this.#options.method,
      durationMs: performance.now() - this.#startedAt,
      outcome,
      requestBytes: this.#requestBytes,
      resultBytes,
    });
  }
}

// A connector whose every attempt the test decides: it connects, fails, hangs, and each connection ends on a word.
// Nothing real behind it, so that a keeper can be watched on a fake clock.

import { AppError } from "../../src/errors.ts";
import type {
  AnswerSink,
  Connector,
  Hello,
  PendingCall,
  Upstream,
  UpstreamListener,
  UpstreamRequest,
} from "../../src/upstream/upstream.ts";

export const HELLO: Hello = {
  revision: "2025-11-25",
  serverInfo: '{"name":"scripted","version":"1"}',
  capabilities: "{}",
  instructions: undefined,
};

export class ScriptedUpstream implements Upstream {
  readonly hello: Hello;
  readonly closed: Promise<AppError>;
  readonly requests: UpstreamRequest[] = [];
  readonly sinks: AnswerSink[] = [];
  inFlight = 0;
  begun = 0;
  closeCalls = 0;
  /** While true, `close` asks and nothing ends. */
  ignoresClose = false;
  readonly #end: (error: AppError) => void;

  constructor(hello: Hello = HELLO) {
    this.hello = hello;
    const { promise, resolve } = Promise.withResolvers<AppError>();
    this.closed = promise;
    this.#end = resolve;
  }

  /** Counts as in flight until the test answers it by `settle`. */
  begin(request: UpstreamRequest, sink: AnswerSink): PendingCall {
    this.requests.push(request);
    this.sinks.push(sink);
    this.inFlight++;
    this.begun++;
    return { cancel: () => undefined };
  }

  /** The oldest request that has no answer gets one. */
  settle(answer: (sink: AnswerSink) => void = (sink) => sink.result(new Uint8Array())): void {
    const sink = this.sinks.shift();
    if (sink === undefined) throw new Error("nobody waits for an answer");
    this.inFlight--;
    answer(sink);
  }

  notify(): void {}

  /** It ends by itself. */
  crash(sentence: string): void {
    this.#end(new AppError("server-lost", sentence));
  }

  /** The server forgot the session with it. */
  expire(): void {
    this.#end(new AppError("session-over", "The session is over."));
  }

  async close(): Promise<void> {
    this.closeCalls++;
    if (!this.ignoresClose) this.crash("The server exited with code 0");
    await this.closed;
  }
}

export interface Attempt {
  readonly listener: UpstreamListener;
  readonly signal: AbortSignal;
  /** The handshake is done. */
  connect(upstream?: ScriptedUpstream): ScriptedUpstream;
  fail(error: unknown): void;
}

export interface ScriptedConnector extends Connector {
  readonly attempts: readonly Attempt[];
  /** The newest attempt. */
  readonly last: Attempt;
  /** The newest attempt waits for the test's word. */
  readonly isOpen: boolean;
  /** Attempts that have neither failed nor connected, and connections that are not over. */
  readonly alive: number;
}

/** An attempt that is aborted fails by itself, as a real one does. */
export function scriptedConnector(): ScriptedConnector {
  const attempts: Attempt[] = [];
  let alive = 0;
  let isOpen = false;
  return {
    attempts,
    get isOpen() {
      return isOpen;
    },
    get last() {
      const last = attempts.at(-1);
      if (last === undefined) throw new Error("nobody tried to connect");
      return last;
    },
    get alive() {
      return alive;
    },
    connect(listener, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Upstream>();
      alive++;
      isOpen = true;
      let connects = true;
      const fail = (error: unknown): void => {
        if (connects) alive--;
        if (connects) isOpen = false;
        connects = false;
        reject(error);
      };
      signal.addEventListener("abort", () => fail(signal.reason), { once: true });
      const connect = (upstream = new ScriptedUpstream()): ScriptedUpstream => {
        connects = false;
        isOpen = false;
        void upstream.closed.then(() => alive--);
        resolve(upstream);
        return upstream;
      };
      attempts.push({ listener, signal, connect, fail });
      return promise;
    },
  };
}

/** Lets everything run that waits for nothing but its turn. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}

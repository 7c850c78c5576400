// The connection to a server over Streamable HTTP, legacy revisions (MCP 2025-11-25, Transports). Each request is a
// POST of its own, whose answer is one message or an event stream; what the server says unasked comes on a GET stream.

import { AppError, toAppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { HttpSpec } from "../model/server-spec.ts";
import { Gate } from "../process/gate.ts";
import { ask } from "./ask.ts";
import { cancelledParams, notificationMessage, requestMessage } from "./client-message.ts";
import { initializeParams, readHello, type ClientInfo } from "./handshake.ts";
import { PendingCalls } from "./pending-calls.ts";
import { discard } from "./remote-body.ts";
import { perform, type RemoteCall } from "./remote-call.ts";
import { RemoteEndpoint, type Fetch } from "./remote-endpoint.ts";
import { listenToServer } from "./remote-listener.ts";
import { withDeadline } from "./remote-waiting.ts";
import { receiveMessage, type Inbox } from "./server-message.ts";
import type {
  AnswerSink,
  Connector,
  Hello,
  PendingCall,
  Upstream,
  UpstreamListener,
  UpstreamRequest,
} from "./upstream.ts";

export interface RemoteOptions {
  readonly spec: Pick<HttpSpec, "url" | "headers">;
  readonly clientInfo: ClientInfo;
  readonly startTimeoutMs: number;
  /** Of one message of the server, in either form of answer. */
  readonly maxMessageBytes: number;
  readonly log: Log;
  readonly fetch?: Fetch;
}

/**
 * Requests that are on their way to one server at once; more wait in order, and their time runs. NB: Bun makes 256
 * at most for all servers together: one that hangs must not take them all.
 */
const MAX_PARALLEL_CALLS = 64;
/** The same for notifications and answers to the server, which have a way of their own: a ping must not wait for calls. */
const MAX_PARALLEL_NOTES = 16;
/** Of these, on their way or waiting; more are dropped. */
const MAX_NOTES = 256;
const NOTE_TIMEOUT_MS = 30_000;
const END_SESSION_TIMEOUT_MS = 2_000;

export function remoteConnector(options: RemoteOptions): Connector {
  return {
    async connect(listener, signal) {
      const connection = new RemoteUpstream(options, listener);
      try {
        await connection.handshake(signal);
      } catch (thrown) {
        await connection.close();
        throw thrown;
      }
      return connection;
    },
  };
}

interface Flight {
  /** Ends the requests of the call. */
  readonly controller: AbortController;
  /** False while the call waits at the gate. */
  sent: boolean;
}

class RemoteUpstream implements Upstream {
  readonly closed: Promise<AppError>;
  readonly #options: RemoteOptions;
  readonly #endpoint: RemoteEndpoint;
  readonly #inbox: Inbox;
  readonly #pending: PendingCalls;
  readonly #callGate = new Gate(MAX_PARALLEL_CALLS);
  readonly #noteGate = new Gate(MAX_PARALLEL_NOTES);
  /** By the id of the call. */
  readonly #flights = new Map<number, Flight>();
  /** Everything else that is under way ends with this. */
  readonly #life = new AbortController();
  /** What `close` waits for. None of them rejects. */
  readonly #tasks = new Set<Promise<void>>();
  readonly #resolveClosed: (error: AppError) => void;
  #over: AppError | undefined;
  #closing: Promise<void> | undefined;
  #hello: Hello | undefined;
  #notes = 0;

  /** @throws AppError `start-failed` for a URL or header that cannot be sent. */
  constructor(options: RemoteOptions, listener: UpstreamListener) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<AppError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#endpoint = new RemoteEndpoint({
      ...options.spec,
      clientInfo: options.clientInfo,
      fetch: options.fetch ?? fetch,
      onOver: (error) => this.#end(error),
    });
    this.#pending = new PendingCalls(
      () => performance.now(),
      (id) => this.#callOff(id, "timeout"),
    );
    this.#inbox = {
      pending: this.#pending,
      listener,
      end: "",
      reply: (message) => this.#send(message),
      skipped: (bytes, problem) => this.#remark(`message skipped: ${problem}`, bytes),
      unclaimed: (bytes) => this.#remark("answer without a request", bytes),
    };
  }

  get hello(): Hello {
    if (this.#hello === undefined) throw new AppError("internal", "The handshake is not done yet.");
    return this.#hello;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  get begun(): number {
    return this.#pending.begun;
  }

  /** @throws AppError `start-failed` */
  async handshake(signal: AbortSignal): Promise<void> {
    await withDeadline(this.#options.startTimeoutMs, signal, async (inTime) => {
      try {
        await this.#greet(inTime);
      } catch (thrown) {
        throw this.#startFailure(toAppError(thrown), inTime.aborted, signal.aborted);
      }
    });
    this.#own(
      listenToServer({
        endpoint: this.#endpoint,
        maxEventBytes: this.#options.maxMessageBytes,
        onMessage: (message) => receiveMessage(message, this.#inbox),
        log: this.#options.log,
        signal: this.#life.signal,
      }),
    );
  }

  async #greet(signal: AbortSignal): Promise<void> {
    const { clientInfo, startTimeoutMs: timeoutMs } = this.#options;
    const question = { method: "initialize", params: initializeParams(clientInfo), timeoutMs, signal };
    const hello = readHello(await ask(this, question));
    this.#endpoint.adoptRevision(hello.revision);
    await this.#deliver(notificationMessage("notifications/initialized", undefined), signal);
    this.#hello = hello;
  }

  #startFailure(error: AppError, late: boolean, calledOff: boolean): AppError {
    const { where } = this.#endpoint;
    const options = { cause: error };
    if (calledOff) return new AppError("start-failed", "The start was called off.", options);
    if (!late && error.code !== "server-timeout") return new AppError("start-failed", error.message, options);
    const seconds = this.#options.startTimeoutMs / 1000;
    return new AppError(
      "start-failed",
      `The server at ${where} did not answer the handshake within ${seconds} s; check that it is an MCP server.`,
      options,
    );
  }

  begin(request: UpstreamRequest, sink: AnswerSink): PendingCall {
    if (this.#over !== undefined) {
      sink.lost(this.#over);
      return { cancel: () => undefined };
    }
    const id = this.#pending.add(sink, request.timeoutMs, request.progressToken !== undefined);
    const flight: Flight = { controller: new AbortController(), sent: false };
    this.#flights.set(id, flight);
    this.#own(this.#fly(id, request, flight));
    return {
      cancel: (reason) => {
        if (this.#pending.forget(id)) this.#callOff(id, reason);
      },
    };
  }

  notify(method: string, params: Uint8Array | undefined): void {
    this.#send(notificationMessage(method, params));
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    // A session that ended, or whose server is gone, needs no farewell.
    const farewell = this.#over === undefined;
    this.#end(new AppError("server-lost", `The connection to ${this.#endpoint.where} was closed.`));
    if (farewell) {
      const never = new AbortController().signal;
      await withDeadline(END_SESSION_TIMEOUT_MS, never, (signal) => this.#endpoint.endSession(signal));
    }
    await Promise.all(this.#tasks);
  }

  #end(error: AppError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#pending.loseAll(error);
    this.#life.abort();
    for (const { controller } of this.#flights.values()) controller.abort();
    this.#resolveClosed(error);
  }

  async #fly(id: number, request: UpstreamRequest, flight: Flight): Promise<void> {
    try {
      const leave = await this.#callGate.enter(flight.controller.signal);
      flight.sent = true;
      try {
        await perform(this.#call(id, flight.controller), requestMessage(id, request));
      } finally {
        leave();
      }
    } catch (thrown) {
      // Called off at the gate: then the call is settled, and this changes nothing.
      this.#pending.lose(id, toAppError(thrown));
    } finally {
      this.#flights.delete(id);
    }
  }

  #call(id: number, flight: AbortController): RemoteCall {
    const onResponse = (response: Response): void => this.#responded(response);
    const { maxMessageBytes } = this.#options;
    return { id, flight, onResponse, maxMessageBytes, endpoint: this.#endpoint, inbox: this.#inbox };
  }

  #responded(response: Response): void {
    if (this.#hello === undefined) this.#endpoint.adoptSession(response);
  }

  /** The call is settled already: tells the server that nobody waits, and lets go of its requests. */
  #callOff(id: number, reason: string): void {
    const flight = this.#flights.get(id);
    if (flight === undefined) return;
    // Only a request that was sent can be cancelled, and `initialize` must not be (MCP 2025-11-25, Cancellation).
    const told = flight.sent && this.#hello !== undefined;
    if (told) this.notify("notifications/cancelled", cancelledParams(id, reason));
    flight.controller.abort();
  }

  /** Sends what has no answer; drops it when the connection is over or too much waits already. */
  #send(message: Buffer<ArrayBuffer>): void {
    if (this.#over !== undefined) return;
    if (this.#notes >= MAX_NOTES)
      return this.#remark("message dropped: too many wait for the server", message);
    this.#notes++;
    const sent = withDeadline(NOTE_TIMEOUT_MS, this.#life.signal, async (signal) => {
      const leave = await this.#noteGate.enter(signal);
      await this.#deliver(message, signal).finally(leave);
    });
    const settled = sent.catch((thrown: unknown) =>
      this.#remark(`message not delivered: ${toAppError(thrown).message}`, message),
    );
    this.#own(settled.finally(() => this.#notes--));
  }

  async #deliver(message: Buffer<ArrayBuffer>, signal: AbortSignal): Promise<void> {
    const response = await this.#endpoint.post(message, signal);
    if (response.ok) return discard(response);
    throw this.#endpoint.refusal(response.status, await this.#endpoint.readRefusal(response));
  }

  #remark(what: string, message: Uint8Array): void {
    const { log } = this.#options;
    if (log.enabled("debug"))
      log.debug(what, { server: this.#endpoint.where, message: this.#endpoint.quote(message) });
  }

  #own(task: Promise<void>): void {
    const owned = task.finally(() => this.#tasks.delete(owned));
    this.#tasks.add(owned);
  }
}

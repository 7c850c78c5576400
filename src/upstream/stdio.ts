// The connection to a server on its standard streams (MCP, Transports, stdio). Owns one Child for its whole life.

import type { PreparedStart } from "../cage/prepared-start.ts";
import { AppError, toAppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Child, type ExitReport } from "../process/child.ts";
import type { OutputRing } from "../process/output-ring.ts";
import { excerpt } from "../wire/excerpt.ts";
import { ask } from "./ask.ts";
import { cancelledParams, notificationMessage, requestMessage } from "./client-message.ts";
import { initializeParams, readHello, type ClientInfo } from "./handshake.ts";
import { withoutSecrets } from "./hidden-values.ts";
import { PendingCalls } from "./pending-calls.ts";
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

export interface StdioOptions {
  /** Made anew for each start: it looks at the host. */
  readonly prepare: () => Promise<PreparedStart>;
  readonly clientInfo: ClientInfo;
  readonly startTimeoutMs: number;
  readonly maxLineBytes: number;
  readonly maxQueuedBytes: number;
  readonly stderr: OutputRing;
  /** Taken out of what the server says before anybody reads it. */
  readonly secrets?: readonly string[];
  readonly log: Log;
  /** Called with the process id of each start. */
  readonly onSpawn?: (pid: number) => void;
}

/** Lines of one process that are no messages: this many are shown in its log, the rest are counted. */
const SHOWN_GARBAGE_LINES = 20;

/** As a shell has it: there, but no program (126), or not there (127). Another attempt would end like this one. */
const NOT_RUNNABLE = /^exited with code 12[67]$/;

export function stdioConnector(options: StdioOptions): Connector {
  return {
    async connect(listener, signal) {
      let connection: StdioUpstream | undefined;
      let prepared: PreparedStart | undefined;
      try {
        prepared = await options.prepare();
        if (signal.aborted) throw calledOff();
        connection = new StdioUpstream(options, prepared, listener);
        await connection.handshake(signal);
        return connection;
      } catch (thrown) {
        // Whoever has a connection ends what was prepared with it.
        if (connection === undefined) await prepared?.ended().freed;
        await connection?.close();
        throw asStartFailure(toAppError(thrown), options.secrets ?? []);
      }
    },
  };
}

function calledOff(): AppError {
  return new AppError("start-failed", "The start was called off.");
}

/** The words of the server may be in it. */
function asStartFailure(error: AppError, secrets: readonly string[]): AppError {
  const sentence = withoutSecrets(error.message, secrets);
  const code = error.code === "blocked" ? "blocked" : "start-failed";
  return error.code === code && sentence === error.message
    ? error
    : new AppError(code, sentence, { cause: error.cause });
}

class StdioUpstream implements Upstream {
  readonly closed: Promise<AppError>;
  readonly #options: StdioOptions;
  readonly #child: Child;
  readonly #pending: PendingCalls;
  #hello: Hello | undefined;
  #garbageLines = 0;
  #firstGarbage = "";

  constructor(options: StdioOptions, prepared: PreparedStart, listener: UpstreamListener) {
    this.#options = options;
    this.#pending = new PendingCalls(
      () => performance.now(),
      (id) => this.#tellCancelled(id, "timeout"),
    );
    const inbox: Inbox = {
      pending: this.#pending,
      listener,
      end: "\n",
      reply: (message) => void this.#child.write(message),
      skipped: (line, problem) => this.#skip(line, problem),
      unclaimed: (line) => options.log.debug("answer without a request", { message: excerpt(line) }),
    };
    this.#child = new Child({
      plan: prepared.plan,
      maxLineBytes: options.maxLineBytes,
      maxQueuedBytes: options.maxQueuedBytes,
      stderr: options.stderr,
      onLine: (line) => receiveMessage(line, inbox),
      onStarted: (facts) => prepared.started(facts),
    });
    prepared.spawned(this.#child.pid);
    options.onSpawn?.(this.#child.pid);
    this.closed = this.#child.exited.then(async (report) => {
      const { cause, freed } = prepared.ended();
      // Whoever waits for an answer hears of it now.
      const error = this.#over(cause === undefined ? report : { ...report, what: cause });
      await freed;
      return error;
    });
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

  async handshake(signal: AbortSignal): Promise<void> {
    const { startTimeoutMs, clientInfo } = this.#options;
    try {
      const params = initializeParams(clientInfo);
      const result = await ask(this, { method: "initialize", params, timeoutMs: startTimeoutMs, signal });
      this.#hello = readHello(result);
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.code !== "server-timeout") throw error;
      throw new AppError("start-failed", this.#silence(), { cause: error });
    }
    this.notify("notifications/initialized", undefined);
  }

  begin(request: UpstreamRequest, sink: AnswerSink): PendingCall {
    const id = this.#pending.add(sink, request.timeoutMs, request.progressToken !== undefined);
    if (!this.#child.write(requestMessage(id, request, "\n"))) {
      this.#pending.lose(id, this.#notTaken());
      return { cancel: () => undefined };
    }
    return {
      cancel: (reason) => {
        if (this.#pending.forget(id)) this.#tellCancelled(id, reason);
      },
    };
  }

  notify(method: string, params: Uint8Array | undefined): void {
    this.#child.write(notificationMessage(method, params, "\n"));
  }

  async close(): Promise<void> {
    await this.#child.stop();
    await this.closed;
  }

  #skip(line: Uint8Array, problem: string): void {
    this.#garbageLines++;
    if (this.#garbageLines > SHOWN_GARBAGE_LINES) return;
    const shown = excerpt(line);
    if (this.#garbageLines === 1) this.#firstGarbage = shown;
    this.#options.stderr.note(`skipped a line on stdout, ${problem}: ${shown}`);
    if (this.#garbageLines === SHOWN_GARBAGE_LINES) {
      this.#options.stderr.note("further lines that are no messages are skipped without a word");
    }
  }

  #tellCancelled(id: number, reason: string): void {
    // `initialize` must not be cancelled (MCP 2025-11-25, Utilities, Cancellation).
    if (this.#hello !== undefined) this.notify("notifications/cancelled", cancelledParams(id, reason));
  }

  #notTaken(): AppError {
    const { queuedBytes } = this.#child;
    if (queuedBytes === 0) return new AppError("server-lost", "The server has just ended; try again.");
    return new AppError(
      "server-busy",
      `The server does not read its input: ${queuedBytes} bytes wait for it already. Try again later, or restart it.`,
    );
  }

  #silence(): string {
    const seconds = this.#options.startTimeoutMs / 1000;
    const said = this.#lastLine();
    const base = `The server did not answer initialize within ${seconds} s`;
    if (this.#garbageLines > 0) {
      return `${base}; it wrote ${this.#garbageLines} lines to stdout that are no MCP messages, the first: ${this.#firstGarbage}`;
    }
    return said === undefined ? `${base} and wrote nothing.` : `${base}; its last line on stderr: ${said}`;
  }

  #lastLine(): string | undefined {
    const { stderr, secrets = [] } = this.#options;
    return stderr.lastLine((text) => withoutSecrets(text, secrets));
  }

  #over(report: ExitReport): AppError {
    const said = report.lastStderrLine === undefined ? undefined : this.#lastLine();
    const last = said === undefined ? "" : `; its last line on stderr: ${said}`;
    const code = this.#hello === undefined && NOT_RUNNABLE.test(report.what) ? "blocked" : "server-lost";
    const error = report.blocked ?? new AppError(code, `The server ${report.what}${last}`);
    this.#pending.loseAll(error);
    return error;
  }
}

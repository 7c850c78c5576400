// One server process (and all that it starts): spawned from a launch plan, spoken to by lines, stopped by a ladder.
// Whoever makes a Child owns it until `exited` has resolved.

import type { LaunchPlan } from "../cage/launch-plan.ts";
import type { StartedFacts } from "../cage/prepared-start.ts";
import { type AppError, toAppError } from "../errors.ts";
import { closeAll } from "./descriptors.ts";
import { launch } from "./launch.ts";
import { LineSplitter } from "./lines.ts";
import type { OutputRing } from "./output-ring.ts";
import { readShared } from "./shared-reading.ts";

export const STOP_LADDER = {
  /** From closing its stdin to SIGTERM. */
  endOfInputMs: 2_000,
  /** From SIGTERM to SIGKILL. */
  terminateMs: 5_000,
} as const;

/** What a waiting message takes in memory beside its bytes: a server may provoke any number of short ones. */
const MESSAGE_COST_BYTES = 512;

export interface ChildOptions {
  readonly plan: LaunchPlan;
  readonly maxLineBytes: number;
  /** Bytes that may wait for the server to read its stdin. */
  readonly maxQueuedBytes: number;
  readonly stderr: OutputRing;
  /** Each line of stdout that is not empty. */
  readonly onLine: (line: Uint8Array) => void;
  /** Called once when the server runs, before `exited` resolves; owns the listeners. */
  readonly onStarted?: (facts: StartedFacts) => void;
}

export interface ExitReport {
  /** A sentence's end: `exited with code 3`, `was ended by SIGKILL`, `sent a line over 64 MiB`. */
  readonly what: string;
  /** Not of one that was killed from here: what it says of its closed pipes is not why it ended. */
  readonly lastStderrLine: string | undefined;
  /** Why nothing ever ran: the launcher could not do what the plan asks for. */
  readonly blocked?: AppError;
}

export class Child {
  readonly pid: number;
  /** Resolves when the process and everything that it started are gone, and its output is read. Never rejects. */
  readonly exited: Promise<ExitReport>;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #options: ChildOptions;
  #queuedBytes = 0;
  /** Messages of this turn of the event loop that go out at its end; undefined while nothing was sent in it. */
  #batch: Uint8Array[] | undefined;
  #inputEnded = false;
  #gone = false;
  #killedBecause: string | undefined;
  #blocked: AppError | undefined;

  /**
   * Messages may be written at once: they wait for the server in its pipe.
   * @throws AppError `bad-configuration` for a plan that cannot be written down; the system's error where the
   * launcher itself cannot be started.
   */
  constructor(options: ChildOptions) {
    this.#options = options;
    options.stderr.begin();
    // NB: the launcher is told to die with the *thread* that made it: a Child is made on the main thread only.
    const { process, started } = launch(options.plan, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    this.#process = process;
    this.pid = process.pid;
    this.exited = this.#watch(
      started.then(
        (facts) => this.#hasStarted(facts),
        (thrown) => this.#hasNot(thrown),
      ),
    );
  }

  /** What waits for the server beyond the kernel's buffer: bytes, and what each message costs beside them. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Writes to stdin. False when the server is gone or reads so slowly that the limit would be passed: not sent. */
  write(bytes: Uint8Array): boolean {
    if (this.#gone || this.#inputEnded) return false;
    if (this.#queuedBytes > 0 && this.#queuedBytes + costOf(bytes) > this.#options.maxQueuedBytes)
      return false;
    if (this.#batch !== undefined) {
      this.#queuedBytes += costOf(bytes);
      this.#batch.push(bytes);
      return true;
    }
    // The first message of a turn of the event loop goes out at once; what the same turn brings after it goes out
    // together, in one system call. One caller waits for nothing, and sixty share the cost.
    this.#batch = [];
    setImmediate(() => this.#flush());
    this.#send(bytes);
    return true;
  }

  #flush(): void {
    const batch = this.#batch ?? [];
    this.#batch = undefined;
    for (const bytes of batch) {
      this.#queuedBytes -= costOf(bytes);
      this.#send(bytes);
    }
  }

  #send(bytes: Uint8Array): void {
    if (this.#gone) return;
    const written: number | Promise<number> = this.#process.stdin.write(bytes);
    if (typeof written === "number") return;
    // NB: Bun queues without bound; a promise instead of a number is how it says that the pipe is full.
    this.#queuedBytes += costOf(bytes);
    const settle = (): void => {
      this.#queuedBytes -= costOf(bytes);
    };
    Promise.resolve(written).then(settle, settle);
  }

  /** Ends it by the ladder: end of input, SIGTERM to all of it, SIGKILL to all of it. Resolves when it is empty. */
  async stop(): Promise<ExitReport> {
    this.#endInput();
    if (await settlesWithin(this.exited, STOP_LADDER.endOfInputMs)) return this.exited;
    this.#signal("SIGTERM");
    if (await settlesWithin(this.exited, STOP_LADDER.terminateMs)) return this.exited;
    return this.kill("did not end when it was asked to");
  }

  /** SIGKILL to all of it, at once. `because` becomes its exit report. */
  kill(because: string): Promise<ExitReport> {
    this.#killedBecause ??= because;
    // SIGUSR1 tells the launcher to kill everything and to leave only when nothing is left.
    this.#signal("SIGUSR1");
    // A server may have stopped its launcher; what is stopped obeys once it goes on.
    this.#signal("SIGCONT");
    return this.exited;
  }

  #endInput(): void {
    if (this.#inputEnded) return;
    this.#flush();
    this.#inputEnded = true;
    // A pending flush rejects when the reader is gone: that is the expected end of a pipe.
    Promise.resolve(this.#process.stdin.end()).catch(() => undefined);
  }

  #signal(signal: "SIGTERM" | "SIGUSR1" | "SIGCONT"): void {
    if (!this.#gone) this.#process.kill(signal);
  }

  #hasStarted(facts: StartedFacts): void {
    const { onStarted } = this.#options;
    if (onStarted !== undefined && !this.#gone) onStarted(facts);
    else closeAll(facts.listeners);
  }

  #hasNot(thrown: unknown): void {
    const error = toAppError(thrown);
    if (error.code === "blocked") this.#blocked = error;
    else void this.kill(`did not start: ${error.message}`);
  }

  async #watch(start: Promise<void>): Promise<ExitReport> {
    const output = Promise.all([this.#readStdout(), this.#readStderr()]).catch(
      () => void this.kill("gave output that could not be read"),
    );
    await this.#process.exited;
    // The report of the launcher ended with it, or before.
    await settlesWithin(start, STOP_LADDER.endOfInputMs);
    this.#gone = true;
    this.#endInput();
    // A descendant that got away from the launcher may hold the pipe open: its output is not worth waiting for.
    await settlesWithin(output, STOP_LADDER.endOfInputMs);
    if (this.#killedBecause !== undefined) return { what: this.#killedBecause, lastStderrLine: undefined };
    const blocked = this.#blocked;
    if (blocked !== undefined)
      return { what: `was not started: ${blocked.message}`, lastStderrLine: undefined, blocked };
    return {
      what: exitPhrase(this.#process.exitCode, this.#process.signalCode),
      lastStderrLine: this.#options.stderr.lastLine(),
    };
  }

  async #readStdout(): Promise<void> {
    const { maxLineBytes, onLine } = this.#options;
    const lines = new LineSplitter(maxLineBytes, onLine);
    // Pulled chunk by chunk: what is not read stays in the pipe, and a full pipe holds the server back.
    await readShared(this.#process.stdout, (chunk) => {
      if (lines.push(chunk)) return true;
      void this.kill(`sent a line over ${Math.floor(maxLineBytes / 1_048_576)} MiB`);
      return false;
    });
    // Its end, mostly. One that lives on will never answer again, and whoever calls it would wait for nothing.
    if (await settlesWithin(this.#process.exited, STOP_LADDER.endOfInputMs)) return;
    if (!this.#inputEnded) void this.kill("closed its stdout");
  }

  #readStderr(): Promise<void> {
    return readShared(this.#process.stderr, (chunk) => {
      this.#options.stderr.push(chunk);
      return true;
    });
  }
}

function costOf(message: Uint8Array): number {
  return message.length + MESSAGE_COST_BYTES;
}

/** The launcher passes a signal on as 128 + its number, as a shell does. */
function exitPhrase(code: number | null, signal: NodeJS.Signals | number | null): string {
  if (signal !== null) return `was ended by ${signal}`;
  if (code === 137) return "was ended by SIGKILL";
  if (code === 139) return "was ended by SIGSEGV";
  if (code === 143) return "was ended by SIGTERM";
  if (code === 134) return "was ended by SIGABRT";
  return `exited with code ${code ?? "unknown"}`;
}

async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([settled, late]);
  clearTimeout(timer);
  return inTime;
}

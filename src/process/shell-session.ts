// One program in the place of a server, in the server's cage, for a person: a shell on a terminal, or a command on
// pipes. control/shells.ts opens it and owns it until `ended` has resolved.

import type { PreparedStart } from "../cage/prepared-start.ts";
import { AppError } from "../errors.ts";
import type { ShellEnd, ShellOutput, ShellSize } from "../model/shell.ts";
import { OutputQueue } from "./shell-output.ts";
import { pipeStreams, type ShellStreams, terminalStreams } from "./shell-streams.ts";

/** What may wait for the program to read it. */
const MAX_INPUT_BYTES = 1024 * 1024;

export interface ShellSessionOptions {
  /** The session's from here on: it calls `ended` in any case. */
  readonly prepared: PreparedStart;
  /** Of its terminal; undefined for pipes. */
  readonly size: ShellSize | undefined;
  /** Beside the variables of the plan, and before them. */
  readonly env: Readonly<Record<string, string>>;
}

export class ShellSession {
  /** Resolves when nothing of it is left. Never rejects. */
  readonly ended: Promise<ShellEnd>;
  readonly #output = new OutputQueue();
  readonly #streams: ShellStreams;
  readonly #started: Promise<void>;
  /** Resolves when its output matters to nobody any more. */
  readonly #cut = Promise.withResolvers<void>();
  #inputBytes = 0;
  #killedBecause: string | undefined;
  #isGone = false;

  /**
   * Resolves when the program runs.
   * @throws AppError `blocked`, `start-failed`, `bad-configuration`; then nothing of it is left
   */
  static async open(options: ShellSessionOptions, signal: AbortSignal): Promise<ShellSession> {
    const session = await ShellSession.#launch(options);
    const callOff = (): void => void session.kill("was called off");
    signal.addEventListener("abort", callOff, { once: true });
    if (signal.aborted) callOff();
    try {
      await session.#started;
      if (signal.aborted) throw new AppError("start-failed", "The start was called off.");
      return session;
    } catch (thrown) {
      await session.kill("was not started");
      throw thrown;
    } finally {
      signal.removeEventListener("abort", callOff);
    }
  }

  static async #launch(options: ShellSessionOptions): Promise<ShellSession> {
    try {
      return new ShellSession(options);
    } catch (thrown) {
      await options.prepared.ended().freed;
      throw thrown;
    }
  }

  private constructor({ prepared, size, env }: ShellSessionOptions) {
    const plan = { ...prepared.plan, env: { ...prepared.plan.env, ...env } };
    this.#streams =
      size === undefined ? pipeStreams(plan, this.#output) : terminalStreams(plan, size, this.#output);
    prepared.spawned(this.#streams.process.pid);
    this.#started = this.#streams.started.then((facts) => prepared.started(facts));
    this.ended = this.#watch(prepared);
  }

  /** All that it prints, for one reader; ends when nothing more can come. */
  output(): AsyncGenerator<ShellOutput> {
    return this.#output.read();
  }

  /**
   * Resolves when the program's side has taken it, or is gone.
   * @throws AppError `server-busy` while the program reads too slowly; then nothing of it was written
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isGone) return;
    if (this.#inputBytes > 0 && this.#inputBytes + bytes.length > MAX_INPUT_BYTES) {
      throw new AppError(
        "server-busy",
        `The program in the shell does not read: ${this.#inputBytes} bytes wait for it already. Wait, or end it.`,
      );
    }
    this.#inputBytes += bytes.length;
    await this.#streams.write(bytes);
    this.#inputBytes -= bytes.length;
  }

  /** Nothing more is written. On a terminal this is ^D. */
  endInput(): void {
    if (!this.#isGone) this.#streams.endInput();
  }

  resize(size: ShellSize): void {
    if (!this.#isGone) this.#streams.resize(size);
  }

  /** SIGKILL to all of it, at once; what it printed and nobody took is dropped. */
  kill(because: string): Promise<ShellEnd> {
    if (!this.#isGone) {
      this.#killedBecause ??= because;
      // SIGUSR1 tells the launcher to kill everything and to leave only when nothing is left; one that was stopped
      // obeys once it goes on.
      this.#streams.process.kill("SIGUSR1");
      this.#streams.process.kill("SIGCONT");
    }
    this.#cut.resolve();
    return this.ended;
  }

  async #watch(prepared: PreparedStart): Promise<ShellEnd> {
    const { process, drained } = this.#streams;
    const exitCode = await process.exited;
    this.#isGone = true;
    // The report of the launcher ended with it, or before.
    await this.#started.catch(() => undefined);
    await Promise.race([drained, this.#cut.promise]);
    this.#streams.close();
    this.#output.end();
    const { cause: known, freed } = prepared.ended();
    await freed;
    const reason = this.#killedBecause ?? known;
    return { exitCode, ...(reason === undefined ? {} : { reason }) };
  }
}

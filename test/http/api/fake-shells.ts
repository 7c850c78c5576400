// Fake shells for tests of the API and the command line: nothing runs, and a test says what is printed and how it ends.

import type { OpenShell, ShellAdmin } from "../../../src/control/shells.ts";
import { AppError } from "../../../src/errors.ts";
import type { ShellEnd, ShellRequest, ShellSize, ShellView } from "../../../src/model/shell.ts";
import { OutputQueue } from "../../../src/process/shell-output.ts";

export class FakeShell {
  readonly output = new OutputQueue();
  readonly sizes: ShellSize[] = [];
  readonly #ended = Promise.withResolvers<ShellEnd>();
  readonly view: ShellView;
  readonly request: ShellRequest;
  /** All that was typed so far. */
  input = Buffer.alloc(0);
  inputEnded = false;
  /** How often its reader left. */
  left = 0;

  constructor(id: string, server: string, request: ShellRequest) {
    this.request = request;
    this.view = {
      id,
      server,
      terminal: request.terminal !== undefined,
      openedAt: "2026-11-22T10:00:00.000Z",
    };
  }

  get ended(): Promise<ShellEnd> {
    return this.#ended.promise;
  }

  print(text: string | Uint8Array, stream: "out" | "err" = "out"): void {
    this.output.push(stream, Buffer.from(text));
  }

  end(exitCode: number, reason?: string): void {
    this.output.end();
    this.#ended.resolve({ exitCode, ...(reason === undefined ? {} : { reason }) });
  }
}

export class FakeShells implements ShellAdmin {
  /** Every shell that was opened, oldest first. */
  readonly opened: FakeShell[] = [];

  /** `blocked` cannot be started. */
  async open(server: string, request: ShellRequest): Promise<OpenShell> {
    if (server === "blocked") throw new AppError("blocked", "There is no cage for it.");
    const shell = new FakeShell(`shell-${this.opened.length + 1}`, server, request);
    this.opened.push(shell);
    return {
      id: shell.view.id,
      output: shell.output.read(),
      ended: shell.ended,
      leave: () => {
        shell.left++;
        shell.end(137, "was left");
      },
    };
  }

  async write(id: string, bytes: Uint8Array): Promise<void> {
    const shell = this.#find(id);
    shell.input = Buffer.concat([shell.input, bytes]);
  }

  endInput(id: string): void {
    this.#find(id).inputEnded = true;
  }

  resize(id: string, size: ShellSize): void {
    this.#find(id).sizes.push(size);
  }

  async close(id: string): Promise<void> {
    this.#find(id).end(137, "was closed by an administrator");
  }

  list(): readonly ShellView[] {
    return this.opened.map(({ view }) => view);
  }

  #find(id: string): FakeShell {
    const found = this.opened.find(({ view }) => view.id === id);
    if (found !== undefined) return found;
    throw new AppError("not-found", "There is no such shell: it has ended.");
  }
}

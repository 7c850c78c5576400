// Shells in the cages of servers, for an administrator: opened, spoken to, and ended with their reader, their server
// or the appliance. app.ts makes the one; the API calls it.

import { existsSync } from "node:fs";
import type { PreparedStart } from "../cage/prepared-start.ts";
import { AppError } from "../errors.ts";
import type { Bus } from "../events.ts";
import type { Log } from "../log.ts";
import type { ConfiguredServer, StdioSpec } from "../model/server-spec.ts";
import type { ShellEnd, ShellOutput, ShellRequest, ShellSize, ShellView } from "../model/shell.ts";
import { ShellSession } from "../process/shell-session.ts";
import { findServer } from "./find-server.ts";

export const SHELL_LIMITS: ShellLimits = { shells: 16, idleMs: 3_600_000 };

export interface ShellLimits {
  /** At once. */
  readonly shells: number;
  /** Without a byte in either direction for as long, it is ended. */
  readonly idleMs: number;
}

export interface ShellAdmin {
  /**
   * Resolves when it runs. Aborting `signal` before that leaves nothing of it.
   * @throws AppError `not-found`; `usage` for a server that is reached by its URL; `server-busy` when there are too
   * many; `blocked`, `start-failed`
   */
  open(server: string, request: ShellRequest, signal: AbortSignal): Promise<OpenShell>;
  /** Resolves when its program's side has taken it. @throws AppError `not-found`, `server-busy` */
  write(id: string, bytes: Uint8Array): Promise<void>;
  /** @throws AppError `not-found` */
  endInput(id: string): void;
  /** @throws AppError `not-found` */
  resize(id: string, size: ShellSize): void;
  /** Resolves when nothing of it is left. @throws AppError `not-found` */
  close(id: string): Promise<void>;
  list(): readonly ShellView[];
}

/** For one reader, who calls `leave` when it reads no more. */
export interface OpenShell {
  readonly id: string;
  readonly output: AsyncIterable<ShellOutput>;
  /** Never rejects. */
  readonly ended: Promise<ShellEnd>;
  leave(): void;
}

export interface ShellsOptions {
  /** As configured now. */
  readonly servers: () => readonly ConfiguredServer[];
  /** What a start of the server would be, with this program in its place. @throws AppError `blocked`, `start-failed` */
  readonly prepare: (
    server: ConfiguredServer & { readonly spec: StdioSpec },
    program: Program,
  ) => Promise<PreparedStart>;
  readonly limits: ShellLimits;
  readonly bus: Bus;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

type Program = readonly [file: string, ...args: string[]];

interface Shell {
  readonly view: ShellView;
  readonly session: ShellSession;
  readonly idle: Timer;
}

export class Shells implements ShellAdmin {
  readonly #options: ShellsOptions;
  readonly #shells = new Map<string, Shell>();
  readonly #opening = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly #unsubscribe: () => void;

  constructor(options: ShellsOptions) {
    this.#options = options;
    this.#unsubscribe = options.bus.on("config.changed", () => this.#endOrphans());
  }

  async open(server: string, request: ShellRequest, signal: AbortSignal): Promise<OpenShell> {
    const { shells } = this.#options.limits;
    if (this.#closing.signal.aborted) throw new AppError("start-failed", "The appliance is being stopped.");
    if (this.#shells.size + this.#opening.size >= shells) {
      throw new AppError(
        "server-busy",
        `${shells} shells are open, which is as many as there may be: end one.`,
      );
    }
    const opening = this.#open(server, request, AbortSignal.any([signal, this.#closing.signal]));
    this.#opening.add(opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(opening);
    }
  }

  async write(id: string, bytes: Uint8Array): Promise<void> {
    const { session, idle } = this.#shell(id);
    idle.refresh();
    await session.write(bytes);
  }

  endInput(id: string): void {
    this.#shell(id).session.endInput();
  }

  resize(id: string, size: ShellSize): void {
    this.#shell(id).session.resize(size);
  }

  async close(id: string): Promise<void> {
    await this.#shell(id).session.kill("was closed by an administrator");
  }

  list(): readonly ShellView[] {
    return [...this.#shells.values()].map(({ view }) => view);
  }

  /** Ends all of them. Resolves when nothing is left. */
  async closeAll(): Promise<void> {
    this.#unsubscribe();
    this.#closing.abort();
    await Promise.allSettled(this.#opening);
    const sessions = [...this.#shells.values()].map(({ session }) => session);
    await Promise.all(sessions.map((session) => session.kill("ended with the appliance")));
  }

  async #open(name: string, request: ShellRequest, signal: AbortSignal): Promise<OpenShell> {
    const { servers, prepare, now } = this.#options;
    const server = caged(findServer(servers(), name));
    const prepared = await prepare(server, programOf(request));
    const session = await ShellSession.open(
      { prepared, size: sizeOf(request), env: variablesOf(server.name, request) },
      signal,
    );
    const view: ShellView = {
      id: crypto.randomUUID(),
      server: name,
      terminal: request.terminal !== undefined,
      openedAt: new Date(now()).toISOString(),
    };
    this.#keep(view, session);
    // It may have been removed meanwhile.
    this.#endOrphans();
    return {
      id: view.id,
      output: this.#outputOf(view.id, session),
      ended: session.ended,
      leave: () => void session.kill("was left"),
    };
  }

  #keep(view: ShellView, session: ShellSession): void {
    const { log, limits } = this.#options;
    const { id, server, terminal } = view;
    const minutes = Math.round(limits.idleMs / 60_000);
    const idle = setTimeout(
      () => void session.kill(`was ended: nothing was typed or printed for ${minutes} minutes`),
      limits.idleMs,
    );
    this.#shells.set(id, { view, session, idle });
    log.info("shell opened", { server, shell: id, terminal });
    void session.ended.then((end) => {
      clearTimeout(idle);
      this.#shells.delete(id);
      log.info("shell ended", { server, shell: id, ...end });
    });
  }

  async *#outputOf(id: string, session: ShellSession): AsyncGenerator<ShellOutput> {
    for await (const part of session.output()) {
      this.#shells.get(id)?.idle.refresh();
      yield part;
    }
  }

  #endOrphans(): void {
    const names = new Set(this.#options.servers().map(({ name }) => name));
    for (const { view, session } of this.#shells.values()) {
      if (!names.has(view.server)) void session.kill("was ended: its server was removed");
    }
  }

  #shell(id: string): Shell {
    const shell = this.#shells.get(id);
    if (shell !== undefined) return shell;
    throw new AppError("not-found", "There is no such shell: it has ended.");
  }
}

function caged(server: ConfiguredServer): ConfiguredServer & { readonly spec: StdioSpec } {
  const { name, spec } = server;
  if (spec.kind === "stdio") return { ...server, spec };
  throw new AppError(
    "usage",
    `Server ${name} is reached by its URL: there is no cage here to open a shell in.`,
  );
}

/** NB: the cage has the system's programs where the host has them. */
function programOf({ command }: ShellRequest): Program {
  // The shell looks for it on the PATH of the cage, and says what is wrong with it.
  if (command.length > 0) return ["/bin/sh", "-c", 'exec "$@"', "sh", ...command];
  // What the server left in its home must not decide what this shell does.
  return existsSync("/bin/bash") ? ["/bin/bash", "--noprofile", "--norc"] : ["/bin/sh"];
}

function sizeOf({ terminal }: ShellRequest): ShellSize | undefined {
  return terminal === undefined ? undefined : { cols: terminal.cols, rows: terminal.rows };
}

function variablesOf(server: string, { terminal }: ShellRequest): Record<string, string> {
  if (terminal === undefined) return {};
  // Nor its home what is typed, nor what keys mean.
  return { TERM: terminal.term, PS1: `[cage ${server}] $ `, HISTFILE: "", INPUTRC: "/dev/null" };
}

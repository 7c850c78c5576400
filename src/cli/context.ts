// What every verb is given: where words go, what was set on the command line, and the way to the appliance.

import { paths, type Paths } from "../paths.ts";
import { type ApiClient, createClient } from "./client.ts";
import type { Terminal } from "./terminal.ts";

export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly cwd: string;
  readonly terminal: Terminal;
}

export interface Context extends Host {
  /** Results as JSON. */
  readonly json: boolean;
  /** Settings given as options, by key of the table in settings.ts. */
  readonly flags: Readonly<Record<string, string>>;
  /** @throws AppError `bad-configuration` */
  readonly paths: Paths;
  readonly api: ApiClient;
  /** Aborted by ^C. */
  readonly signal: AbortSignal;
  /** A value as JSON, for --json. */
  printJson(value: unknown): Promise<void>;
}

export interface Given {
  readonly json: boolean;
  readonly flags: Readonly<Record<string, string>>;
}

/** Nothing is looked up, and ^C is left alone, before a verb asks: `serve` has its own way to end. */
export function createContext(host: Host, { json, flags }: Given): Context {
  let where: Paths | undefined;
  let api: ApiClient | undefined;
  let interruption: AbortController | undefined;
  return {
    ...host,
    json,
    flags,
    get paths() {
      return (where ??= paths(host.env, host.uid, flags["home"]));
    },
    get signal() {
      interruption ??= onInterrupt(host.terminal);
      return interruption.signal;
    },
    get api() {
      return (api ??= createClient({ paths: this.paths, uid: host.uid, signal: this.signal }));
    },
    printJson: (value) => host.terminal.outForeign(`${JSON.stringify(value, null, 2)}\n`),
  };
}

/** The first ^C ends the work in order; the second one, if that hangs, has the usual effect. */
function onInterrupt(terminal: Terminal): AbortController {
  const controller = new AbortController();
  process.once("SIGINT", () => {
    // The terminal has echoed ^C into the line.
    if (terminal.isTalkTerminal) terminal.talk("");
    controller.abort();
  });
  return controller;
}

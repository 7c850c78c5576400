// The verbs on packages against the real routes over a fake PackageAdmin, in this process: what they print, ask and
// answer. Called by packages.test.ts and bundles.test.ts.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyElysia, Elysia } from "elysia";
import { type Context, createContext } from "../../src/cli/context.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { presentable, problemResponse } from "../../src/http/problem.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  /** What a person sees beside the results, questions included. */
  readonly talk: string;
}

export interface RunOptions {
  /** Answers to questions, in order; without them nobody can be asked. */
  readonly answers?: readonly boolean[];
  readonly json?: boolean;
}

export class PackageScene {
  readonly home = mkdtempSync(join(tmpdir(), "cli-packages-"));
  readonly #server: Bun.Server<undefined>;

  constructor(routes: AnyElysia) {
    mkdirSync(join(this.home, "run"));
    const app = new Elysia()
      .onError(({ error }) => problemResponse(presentable(error, () => {})))
      .group("/api/v1", (group) => group.use(routes));
    const options: Bun.Serve.Options<undefined, never> = {
      unix: join(this.home, "run", "admin.sock"),
      fetch: (request) => app.fetch(request),
    };
    this.#server = Bun.serve(Object.assign(options, { idleTimeout: 0 }));
  }

  /** What `verb` does with a context of its own, and what it said. Throws what it throws. */
  async run(
    verb: (context: Context) => Promise<number | void>,
    { answers, json = false }: RunOptions = {},
  ): Promise<Ran> {
    let out = "";
    let talk = "";
    const queue = [...(answers ?? [])];
    const terminal: Terminal = {
      columns: undefined,
      isOutputTerminal: false,
      isTalkTerminal: false,
      canAsk: answers !== undefined,
      hasColour: false,
      async out(text) {
        out += typeof text === "string" ? text : new TextDecoder().decode(text);
      },
      async outForeign(text) {
        out += text;
      },
      talk: (line) => void (talk += `${line}\n`),
      talkPart: (text) => void (talk += text),
      async ask(question) {
        talk += question;
        const answer = queue.shift();
        if (answer === undefined) throw new Error(`nobody answers: ${question}`);
        talk += answer ? "y\n" : "n\n";
        return answer;
      },
    };
    const host = {
      env: { TOOLCRIB_HOME: this.home },
      uid: process.getuid?.() ?? 0,
      cwd: this.home,
      terminal,
    };
    const code = (await verb(createContext(host, { json, flags: {} }))) ?? 0;
    return { code, out, talk };
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
    rmSync(this.home, { recursive: true, force: true });
  }
}

// A fake appliance for tests of the command line: the real API over a fake Admin, on a socket where a home has it,
// and the real command line as a process of its own, from source.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createApi } from "../../src/http/api/api.ts";
import { FakeAdmin } from "../http/api/fake-admin.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

export interface CliOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class FakeAppliance {
  readonly home = mkdtempSync(join(tmpdir(), "cli-"));
  readonly admin = new FakeAdmin();
  #server: Bun.Server<undefined> | undefined;

  start(): void {
    mkdirSync(join(this.home, "run"));
    const api = createApi(this.admin, { version: "0.0.0", onUnexpected: () => {} });
    const options: Bun.Serve.Options<undefined, never> = {
      unix: join(this.home, "run", "admin.sock"),
      fetch: (request) => api.fetch(request),
    };
    // NB: the types refuse this with a socket, the runtime obeys it.
    this.#server = Bun.serve(Object.assign(options, { idleTimeout: 0 }));
  }

  /** The command line as a process whose end the caller awaits. */
  spawn(words: readonly string[], { stdin = "", env = {}, cwd = this.home }: CliOptions = {}) {
    return Bun.spawn([process.execPath, MAIN, ...words], {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", TOOLCRIB_HOME: this.home, ...env },
      stdin: new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  async run(words: readonly string[], options?: CliOptions): Promise<Ended> {
    const child = this.spawn(words, options);
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  async stop(): Promise<void> {
    await this.#server?.stop(true);
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Waits for what another process does. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("the condition did not come true within 10 s");
    await Bun.sleep(5);
  }
}

// The compiled executable, seen from outside: a home of its own, an appliance in it, the command line against it.
// Every end-to-end test starts here. The executable stands alone in a temporary directory, and the PATH that it and
// its servers get has a few plain programs, but no node, npm or bun.

import { existsSync } from "node:fs";
import { chown, copyFile, link, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { endAll, nothingLeft, signal } from "./processes.ts";
import { until, within } from "./wait.ts";

/** What `npm test` built, unless TOOLCRIB_BINARY names another. */
const BINARY = resolve(process.env["TOOLCRIB_BINARY"] ?? join(import.meta.dir, "../../dist/toolcrib"));
const PROGRAMS = ["sh", "cat", "env", "setsid", "sleep"];
/** How this host reaches a package registry, where that is not the ordinary way. */
const REGISTRY_VARIABLES =
  /^(npm_config_registry|uv_default_index|uv_index_url|pip_index_url|https?_proxy|no_proxy|ssl_cert_file|ssl_cert_dir|node_extra_ca_certs)$/i;
/** Output beyond this is forgotten, oldest first. */
const MAX_OUTPUT_CHARACTERS = 1 << 20;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** A command that does something to itself, and then runs the rest of its line. Then `uid` is its own business. */
  readonly through?: readonly string[];
}

export interface CribOptions {
  /** Whose home it is, and who runs everything in it; as root. Without it, whoever runs the tests. */
  readonly uid?: number;
}

export interface ServeOptions extends RunOptions {
  /** Arguments after `serve`; the default listens on a free port of 127.0.0.1. */
  readonly args?: readonly string[];
}

/** One home and everything in it. Removed, with every process that belongs to it, by `remove`. */
export class Crib {
  readonly directory: string;
  readonly home: string;
  readonly work: string;
  readonly #binary: string;
  readonly #path: string;
  readonly #uid: number | undefined;

  private constructor(directory: string, uid: number | undefined) {
    this.directory = directory;
    this.#uid = uid;
    this.home = join(directory, "home");
    this.work = join(directory, "work");
    this.#binary = join(directory, "bin", "toolcrib");
    this.#path = join(directory, "path");
  }

  static async create({ uid }: CribOptions = {}): Promise<Crib> {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is not there: run "npm run build" first`);
    const crib = new Crib(await mkdtemp(join(tmpdir(), "tc-")), uid);
    for (const name of ["", "bin", "work", "path", "user", "tmp"]) {
      const directory = join(crib.directory, name);
      await mkdir(directory, { recursive: true });
      if (uid !== undefined) await chown(directory, uid, uid);
    }
    await link(BINARY, crib.#binary).catch(() => copyFile(BINARY, crib.#binary));
    for (const name of PROGRAMS) {
      const program = Bun.which(name);
      if (program !== null) await symlink(program, join(crib.#path, name));
    }
    return crib;
  }

  /** A path below the working directory. */
  file(name: string): string {
    return join(this.work, name);
  }

  env(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    const registry = Object.entries(process.env).filter(([name]) => REGISTRY_VARIABLES.test(name));
    return {
      ...Object.fromEntries(registry.map(([name, value]) => [name, value ?? ""])),
      HOME: join(this.directory, "user"),
      PATH: this.#path,
      TMPDIR: join(this.directory, "tmp"),
      TOOLCRIB_HOME: this.home,
      ...extra,
    };
  }

  /** Runs one verb to its end. A verb that does not end is killed, and that is an error. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const timeoutMs = options.timeoutMs ?? 90_000;
    const child = this.#spawn(args, options);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const [code, stdout, stderr] = await Promise.all([
      child.exited,
      child.stdout.text(),
      child.stderr.text(),
    ]);
    clearTimeout(timer);
    if (child.signalCode === "SIGKILL") {
      throw new Error(`toolcrib ${args.join(" ")} did not end within ${timeoutMs} ms\n${stdout}\n${stderr}`);
    }
    return { code, stdout, stderr };
  }

  /** Runs a verb that has to succeed and returns what it printed. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`toolcrib ${args.join(" ")} ended with ${code}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** What a verb prints with --json. */
  async json(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.ok(...args, "--json"));
  }

  /** Starts a verb that stays, such as `logs -f`. The caller ends it. */
  start(args: readonly string[], options: RunOptions = {}): Follower {
    const child = this.#spawn(args, options);
    return new Follower(child);
  }

  /** An appliance that answers /readyz. */
  async serve(options: ServeOptions = {}): Promise<Appliance> {
    const args = ["serve", ...(options.args ?? ["--listen", "127.0.0.1:0"])];
    const follower = this.start(args, options);
    try {
      const url = await until("serve prints its URL", () => {
        if (follower.ended) throw new Error(`serve ended with ${follower.exitCode}\n${follower.output}`);
        return /http:\/\/127\.0\.0\.1:\d+/.exec(follower.output)?.[0];
      });
      await until("/readyz answers 200", async () => (await fetch(`${url}/readyz`)).ok);
      return new Appliance(follower, url);
    } catch (error) {
      await follower.kill("SIGKILL");
      throw new Error(`serve did not get ready\n${follower.output}`, { cause: error });
    }
  }

  async nothingRuns(timeoutMs?: number): Promise<void> {
    await nothingLeft(this.directory, timeoutMs);
  }

  /** Paths below the home, relative, directories with a slash at the end. */
  async homeListing(): Promise<readonly string[]> {
    if (!existsSync(this.home)) return [];
    const entries = await readdir(this.home, { recursive: true, withFileTypes: true });
    const prefix = `${this.home}/`.length;
    return entries.map(
      (entry) => join(entry.parentPath, entry.name).slice(prefix) + (entry.isDirectory() ? "/" : ""),
    );
  }

  /** The one SQLite database below the home. */
  async databaseFile(): Promise<string> {
    const found: string[] = [];
    for (const entry of await readdir(this.home, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.parentPath.includes("/node_modules/")) continue;
      const path = join(entry.parentPath, entry.name);
      if ((await Bun.file(path).slice(0, 15).text()) === "SQLite format 3") found.push(path);
    }
    const [database, ...more] = found;
    if (database === undefined || more.length > 0)
      throw new Error(`expected one database: ${found.join(", ")}`);
    return database;
  }

  async remove(): Promise<void> {
    await endAll(this.directory);
    await rm(this.directory, { recursive: true, force: true });
  }

  #spawn(args: readonly string[], options: RunOptions) {
    const { through } = options;
    const user = this.#uid === undefined || through !== undefined ? {} : { uid: this.#uid, gid: this.#uid };
    return Bun.spawn([...(through ?? []), this.#binary, ...args], {
      ...user,
      cwd: options.cwd ?? this.work,
      env: this.env(options.env),
      stdin: new Blob([options.stdin ?? ""]),
      stdout: "pipe",
      stderr: "pipe",
    });
  }
}

/** A verb that runs for a while; keeps the end of what it printed. */
export class Follower {
  readonly pid: number;
  readonly #child: Bun.Subprocess<Blob, "pipe", "pipe">;
  #output = "";

  constructor(child: Bun.Subprocess<Blob, "pipe", "pipe">) {
    this.#child = child;
    this.pid = child.pid;
    void this.#collect(child.stdout);
    void this.#collect(child.stderr);
  }

  /** stdout and stderr, as they came. */
  get output(): string {
    return this.#output;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Signals it and waits for its end; the exit code, or null where the signal ended it. */
  async kill(name: NodeJS.Signals, timeoutMs = 20_000): Promise<number | null> {
    if (!this.ended) signal(this.pid, name);
    await within(`process ${this.pid} ends after ${name}\n${this.output}`, this.#child.exited, timeoutMs);
    return this.#child.exitCode;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#output = (this.#output + decoder.decode(chunk, { stream: true })).slice(-MAX_OUTPUT_CHARACTERS);
    }
  }
}

/** A running appliance. */
export class Appliance {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly #follower: Follower;

  constructor(follower: Follower, url: string) {
    this.#follower = follower;
    this.url = url;
  }

  get pid(): number {
    return this.#follower.pid;
  }

  get output(): string {
    return this.#follower.output;
  }

  /** Stops it in good order, or not; the exit code, or null where the signal ended it. */
  stop(name: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    return this.#follower.kill(name);
  }

  mcp(server?: string): URL {
    return new URL(server === undefined ? "/mcp" : `/mcp/-/server/${server}`, this.url);
  }
}

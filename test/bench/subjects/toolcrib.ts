// Toolcrib as the bench measures it: the compiled executable in a home of its own, with servers and one token.

import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Crib, type Follower } from "../../e2e/appliance.ts";
import type { Subject } from "./subject.ts";

const START_DEADLINE_MS = 20_000;
const SERVERS = join(import.meta.dir, "../../servers");

export type CommandLine = readonly string[];
/** What runs, in the cage that everything has, or without one. */
export type Served = CommandLine | { readonly uncaged: CommandLine };
export const ECHO_SERVER: CommandLine = [process.execPath, join(SERVERS, "bench-echo.ts")];

/** A server of test/servers/raw.ts. */
export function rawServer(...args: readonly string[]): CommandLine {
  return [process.execPath, join(SERVERS, "raw.ts"), ...args];
}

/** A home that knows its servers. Starts of the appliance come and go; removed with everything at the end. */
export class Home implements AsyncDisposable {
  readonly crib: Crib;
  readonly token: string;

  private constructor(crib: Crib, token: string) {
    this.crib = crib;
    this.token = token;
  }

  /** Adds and starts the servers once, then stops the appliance. */
  static async create(servers: Readonly<Record<string, Served>>): Promise<Home> {
    await using stack = new AsyncDisposableStack();
    const crib = stack.adopt(await Crib.create(), (created) => created.remove());
    const appliance = await crib.serve();
    const document = { mcpServers: Object.fromEntries(Object.entries(servers).map(configured)) };
    await writeFile(crib.file("servers.json"), JSON.stringify(document));
    await crib.ok("add", "--yes", crib.file("servers.json"));
    const token = (await crib.ok("token", "create", "bench")).trim();
    await appliance.stop();
    stack.move();
    return new Home(crib, token);
  }

  /** A start of the appliance, from the moment the process is made to the line with its URL. */
  async start(): Promise<StartedToolcrib> {
    const since = performance.timeOrigin + performance.now();
    const follower = this.crib.start(["serve", "--listen", "127.0.0.1:0"]);
    const url = await printedUrl(follower);
    return {
      name: "toolcrib",
      since,
      target: { url: `${url}/mcp`, token: this.token },
      pid: follower.pid,
      [Symbol.asyncDispose]: async () => void (await follower.kill("SIGTERM")),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crib.remove();
  }
}

export interface StartedToolcrib extends Subject {
  /** Milliseconds since the epoch, with fractions. */
  readonly since: number;
}

/** The process below `ancestor` whose command line holds `part`. */
export function processBelow(ancestor: number, part: string): number {
  const children = childrenOf(ancestor);
  const found = children.find(
    (pid) => read(`/proc/${pid}/cmdline`).includes(part) && childrenOf(pid).length === 0,
  );
  if (found !== undefined) return found;
  for (const child of children) {
    const below = processBelow(child, part);
    if (below > 0) return below;
  }
  return 0;
}

async function printedUrl(follower: Follower): Promise<string> {
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(follower.output)?.[0];
    if (url !== undefined) return url;
    if (follower.ended || performance.now() > deadline)
      throw new Error(`serve printed no URL\n${follower.output}`);
    await Bun.sleep(1);
  }
}

function configured([name, served]: [string, Served]): [string, object] {
  const isUncaged = "uncaged" in served;
  const [command, ...args] = isUncaged ? served.uncaged : served;
  return [name, { command, args, ...(isUncaged ? { cage: { mode: "off" } } : {}) }];
}

/** Of every thread: a process may start its children from any. */
function childrenOf(pid: number): readonly number[] {
  const threads = [...new Bun.Glob("*/children").scanSync({ cwd: `/proc/${pid}/task`, onlyFiles: false })];
  return threads.flatMap((file) => read(`/proc/${pid}/task/${file}`).split(" ").filter(Boolean).map(Number));
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // It ended meanwhile.
    return "";
  }
}

// Talks to a stdio test server line by line, for the tests of this folder: no SDK, no appliance.

import { join } from "node:path";

export interface Talk {
  readonly pid: number;
  send(message: object): void;
  /** The first line of stdout, old or new, that holds `part`. */
  line(part: string): Promise<string>;
  /** The first line of stderr that holds `part`. */
  errorLine(part: string): Promise<string>;
  /** Bytes of stdout so far, complete lines or not. */
  readonly receivedBytes: number;
  /** Closes stdin and waits for the exit code. */
  end(): Promise<number>;
  /** Resolves with the exit code, without closing stdin. */
  readonly exited: Promise<number>;
  kill(): Promise<void>;
}

const DEADLINE_MS = 20_000;
const MAX_LINES = 10_000;

/** Starts `file` of this folder. With `hello`, says initialize and initialized at once. */
export function talkTo(file: string, args: readonly string[], hello = true): Talk {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file), ...args], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const output = follow(child.stdout);
  const errors = follow(child.stderr);
  const talk: Talk = {
    pid: child.pid,
    send: (message) => void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`),
    line: (part) => output.find(part),
    errorLine: (part) => errors.find(part),
    get receivedBytes() {
      return output.bytes();
    },
    end: async () => {
      await child.stdin.end();
      return child.exited;
    },
    exited: child.exited,
    kill: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
  if (hello) sayHello(talk);
  return talk;
}

/** Id 1 is the handshake's, 2 that of `tools/list`. */
export function sayHello(talk: Talk): void {
  const params = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "talk", version: "1" },
  };
  talk.send({ id: 1, method: "initialize", params });
  talk.send({ method: "notifications/initialized" });
  talk.send({ id: 2, method: "tools/list" });
}

function follow(stream: ReadableStream<Uint8Array>): {
  find(part: string): Promise<string>;
  bytes(): number;
} {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let bytes = 0;
  let ended = false;
  void read();
  return { find, bytes: () => bytes };

  async function read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      bytes += chunk.length;
      const [first = "", ...others] = decoder.decode(chunk, { stream: true }).split("\n");
      rest += first;
      for (const other of others) {
        if (lines.length < MAX_LINES) lines.push(rest);
        rest = other;
      }
      if (others.length > 0) for (const look of waiting) look();
    }
    ended = true;
    for (const look of waiting) look();
  }

  function find(part: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const give = (why: string): void =>
      reject(new Error(`${why}: no line with ${part} in ${lines.join("\n")}`));
    const timer = setTimeout(() => give("time is up"), DEADLINE_MS);
    const look = (): void => {
      const line = lines.find((candidate) => candidate.includes(part));
      if (line !== undefined) resolve(line);
      else if (ended) give("the stream ended");
    };
    waiting.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      waiting.delete(look);
    });
  }
}

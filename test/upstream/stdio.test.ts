// What is special about a server on its standard streams, beside the contract of all upstreams: how its start fails,
// noise on stdout, and bounds on what waits for it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uncaged } from "../../src/cage/launch-plan.ts";
import { bareStart } from "../../src/cage/prepared-start.ts";
import { installLauncher } from "../../src/cage/launcher.ts";
import { AppError, toAppError } from "../../src/errors.ts";
import { nullLog } from "../../src/log.ts";
import { OutputRing } from "../../src/process/output-ring.ts";
import { stdioConnector, type StdioOptions } from "../../src/upstream/stdio.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { callTool, textOf } from "../contract/call.ts";
import { until, within } from "../e2e/wait.ts";
import { isAlive } from "../process/launched.ts";

const RAW = join(import.meta.dir, "../servers/raw.ts");
const MIB = 1_048_576;

let directory = "";
let launcher = "";

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "toolcrib-stdio-"));
  launcher = await installLauncher(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Started {
  readonly connecting: Promise<Upstream>;
  readonly stderr: OutputRing;
  readonly pids: readonly number[];
}

function start(
  argv: readonly string[],
  options: Partial<StdioOptions> = {},
  signal: AbortSignal = new AbortController().signal,
): Started {
  const stderr = new OutputRing(65_536);
  const pids: number[] = [];
  const connector = stdioConnector({
    prepare: async () =>
      bareStart(uncaged({ argv, env: { PATH: "/usr/bin:/bin" }, cwd: directory, launcher })),
    clientInfo: { name: "toolcrib", version: "1" },
    startTimeoutMs: 30_000,
    maxLineBytes: 64 * MIB,
    maxQueuedBytes: MIB,
    stderr,
    log: nullLog,
    onSpawn: (pid) => pids.push(pid),
    ...options,
  });
  const connecting = connector.connect({ notification: () => undefined }, signal);
  // The tests look at it later.
  connecting.catch(() => undefined);
  return { connecting, stderr, pids };
}

const raw = (...args: readonly string[]): readonly string[] => [process.execPath, RAW, ...args];
const sh = (script: string): readonly string[] => ["/bin/sh", "-c", script];

async function failure({ connecting }: Started): Promise<AppError> {
  try {
    await connecting;
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error("it connected");
}

describe("a start that fails says why", () => {
  const cases: readonly (readonly [
    about: string,
    argv: readonly string[],
    timeoutMs: number,
    sentence: RegExp,
  ])[] = [
    [
      "exits at once",
      raw("exit-at-once"),
      30_000,
      /exited with code 2; its last line on stderr: missing API key$/,
    ],
    ["exits without a word", sh("exit 0"), 30_000, /exited with code 0$/],
    ["is killed", sh("kill -KILL $$"), 30_000, /was ended by SIGKILL$/],
    ["is not there", ["/no/such/program"], 30_000, /exited with code 127; .*No such file or directory/],
    ["is silent", raw("hang-initialize"), 600, /did not answer initialize within 0.6 s and wrote nothing\.$/],
    [
      "says something on stderr only",
      sh("echo waiting for a licence >&2; exec sleep 300"),
      600,
      /within 0.6 s; its last line on stderr: waiting for a licence$/,
    ],
    [
      "speaks another language",
      sh("read -r line; echo 'HTTP/1.1 400 Bad Request'; echo '<h1>'; exec sleep 300"),
      600,
      /it wrote 2 lines to stdout that are no MCP messages, the first: HTTP\/1.1 400 Bad Request$/,
    ],
    ["is of another time", raw("old", "2031-01-01"), 30_000, /speaks protocol revision 2031-01-01/],
    [
      "refuses",
      sh(
        `read -r line; echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no licence"}}'; cat >&2`,
      ),
      30_000,
      /answered initialize with an error: .*no licence/,
    ],
    [
      "answers nonsense",
      sh(`read -r line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}'; cat >&2`),
      30_000,
      /lacks protocolVersion or capabilities/,
    ],
    [
      "answers what is no JSON",
      sh(
        `read -r line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"a":x y}}}'; cat >&2`,
      ),
      600,
      /initialize/,
    ],
    [
      "claims in a word that is none",
      sh(
        `read -r line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":yes}}}'; cat >&2`,
      ),
      30_000,
      /lacks protocolVersion or capabilities/,
    ],
  ];
  test.each(cases)("%s", async (about, argv, startTimeoutMs, sentence) => {
    const started = start(argv, { startTimeoutMs });
    const error = await within("the failure", failure(started));
    expect(error.code).toBe(about === "is not there" ? "blocked" : "start-failed");
    expect(error.message).toMatch(sentence);
    expect(started.pids.filter(isAlive)).toEqual([]);
  });

  test("when there is no plan for it", async () => {
    const planned = start([], {
      prepare: () => Promise.reject(new AppError("start-failed", "uv is not installed.")),
    });
    expect((await failure(planned)).message).toBe("uv is not installed.");
    expect(planned.pids).toEqual([]);
  });

  test("when its directory is not there", async () => {
    const plan = uncaged({ argv: ["/bin/cat"], env: {}, cwd: join(directory, "none"), launcher });
    const error: unknown = await start([], {
      prepare: () => Promise.resolve(bareStart(plan)),
    }).connecting.catch(toAppError);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: "blocked" });
    expect(String(error)).toContain("No such file or directory");
  });
});

describe("called off", () => {
  test("in the middle of the handshake, nothing is left, and initialize is not cancelled", async () => {
    const abort = new AbortController();
    const started = start(sh("echo up >&2; cat >&2"), {}, abort.signal);
    await until("it has read initialize", () => started.stderr.text().includes('"method":"initialize"'));
    abort.abort(new AppError("server-lost", "The server is being stopped."));
    await within("the failure", failure(started));
    expect(started.pids.filter(isAlive)).toEqual([]);
    // MCP, Cancellation: initialize must not be cancelled.
    expect(started.stderr.text()).not.toContain("notifications/cancelled");
  });

  test("while it is planned, nothing is started", async () => {
    const abort = new AbortController();
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<StdioOptions["prepare"]>>>();
    const started = start([], { prepare: () => promise }, abort.signal);
    abort.abort(new AppError("server-lost", "The server is being stopped."));
    resolve(bareStart(uncaged({ argv: ["/bin/cat"], env: {}, cwd: directory, launcher })));
    expect((await failure(started)).code).not.toBe("internal");
    expect(started.pids).toEqual([]);
  });
});

describe("a server with secrets", () => {
  const secrets = ["tell-nobody-1"];
  test.each([
    ["on stderr", "echo bad key tell-nobody-1 >&2; exit 3", "stderr: bad key [secret]"],
    ["at the cut", `printf '%0294d tell-nobody-1' 0 >&2; exit 3`, "exited with code 3"],
    [
      "in a refusal",
      `read -r line; echo '{"jsonrpc":"2.0","id":1,"error":{"m":"tell-nobody-1"}}'; cat`,
      "[secret]",
    ],
    ["on stdout", "echo tell-nobody-1; exec sleep 300", "the first: [secret]"],
  ])("that it says %s, before it is ready, keeps them", async (_where, script, sentence) => {
    const { message } = await failure(start(sh(script), { secrets, startTimeoutMs: 600 }));
    expect(message).toContain(sentence);
    expect(message).not.toContain("tell-");
  });
});

test("a start that makes progress without end is late all the same", async () => {
  const progress =
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}';
  const script = `read -r line; while echo '${progress}'; do sleep 0.1; done`;
  const started = start(sh(script), { startTimeoutMs: 600 });
  const { message } = await within("the failure", failure(started));
  expect(message).toContain("did not answer initialize within 0.6 s");
  expect(started.pids.filter(isAlive)).toEqual([]);
});

describe("noise on stdout", () => {
  test("is skipped, shown in the log of the server, and harms no call", async () => {
    const { connecting, stderr } = start(raw("garbage"));
    const upstream = await connecting;
    for (let call = 0; call < 4; call++) expect(await textOf(callTool(upstream, "find"))).toBe("found");
    const shown = stderr
      .text()
      .split("\n")
      .filter((line) => line.includes("skipped a line on stdout"));
    expect(shown[0]).toContain("*** My Great Server v1.0 ***");
    // However much there is, so many are shown.
    expect(shown).toHaveLength(20);
    expect(stderr.text()).toContain("further lines that are no messages are skipped without a word");
    expect(stderr.text()).not.toContain("\u001b");
    await upstream.close();
  });
});

describe("a server that does not read", () => {
  test("is called busy when too much waits, and the calls it never took are told", async () => {
    const { connecting, stderr } = start(raw("never-reads"));
    const upstream = await connecting;
    await until("it stopped reading", () => stderr.text().includes("stopped reading"));
    const filler = { filler: "x".repeat(100_000) };
    const calls = Array.from({ length: 40 }, () => callTool(upstream, "any", filler));
    const refused = calls.filter(({ heard }) => heard.length > 0);
    expect(refused.length).toBeGreaterThan(20);
    const told = await refused[0]?.outcome;
    expect(told).toMatchObject({ kind: "lost", code: "server-busy" });
    expect(told?.kind === "lost" ? told.sentence : "").toContain("does not read its input");
    expect(upstream.inFlight).toBe(calls.length - refused.length);

    await upstream.close();
    for (const call of calls) {
      expect((await call.outcome).kind).toBe("lost");
      expect(call.heard).toEqual(["lost"]);
    }
    expect(upstream.inFlight).toBe(0);
  }, 20_000);
});

describe("a server that ends", () => {
  test("in the middle of a call: the call hears the last line of stderr", async () => {
    const upstream = await start(raw("exit-after", "1")).connecting;
    expect(await textOf(callTool(upstream, "count"))).toBe("0 left");
    const outcome = await callTool(upstream, "count").outcome;
    expect(outcome).toEqual({
      kind: "lost",
      code: "server-lost",
      sentence: "The server exited with code 4; its last line on stderr: gone after 1 calls",
    });
    expect((await upstream.closed).message).toContain("exited with code 4");
    // And who comes later is told at once.
    const late = await callTool(upstream, "count").outcome;
    expect(late).toMatchObject({ kind: "lost", code: "server-lost" });
    upstream.notify("notifications/anything", undefined);
    await upstream.close();
  });

  test("with a line over the limit: so do its calls", async () => {
    const { connecting } = start(raw("endless-line", "call", "8"), { maxLineBytes: MIB });
    const upstream = await connecting;
    const outcome = await callTool(upstream, "flood").outcome;
    // What it says of its closed pipe on stderr is not why it ended.
    expect(outcome).toMatchObject({ kind: "lost", sentence: "The server sent a line over 1 MiB" });
  });
});

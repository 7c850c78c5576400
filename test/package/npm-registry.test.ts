// A real server from the real registry, installed once; from then on neither a second installation nor a start needs
// the network. The only test of this room that leaves the machine.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { type PinnedPackage, StdioSpec } from "../../src/model/server-spec.ts";
import { installNpm } from "../../src/package/npm.ts";
import { needsInstall, resolveLaunch } from "../../src/package/resolve.ts";

setDefaultTimeout(120_000);

const PACKAGE = "@modelcontextprotocol/server-everything";
const VERSION = "2026.8.31";
const SPEC = v.parse(StdioSpec, {
  kind: "stdio",
  command: "npx",
  args: ["-y", `${PACKAGE}@${VERSION}`, "stdio"],
});
/** Nobody listens there. */
const CLOSED = "http://127.0.0.1:1/";

let home: string;
let pinned: PinnedPackage;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "toolcrib-registry-"));
  pinned = await install(process.env, "cache");
});
afterAll(() => rm(home, { recursive: true, force: true }));

function install(host: Readonly<Record<string, string | undefined>>, cache: string): Promise<PinnedPackage> {
  const wanted = needsInstall(SPEC);
  if (wanted === undefined) throw new Error("no package");
  return installNpm({
    ...wanted,
    vaultDirectory: join(home, "vault"),
    cacheDirectory: join(home, cache),
    self: process.execPath,
    launcher: undefined,
    host,
    progress: () => {},
    signal: new AbortController().signal,
  });
}

test("it is pinned, with its hash and those of all that it needs", async () => {
  expect(pinned).toMatchObject({
    name: PACKAGE,
    version: VERSION,
    entry: `node_modules/${PACKAGE}/dist/index.js`,
  });
  const lock = await readFile(join(home, "vault", pinned.directory, "bun.lock"), "utf8");
  expect(lock).toContain(pinned.integrity);
  expect(lock.match(/"sha512-/g)?.length).toBeGreaterThan(50);
});

test("a second installation needs neither network nor cache", async () => {
  expect(await install({ NPM_CONFIG_REGISTRY: CLOSED, HTTPS_PROXY: CLOSED }, "other-cache")).toEqual(pinned);
});

test("it answers initialize without network, PATH, node and bun, in a hostile directory", async () => {
  const workDirectory = join(home, "work");
  await mkdir(workDirectory);
  await writeFile(join(workDirectory, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
  await writeFile(join(workDirectory, "preload.ts"), 'await Bun.write("preloaded", "");\n');
  await writeFile(join(workDirectory, ".env"), "NODE_OPTIONS=--no-such-option\n");
  const places = { vaultDirectory: join(home, "vault"), self: process.execPath, path: "", workDirectory };
  const launch = resolveLaunch(SPEC, pinned, places);
  const env = { HTTPS_PROXY: CLOSED, HTTP_PROXY: CLOSED, NPM_CONFIG_REGISTRY: CLOSED, ...launch.env };
  const child = Bun.spawn([launch.file, ...launch.args], {
    cwd: workDirectory,
    env,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  try {
    const params = {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "test", version: "0" },
    };
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`);
    child.stdin.flush();
    const answer = JSON.parse(await firstLine(child.stdout));
    expect(answer).toMatchObject({ jsonrpc: "2.0", id: 1, result: { protocolVersion: "2025-06-18" } });
    expect(await Bun.file(join(workDirectory, "preloaded")).exists()).toBe(false);
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
});

async function firstLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end !== -1) return text.slice(0, end);
  }
  throw new Error(`the server ended without an answer: ${text}`);
}

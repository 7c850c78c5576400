// Real servers from the real index, installed once; from then on neither a second installation nor a start needs the
// network. The only Python test of this room that leaves the machine.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { type PinnedPackage, StdioSpec } from "../../src/model/server-spec.ts";
import { installPypi } from "../../src/package/pypi.ts";
import { needsInstall, resolveLaunch } from "../../src/package/resolve.ts";
import { hostPython, NO_PYTHON } from "./pypi-scene.ts";

setDefaultTimeout(120_000);

const python = await hostPython();
/** Nobody listens there. */
const CLOSED = "http://127.0.0.1:1/";
const SPEC = v.parse(StdioSpec, {
  kind: "stdio",
  command: "uvx",
  args: ["mcp-server-time@2026.10.19", "--local-timezone", "UTC"],
});

describe.skipIf(python === undefined)(`from the index (${NO_PYTHON})`, () => {
  let home: string;
  let pinned: PinnedPackage;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "toolcrib-index-"));
    pinned = await install(process.env, "cache");
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  function install(
    host: Readonly<Record<string, string | undefined>>,
    cache: string,
  ): Promise<PinnedPackage> {
    const wanted = needsInstall(SPEC);
    if (wanted?.kind !== "pypi") throw new Error("no Python package");
    return installPypi({
      ...wanted,
      allowBuild: [],
      vaultDirectory: join(home, "vault"),
      cacheDirectory: join(home, cache),
      launcher: undefined,
      host,
      progress: () => {},
      signal: new AbortController().signal,
    });
  }

  test("is installed, and a second time costs nothing", async () => {
    expect(pinned).toMatchObject({ ecosystem: "pypi", version: "2026.10.19", entry: "bin/mcp-server-time" });
    expect(await install({ UV_DEFAULT_INDEX: CLOSED }, "empty")).toEqual(pinned);
  });

  test("starts without a network and answers", async () => {
    const workDirectory = join(home, "work");
    await mkdir(workDirectory, { recursive: true });
    const launch = resolveLaunch(SPEC, pinned, {
      vaultDirectory: join(home, "vault"),
      self: process.execPath,
      path: "/usr/bin:/bin",
      workDirectory,
    });
    const child = Bun.spawn([launch.file, ...launch.args], {
      cwd: workDirectory,
      env: { HTTPS_PROXY: CLOSED, HOME: workDirectory, ...launch.env },
      stdio: ["pipe", "pipe", "ignore"],
    });
    const hello = {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "test", version: "0" },
    };
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: hello })}\n`);
    await child.stdin.flush();
    const { value } = await child.stdout.getReader().read();
    child.kill();
    await child.exited;
    const answer = JSON.parse(
      Buffer.from(value ?? [])
        .toString("utf8")
        .split("\n")[0] ?? "",
    );
    expect(answer).toMatchObject({ id: 1, result: { serverInfo: { name: "mcp-time" } } });
  });
});

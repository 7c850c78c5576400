// A Python of the vault's own: which one is asked for, and that it comes whole, read-only and checked, or not at all.
// The builds are small archives on a loopback port.

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { installRun } from "../../src/package/install-run.ts";
import { fetchPython, managedFolders, pythonToFetch } from "../../src/package/python-managed.ts";
import type { Interpreter } from "../../src/package/python-interpreters.ts";
import { failure, list } from "./npm-scene.ts";
import { realUv } from "./pypi-scene.ts";
import { readTreeFiles } from "./tree-files.ts";

setDefaultTimeout(30_000);

test.each([
  ["3.12", undefined, "3.12"],
  ["3.12.1", ">=3.13", "3.12.1"],
  [undefined, undefined, "3.13"],
  [undefined, ">=3.10", "3.13"],
  [undefined, ">=3.14", ">=3.14"],
  [undefined, ">=3.10,<3.13", ">=3.10,<3.13"],
])("wanted %p, needed %p: %s", (wanted, needed, expected) => {
  expect(pythonToFetch(wanted, needed)).toBe(expected);
});

describe("fetched", () => {
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  const key = `cpython-3.13.7-linux-${arch}-gnu`;
  let home: string;
  let vault: string;
  let staging: string;
  let claims: string | undefined;
  let source: Bun.Server<undefined>;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "toolcrib-python-"));
    vault = join(home, "vault");
    staging = join(vault, ".staging-test");
    await mkdir(staging, { recursive: true });
    claims = undefined;
    const archive = build();
    source = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => (url.endsWith(".json") ? Response.json(listOf(archive)) : new Response(archive)),
    });
  });
  afterEach(async () => {
    await source.stop(true);
    await rm(home, { recursive: true, force: true });
  });

  /** NB: Bun.Archive knows no modes, and an interpreter has to be executable. */
  function build(): Uint8Array<ArrayBuffer> {
    const files = {
      "bin/python3.13": "#!/bin/sh\nexit 0\n",
      "lib/python3.13/os.py": "",
      [`lib/python3.13/_sysconfigdata__linux_${arch}-linux-gnu.py`]:
        "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n",
    };
    for (const [path, text] of Object.entries(files)) {
      const file = join(home, "python", path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode: 0o755 });
    }
    const { stdout } = Bun.spawnSync(["tar", "-cz", "-C", home, "python"]);
    return new Uint8Array(stdout);
  }

  function listOf(archive: Uint8Array): unknown {
    const sha256 = claims ?? new Bun.CryptoHasher("sha256").update(archive).digest("hex");
    const url = `http://127.0.0.1:${source.port}/cpython-3.13.7%2B20260101-install_only_stripped.tar.gz`;
    const version = { major: 3, minor: 13, patch: 7, prerelease: "", build: "20260101", variant: null };
    return {
      [key]: {
        name: "cpython",
        arch: { family: arch, variant: null },
        os: "linux",
        libc: "gnu",
        url,
        sha256,
        ...version,
      },
    };
  }

  async function fetchOne(wanted: string): Promise<Interpreter> {
    const host = {
      UV_PYTHON_DOWNLOADS_JSON_URL: `http://127.0.0.1:${source.port}/list.json`,
      UV_HTTP_RETRIES: "0",
    };
    const scene = {
      uv: await realUv(),
      host,
      registry: undefined,
      cacheDirectory: join(home, "cache"),
      staging,
      fileAddresses: [],
    };
    const signal = AbortSignal.timeout(20_000);
    const { run } = installRun({ title: "x", launcher: undefined, signal });
    return fetchPython(scene, run, vault, wanted, "tool needs Python 3.13, which this host does not have");
  }

  test("whole and read-only, where it is found again", async () => {
    const path = join(vault, "tools", key, "bin/python3.13");
    expect(await fetchOne("3.13")).toEqual({ path, version: "3.13.7", home: join(vault, "tools", key) });
    for (const file of readTreeFiles(join(vault, "tools", key))) {
      expect([file.path, file.mode & 0o222]).toEqual([file.path, 0]);
    }
    expect(statSync(path).mode & 0o777).toBe(0o555);
    expect(await managedFolders(vault)).toEqual([join(vault, "tools", key, "bin")]);
  });

  test("not with another hash", async () => {
    claims = "0".repeat(64);
    const error = await failure(fetchOne("3.13"));
    expect(error.code).toBe("install-failed");
    expect(error.message).toMatch(
      /which this host does not have, and its download failed: install Python 3\.13 with the/,
    );
    expect(await list(join(vault, "tools"))).toEqual([]);
  });

  test("not where there is none of that version", async () => {
    const error = await failure(fetchOne(">=3.99"));
    expect(error.message).toMatch(/there is no build of it for this host: install Python >=3\.99 with/);
    expect(await list(join(vault, "tools"))).toEqual([]);
  });

  test("not without a network", async () => {
    await source.stop(true);
    const error = await failure(fetchOne("3.13"));
    expect(error.code).toBe("install-failed");
    expect(error.message).toMatch(/install Python 3\.13 with the package manager of this host/);
    expect(await managedFolders(vault)).toEqual([]);
    expect(await readdir(vault)).toEqual([".staging-test"]);
  });
});

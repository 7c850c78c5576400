// The stage for tests of Python installations: an index on a loopback port, a home of their own, emptied after each
// test, and a real uv, which is fetched once for all runs where the host has none. Called by the pypi-*.test.ts.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type PypiInstall, installPypi } from "../../src/package/pypi.ts";
import { findInterpreters, type Interpreter } from "../../src/package/python-interpreters.ts";
import { findUv } from "../../src/package/uv.ts";
import type { PinnedPackage } from "../../src/model/server-spec.ts";
import { type FakeIndex, type FakeProject, startFakeIndex } from "./fake-pypi.ts";
import { list, processesIn } from "./npm-scene.ts";

const SHARED = resolve(import.meta.dir, "../../node_modules/.cache/toolcrib-test");
export const HOST_PATH = "/usr/local/bin:/usr/bin:/bin";

/** The Python that installations of these tests go to; without one there is nothing to test. */
export async function hostPython(): Promise<Interpreter | undefined> {
  return (await findInterpreters({ PATH: HOST_PATH }, undefined, []))[0];
}

export const NO_PYTHON = "needs Python 3.10 or newer in /usr/bin (apt install python3)";

export async function realUv(): Promise<string> {
  return findUv({
    host: process.env,
    registry: undefined,
    vaultDirectory: SHARED,
    signal: AbortSignal.timeout(120_000),
    onDownload: () => {},
  });
}

export interface PypiScene {
  readonly index: FakeIndex;
  readonly home: string;
  readonly vault: string;
  /** Made when a source archive is built. */
  readonly buildMark: string;
  /** An installation that goes to this index and this home, unless `more` says otherwise. */
  request(name: string, more?: Partial<PypiInstall>): PypiInstall;
  install(name: string, more?: Partial<PypiInstall>): Promise<PinnedPackage>;
  /** Everything in the vault: what is installed, and what was left half-made. */
  inVault(): Promise<readonly string[]>;
  /** Processes that work in a staging directory of this vault. */
  installers(): Promise<readonly number[]>;
  wasBuilt(): boolean;
  /** As it was in the beginning. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function openPypiScene(projects: readonly FakeProject[]): Promise<PypiScene> {
  const home = await mkdtemp(join(tmpdir(), "toolcrib-pypi-"));
  const vault = join(home, "vault");
  const buildMark = join(home, "built");
  const index = await startFakeIndex(projects, buildMark);
  const uv = await realUv();
  const empty = (): Promise<void> => rm(home, { recursive: true, force: true });
  const request = (name: string, more: Partial<PypiInstall> = {}): PypiInstall => ({
    packageSpec: { name, wanted: "latest" },
    extras: [],
    with: [],
    bin: undefined,
    python: undefined,
    prereleases: false,
    registry: undefined,
    allowBuild: [],
    vaultDirectory: vault,
    cacheDirectory: join(home, "cache"),
    launcher: undefined,
    host: {
      HOME: home,
      PATH: HOST_PATH,
      UV_DEFAULT_INDEX: index.url,
      // One attempt: what does not answer here does not answer later either. No Python is fetched from elsewhere.
      UV_HTTP_RETRIES: "0",
      UV_PYTHON_INSTALL_MIRROR: "http://127.0.0.1:1",
    },
    uv,
    progress: () => {},
    signal: new AbortController().signal,
    ...more,
  });
  return {
    index,
    home,
    vault,
    buildMark,
    request,
    install: (name, more) => installPypi(request(name, more)),
    async inVault() {
      const [top, installed] = await Promise.all([list(vault), list(join(vault, "pypi"))]);
      const packages = installed.filter((name) => !name.endsWith(".tree"));
      return [...top.filter((name) => name !== "pypi"), ...packages];
    },
    installers: () => processesIn(join(vault, ".staging-")),
    wasBuilt: () => existsSync(buildMark),
    async clear() {
      index.failWith = undefined;
      index.html = false;
      index.asked.length = 0;
      index.authorized.length = 0;
      index.release();
      await empty();
      await mkdir(home);
    },
    async close() {
      await index.stop();
      await empty();
    },
  };
}

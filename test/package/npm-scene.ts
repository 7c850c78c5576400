// The stage for tests of installations: a registry on a loopback port and a home of their own, emptied after each
// test. Called by npm.test.ts and npm-interrupted.test.ts.

import { mkdir, mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import type { NpmInstall } from "../../src/package/npm.ts";
import { type FakePackage, type FakeRegistry, startFakeRegistry } from "./fake-registry.ts";

export interface Scene {
  readonly registry: FakeRegistry;
  readonly home: string;
  readonly vault: string;
  /** An installation that goes to this registry and this home, unless `more` says otherwise. */
  request(name: string, wanted?: string, more?: Partial<NpmInstall>): NpmInstall;
  /** Everything in the vault: what is installed, and what was left half-made. */
  inVault(): Promise<readonly string[]>;
  /** Processes that work in a staging directory of this vault. */
  installers(): Promise<readonly number[]>;
  /** As it was in the beginning. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function openScene(packages: readonly FakePackage[]): Promise<Scene> {
  const registry = await startFakeRegistry(packages);
  const home = await mkdtemp(join(tmpdir(), "toolcrib-npm-"));
  const vault = join(home, "vault");
  const empty = (): Promise<void> => rm(home, { recursive: true, force: true });
  return {
    registry,
    home,
    vault,
    request: (name, wanted = "latest", more = {}) => ({
      packageSpec: { name, wanted },
      bin: undefined,
      vaultDirectory: vault,
      cacheDirectory: join(home, "cache"),
      self: process.execPath,
      launcher: undefined,
      host: { HOME: home, NPM_CONFIG_REGISTRY: registry.url },
      progress: () => {},
      signal: new AbortController().signal,
      ...more,
    }),
    async inVault() {
      const [top, installed] = await Promise.all([list(vault), list(join(vault, "npm"))]);
      const trees = installed.filter((name) => !name.endsWith(".tree"));
      return [...top.filter((name) => name !== "npm"), ...trees];
    },
    installers: () => processesIn(join(vault, ".staging-")),
    async clear() {
      registry.failWith = undefined;
      registry.release();
      await empty();
      await mkdir(home);
    },
    async close() {
      await registry.stop();
      await empty();
    },
  };
}

/** The AppError that `promise` ends with; anything else is thrown. */
export async function failure(promise: Promise<unknown>): Promise<AppError> {
  const thrown = await promise.then(
    () => new Error("it went well"),
    (reason: unknown) => reason,
  );
  if (thrown instanceof AppError) return thrown;
  throw thrown;
}

export async function list(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => []);
}

export async function processesIn(prefix: string): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
      return cwd.startsWith(prefix) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

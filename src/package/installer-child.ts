// The children of an installation: how one is started, ended and listened to, and what it may know of the appliance's
// environment. Called by install-run.ts and by the steps of each kind of package.

import { homedir } from "node:os";
import { join } from "node:path";
import { type NpmSettings, registryHosts } from "./npm-settings.ts";

/** Output kept for an explanation; the rest is read and dropped, so that the child never waits for us. */
const MAX_OUTPUT_BYTES = 64 * 1024;

// What an installer may know of the appliance's environment: where the user's npm settings are, how to reach a
// registry, and the variables that an .npmrc usually names. BUN_OPTIONS and NODE_OPTIONS are not among them: they
// would run code.
const PASSED = (
  "PATH HOME XDG_CONFIG_HOME LANG " +
  "NPM_CONFIG_REGISTRY npm_config_registry BUN_CONFIG_REGISTRY NPM_CONFIG_TOKEN npm_config_token BUN_CONFIG_TOKEN " +
  "NPM_TOKEN NODE_AUTH_TOKEN " +
  "HTTP_PROXY http_proxy HTTPS_PROXY https_proxy NO_PROXY no_proxy " +
  "SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS"
).split(" ");

export interface Installer {
  /** This executable, which acts as Bun. */
  readonly self: string;
  /** The helper that ends the child with the appliance; without one, the child watches its parent by itself. */
  readonly launcher: string | undefined;
  /** The appliance's own environment; only a list of names passes. */
  readonly host: Readonly<Record<string, string | undefined>>;
  /** What was downloaded stays below it for the next installation; may be emptied at any time. */
  readonly cacheDirectory: string;
  /** Settings of npm that take the place of the user's own. */
  readonly npmSettings?: NpmSettings | undefined;
  /** What starts each child; without one it has all rights of the appliance. */
  readonly start?: StartStep | undefined;
}

export interface InstallerEnd {
  readonly exitCode: number;
  /** The first 64 KiB of stdout and stderr. */
  readonly output: string;
}

/** One child of an installation, complete: no inherited environment. */
export interface InstallStep {
  /** An absolute path, then its arguments. Holds no secret. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Directories that it writes to. */
  readonly writes: readonly string[];
  /** Paths that it reads beside those and the system's own. */
  readonly reads?: readonly string[];
  /** `host:port` of the registries and proxies that it has reason to reach. */
  readonly reaches?: readonly string[];
}

/** A child that was started. */
export interface InstallProcess {
  readonly exited: Promise<number>;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Ends it and all below it. Does nothing when it has ended. */
  kill(): void;
}

/** How a child is started: what confines installations is one of these. */
export type StartStep = (step: InstallStep) => InstallProcess;

/** This executable as Bun's package manager, at work in `directory`. */
export function installerStep(installer: Installer, directory: string, args: readonly string[]): InstallStep {
  return {
    argv: [installer.self, ...args],
    env: installerEnvironment(installer, directory),
    cwd: directory,
    writes: [directory, installer.cacheDirectory],
    reads: installer.npmSettings === undefined ? [] : [installer.npmSettings.path],
    reaches: registryHosts(installer, args),
  };
}

/** Resolves when the child and all below it are gone, also after `signal`, which kills it. */
export async function runStep(
  step: InstallStep,
  launcher: string | undefined,
  signal: AbortSignal,
  start: StartStep = (plain) => startPlainly(plain, launcher),
): Promise<InstallerEnd> {
  const child = start(step);
  const kill = (): void => child.kill();
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  try {
    const [exitCode, out, err] = await Promise.all([
      child.exited,
      readHead(child.stdout),
      readHead(child.stderr),
    ]);
    return { exitCode, output: err + out };
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

/** The launcher ends all below it by itself; without one, all are in the child's own process group. */
function startPlainly(step: InstallStep, launcher: string | undefined): InstallProcess {
  const argv = launcher === undefined ? step.argv : [launcher, String(process.pid), "--", ...step.argv];
  const child = Bun.spawn([...argv], {
    cwd: step.cwd,
    env: step.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const { pid, exited, stdout, stderr } = child;
  return {
    exited,
    stdout,
    stderr,
    kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      if (launcher === undefined) process.kill(-pid, "SIGKILL");
      else process.kill(pid, "SIGUSR1");
    },
  };
}

function installerEnvironment(installer: Installer, directory: string): Record<string, string> {
  const env: Record<string, string> = { HOME: homedir() };
  for (const name of PASSED) {
    const value = installer.host[name];
    if (value !== undefined && value !== "") env[name] = value;
  }
  return {
    ...env,
    ...(installer.npmSettings === undefined ? {} : { NPM_CONFIG_USERCONFIG: installer.npmSettings.path }),
    BUN_BE_BUN: "1",
    BUN_INSTALL_CACHE_DIR: join(installer.cacheDirectory, "npm"),
    // Inside the staging directory, so that what an interrupted run leaves is swept with it.
    BUN_TMPDIR: directory,
    // Ends when its parent does, a kill -9 of the appliance included.
    BUN_FEATURE_FLAG_NO_ORPHANS: "1",
    // A registry of the company's own is often certified by an authority of the company's own.
    NODE_USE_SYSTEM_CA: "1",
    NO_COLOR: "1",
  };
}

async function readHead(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  for await (const chunk of stream) {
    const head = chunk.subarray(0, MAX_OUTPUT_BYTES - keptBytes);
    if (head.byteLength === 0) continue;
    kept.push(head);
    keptBytes += head.byteLength;
  }
  return Buffer.concat(kept).toString("utf8");
}

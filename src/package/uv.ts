// Finds a uv to install Python packages with: the host's, where it is a program of its own and new enough, else the
// vault's, which is fetched once and looked at before each use. Called by pypi.ts.

import { chmod, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../errors.ts";
import { readEntryKind } from "./entry.ts";
import { findProgram } from "./program.ts";
import { openIndex } from "./pypi-index.ts";
import { makeStaging, publish, removeStaging } from "./staging.ts";
import { seal } from "./seal.ts";
import { fetchUv, UV_VERSION, type UvWheel, uvWheel } from "./uv-wheel.ts";

/** The first that says everything as pypi-error.ts expects it. NB: before 0.11.15 a wheel could write anywhere. */
const OLDEST = "0.13.0";
const ANSWER_MS = 10_000;

export interface UvRequest {
  /** The appliance's own environment: PATH, and where the index is. */
  readonly host: Readonly<Record<string, string | undefined>>;
  /** Wins over the index of the environment. */
  readonly registry: string | undefined;
  /** Absolute. */
  readonly vaultDirectory: string;
  readonly signal: AbortSignal;
  /** Called before something is downloaded. */
  readonly onDownload: (what: string) => void;
  /** For tests; the one of this processor. */
  readonly wheel?: UvWheel;
}

/** Absolute path of a uv. @throws AppError `install-failed`, `bad-configuration`, `interrupted`, `no-space` */
export async function findUv(request: UvRequest): Promise<string> {
  const own = await uvOfHost(request.host["PATH"] ?? "");
  if (own !== undefined) return own;
  const wheel = request.wheel ?? uvWheel(process.arch);
  if (wheel === undefined) {
    throw new AppError(
      "install-failed",
      `Python packages are installed with uv, and none is known for ${process.arch}: install uv ${OLDEST} or newer.`,
    );
  }
  const directory = join(request.vaultDirectory, "tools", `uv-${UV_VERSION}-${wheel.program.slice(0, 12)}`);
  const program = join(directory, "uv");
  if (await isProgram(program, wheel.program)) return program;
  request.onDownload(`uv ${UV_VERSION}`);
  await install(directory, wheel, request);
  return program;
}

/** NB: a uv that is a script (a shim of a version manager) works for one user at a terminal, and not in a cage. */
async function uvOfHost(path: string): Promise<string | undefined> {
  const found = findProgram("uv", path, "/");
  if (found === undefined) return undefined;
  const program = await realpath(found);
  const kind = readEntryKind(program);
  if (kind.kind !== "direct" || kind.interpreter !== undefined) return undefined;
  const child = Bun.spawn([program, "--version"], {
    env: {},
    stdio: ["ignore", "pipe", "ignore"],
    timeout: ANSWER_MS,
    killSignal: "SIGKILL",
  });
  const version = /^uv (\d+\.\d+\.\d+)/.exec(await child.stdout.text())?.[1];
  return version !== undefined && Bun.semver.order(version, OLDEST) >= 0 ? program : undefined;
}

async function install(directory: string, wheel: UvWheel, request: UvRequest): Promise<void> {
  const client = await openIndex(request.host, request.registry, request.signal);
  const bytes = await fetchUv(client, wheel);
  const staging = await makeStaging(request.vaultDirectory);
  try {
    await writeFile(join(staging, "uv"), bytes);
    await chmod(join(staging, "uv"), 0o755);
    await seal(staging, "uv");
    // What is there now is not the program that it should be.
    await rm(directory, { recursive: true, force: true });
    await publish(staging, directory);
  } finally {
    await removeStaging(staging);
  }
}

async function isProgram(path: string, sha256: string): Promise<boolean> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) return false;
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex") === sha256 && (facts.mode & 0o111) !== 0;
}

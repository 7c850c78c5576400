// Puts the launcher, which is embedded in the executable, where the system can run it. What it does is told in
// launcher/launcher.c. app.ts calls installLauncher once, at start.

import { constants } from "node:fs";
import { mkdir, open, rename, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { AppError, systemErrorCode, toAppError } from "../errors.ts";
import launcherArm64 from "./launcher/launcher-arm64" with { type: "file" };
import launcherX64 from "./launcher/launcher-x64" with { type: "file" };
import sums from "./launcher/SHA256SUMS" with { type: "text" };

const EMBEDDED: Readonly<Record<string, string>> = {
  "launcher-arm64": launcherArm64,
  "launcher-x64": launcherX64,
};

/** The file is read and run by its owner; nobody writes to it. */
const MODE = 0o555;

/** The self-test takes a millisecond; a host on its knees gets more. */
const SELF_TEST_TIMEOUT_MS = 10_000;

interface Program {
  readonly bytes: Uint8Array;
  /** SHA-256, hex. */
  readonly hash: string;
}

/**
 * Makes sure that the launcher of this very build stands in `directory`, whole and untouched, and that it runs.
 * Whoever can write to `directory` can replace it: the directory belongs to the appliance alone.
 * @returns its absolute path.
 * @throws AppError `bad-configuration` when `directory` cannot be written or programs cannot run from it, when the
 * host lacks what a launch needs, or the executable is damaged; `no-space`.
 */
export async function installLauncher(directory: string): Promise<string> {
  const program = await embeddedProgram();
  const home = resolve(directory);
  const path = join(home, `launcher-${program.hash.slice(0, 16)}`);
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    if (!(await isInPlace(path, program))) await write(home, path, program.bytes);
  } catch (error) {
    throw notWritten(home, error);
  }
  await selfTest(home, path);
  return path;
}

async function embeddedProgram(): Promise<Program> {
  const name = `launcher-${process.arch}`;
  const file = process.platform === "linux" ? EMBEDDED[name] : undefined;
  if (file === undefined) {
    throw new AppError(
      "bad-configuration",
      `Servers run on Linux on x64 and arm64; this is ${process.platform} on ${process.arch}.`,
    );
  }
  const bytes = await Bun.file(file).bytes();
  const hash = sha256(bytes);
  if (hash === expectedHash(name)) return { bytes, hash };
  throw new AppError(
    "bad-configuration",
    `The ${name} inside this executable is not the one that was built into it: download or build Toolcrib again.`,
  );
}

/** From lines as sha256sum prints them: the hash, two blanks, the name. */
function expectedHash(name: string): string | undefined {
  for (const line of sums.split("\n")) {
    const [hash, of] = line.split("  ");
    if (of === name) return hash;
  }
  return undefined;
}

async function isInPlace(path: string, program: Program): Promise<boolean> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile() || found.size !== program.bytes.length) return false;
    if ((found.mode & 0o7777) !== MODE || found.uid !== process.getuid?.()) return false;
    return sha256(await file.readFile()) === program.hash;
  } catch {
    // Missing, a link or not ours to read: all of them end with a file of our own in its place, or with the
    // reason why that cannot be.
    return false;
  }
}

/** Whole or not at all: `path` never names a file that is half written, whenever this is interrupted. */
async function write(directory: string, path: string, bytes: Uint8Array): Promise<void> {
  const draft = join(directory, `.launcher-${crypto.randomUUID()}`);
  try {
    {
      await using file = await open(draft, "wx", MODE);
      await file.writeFile(bytes);
      await file.chmod(MODE);
      await file.sync();
    }
    await rename(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => undefined);
    throw error;
  }
  await using parent = await open(directory, constants.O_RDONLY);
  await parent.sync();
}

async function selfTest(directory: string, path: string): Promise<void> {
  const test = run(directory, path);
  const [code, words] = await Promise.all([test.exited, test.stderr.text()]);
  if (code === 0) return;
  const reason = words.trim() || `its self-test ended with ${test.signalCode ?? `code ${code}`}`;
  throw new AppError(
    "bad-configuration",
    `This host cannot run servers: ${reason}. Run "toolcrib doctor" for what it lacks.`,
  );
}

function run(directory: string, path: string): Bun.ReadableSubprocess {
  try {
    return Bun.spawn([path, "--self-test"], {
      cwd: "/",
      env: {},
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: SELF_TEST_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
  } catch (error) {
    throw new AppError(
      "bad-configuration",
      `Programs cannot be run from ${directory} (${systemErrorCode(error) ?? "unknown error"}), most likely because ` +
        "its file system is mounted noexec: mount it with exec, or choose another place with --home.",
      { cause: error, details: { path } },
    );
  }
}

function notWritten(directory: string, error: unknown): AppError {
  const known = toAppError(error);
  if (known.code !== "internal") return known;
  return new AppError(
    "bad-configuration",
    `The launcher cannot be written to ${directory} (${systemErrorCode(error) ?? known.message}): make that a ` +
      "directory which this user owns and can write to, or choose another place with --home.",
    { cause: error, details: { path: directory } },
  );
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

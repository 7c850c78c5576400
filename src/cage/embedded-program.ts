// Puts a program that is embedded in the executable where the system can run it: whole, untouched, and only once for
// a build. Called by launcher.ts and probe-program.ts.

import { constants } from "node:fs";
import { chmod, mkdir, open, rename, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { AppError, systemErrorCode, toAppError } from "../errors.ts";

export interface EmbeddedProgram {
  /** Such as `probe`. */
  readonly name: string;
  /** Where the bundler put it, by its name: `probe-x64`, `probe-arm64`. */
  readonly files: Readonly<Record<string, string>>;
  /** Lines as sha256sum prints them: the hash, two blanks, the name. */
  readonly sums: string;
}

/** The file is read and run; nobody writes to it. */
const MODE = 0o555;
/**
 * NB: a confined server with a uid of its own runs the probe by its path on the host, so all may pass through the
 * directory. One mode for all programs: they are installed at the same time.
 */
const DIRECTORY_MODE = 0o711;

interface Program {
  readonly bytes: Uint8Array;
  /** SHA-256, hex. */
  readonly hash: string;
}

/**
 * Makes sure that the program of this very build stands in `directory`. Whoever can write to `directory` can replace
 * it: the directory belongs to the appliance alone.
 * @returns its absolute path
 * @throws AppError `bad-configuration` when `directory` cannot be written or the executable is damaged; `no-space`
 */
export async function installProgram(directory: string, embedded: EmbeddedProgram): Promise<string> {
  const program = await verified(embedded);
  const home = resolve(directory);
  const path = join(home, `${embedded.name}-${program.hash.slice(0, 16)}`);
  try {
    await mkdir(home, { recursive: true });
    await chmod(home, DIRECTORY_MODE);
    if (!(await isInPlace(path, program))) await write(home, path, program.bytes);
  } catch (error) {
    throw notWritten(home, embedded.name, error);
  }
  return path;
}

async function verified({ name, files, sums }: EmbeddedProgram): Promise<Program> {
  const full = `${name}-${process.arch}`;
  const file = process.platform === "linux" ? files[full] : undefined;
  if (file === undefined) {
    throw new AppError(
      "bad-configuration",
      `Servers run on Linux on x64 and arm64; this is ${process.platform} on ${process.arch}.`,
    );
  }
  const bytes = await Bun.file(file).bytes();
  const hash = sha256(bytes);
  if (sums.split("\n").includes(`${hash}  ${full}`)) return { bytes, hash };
  throw new AppError(
    "bad-configuration",
    `The ${full} inside this executable is not the one that was built into it: download or build Toolcrib again.`,
  );
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
  const draft = join(directory, `.draft-${crypto.randomUUID()}`);
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

function notWritten(directory: string, name: string, error: unknown): AppError {
  const known = toAppError(error);
  if (known.code !== "internal") return known;
  return new AppError(
    "bad-configuration",
    `The ${name} cannot be written to ${directory} (${systemErrorCode(error) ?? known.message}): make that a ` +
      "directory which this user owns and can write to, or choose another place with --home.",
    { cause: error, details: { path: directory } },
  );
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

// Reads a directory of the vault: what is in it, with the hash of every file, or with no more than the kernel's own
// notes on each. Shares the only thread with everybody else. Called by seal.ts, staging.ts and vault.ts.

import { createReadStream, lstatSync, readdirSync } from "node:fs";
import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import { lineOf, MAX_TREE_ENTRIES, TREE_HEADER, type TreeEntry } from "./tree.ts";

export interface FoundEntry {
  readonly kind: TreeEntry["kind"] | "other";
  readonly path: string;
}

/** Files that are read at once. */
const CONCURRENT_READS = 8;
/** Hashed in one go. */
const PIECE_BYTES = 1_048_576;
/** Numbers about one entry, in a fingerprint. */
const FACTS = 5;
/** Work on the only thread before others get their turn. */
const TURN_MS = 4;

/** Everything below `root`, by path. @throws AppError `too-large`, or the system error */
export async function walkTree(root: string): Promise<readonly FoundEntry[]> {
  return (await visitTree(root, () => undefined)).toSorted(byPath);
}

/** In the order in which the file system has it. `visit` is told of all that is in one directory, at once. */
async function visitTree(
  root: string,
  visit: (entries: readonly FoundEntry[]) => void,
): Promise<readonly FoundEntry[]> {
  const found: FoundEntry[] = [];
  const directories = [""];
  const share = turnTaker();
  // The list grows while it is read: each directory found is visited later.
  for (const directory of directories) {
    const prefix = directory === "" ? "" : `${directory}/`;
    const entries = readdirSync(join(root, directory), { withFileTypes: true }).map((entry): FoundEntry => ({
      kind: kindOf(entry),
      path: prefix + entry.name,
    }));
    visit(entries);
    for (const entry of entries) {
      found.push(entry);
      if (entry.kind === "directory") directories.push(entry.path);
    }
    if (found.length > MAX_TREE_ENTRIES) {
      throw new AppError(
        "too-large",
        `The package brings more than ${MAX_TREE_ENTRIES} files: it is not taken.`,
      );
    }
    await share();
  }
  return found;
}

/** The manifest of what is there now: every file is read. */
export async function describeTree(root: string): Promise<string> {
  const found = await walkTree(root);
  const lines = Array.from<string>({ length: found.length });
  const queue = found.entries();
  const work = async (): Promise<void> => {
    for (const [at, entry] of queue) lines[at] = lineOf(await readEntry(root, entry));
  };
  await Promise.all(Array.from({ length: CONCURRENT_READS }, work));
  return TREE_HEADER + lines.join("");
}

/**
 * What tells, without reading a file, whether a tree may have changed: path, size, times and inode of each entry.
 * A change of content changes ctime, which no program can set.
 */
export async function fingerprintTree(root: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("blake2b256");
  await visitTree(root, (entries) => {
    // NB: as numbers, not text: to print them costs half as much as all the rest.
    const facts = new Float64Array(entries.length * FACTS);
    for (const [at, { path }] of entries.entries()) {
      const { ino, size, mode, mtimeMs, ctimeMs } = lstatSync(`${root}/${path}`);
      facts.set([ino, size, mode, mtimeMs, ctimeMs], at * FACTS);
    }
    hasher.update(entries.map(({ path }) => path).join("\0")).update(facts);
  });
  return hasher.digest("hex");
}

/** What gives the event loop a turn whenever there was enough work since the last one. */
function turnTaker(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < TURN_MS) return;
    await nextTurn();
    since = performance.now();
  };
}

interface Kinds {
  isDirectory(): boolean;
  isFile(): boolean;
  isSymbolicLink(): boolean;
}

function kindOf(entry: Kinds): FoundEntry["kind"] {
  if (entry.isDirectory()) return "directory";
  if (entry.isFile()) return "file";
  return entry.isSymbolicLink() ? "link" : "other";
}

async function readEntry(root: string, { kind, path }: FoundEntry): Promise<TreeEntry> {
  const at = join(root, path);
  if (kind === "link") return { kind, path, target: await readlink(at) };
  if (kind === "other")
    throw new AppError("bad-answer", `${quoted(path)} is neither a file nor a directory.`);
  const { mode, size } = lstatSync(at);
  if (kind === "directory") return { kind, path, mode: mode & 0o7777 };
  const { bytes, sha256 } = await hashFile(at, size);
  return { kind, path, mode: mode & 0o7777, bytes, sha256 };
}

interface FileHash {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** One trip to the thread pool for a small file, as nearly all are; a large one passes through in pieces. */
async function hashFile(at: string, expectedBytes: number): Promise<FileHash> {
  const hasher = new Bun.CryptoHasher("sha256");
  if (expectedBytes <= PIECE_BYTES) {
    const content = await readFile(at);
    return { bytes: content.length, sha256: hasher.update(content).digest("hex") };
  }
  let bytes = 0;
  for await (const piece of createReadStream(at, { highWaterMark: PIECE_BYTES })) {
    hasher.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hasher.digest("hex") };
}

function byPath(a: FoundEntry, b: FoundEntry): number {
  return a.path < b.path ? -1 : 1;
}

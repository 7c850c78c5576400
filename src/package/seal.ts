// Makes an installed tree fit for the vault: read-only files, nothing that leads out of it, all of it on disk. Called
// by npm.ts before the tree is published.

import { open, readdir, readlink, realpath } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { AppError, systemErrorCode } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import { syncDirectory } from "./staging.ts";

/** More files than this is not a server. */
const MAX_FILES = 200_000;
/** Files on their way to the disk at once: enough that a journal commits many of them together. */
const CONCURRENT_SYNCS = 16;

const READ_ONLY = 0o444;
const READ_AND_RUN = 0o555;

/** `entry`, relative to `directory`, becomes executable whatever its archive said. */
export async function seal(directory: string, entry: string): Promise<void> {
  const tree = await walk(await realpath(directory));
  const entryPath = await realpath(join(directory, entry));
  const queue = tree.files.values();
  const sync = async (): Promise<void> => {
    for (const path of queue) await sealFile(path, path === entryPath);
  };
  await Promise.all(Array.from({ length: CONCURRENT_SYNCS }, sync));
  for (const path of tree.directories) await syncDirectory(path);
}

async function sealFile(path: string, isEntry: boolean): Promise<void> {
  const file = await open(path, "r");
  try {
    const { mode } = await file.stat();
    await file.chmod(isEntry || (mode & 0o111) !== 0 ? READ_AND_RUN : READ_ONLY);
    await file.sync();
  } finally {
    await file.close();
  }
}

interface Tree {
  readonly files: readonly string[];
  /** Deepest last; the root comes first. */
  readonly directories: readonly string[];
}

async function walk(root: string): Promise<Tree> {
  const files: string[] = [];
  const directories = [root];
  // The list grows while it is read: each directory found is visited later.
  for (const directory of directories) {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) directories.push(path);
      else if (entry.isFile()) files.push(path);
      else if (entry.isSymbolicLink()) await checkLink(root, directory, path);
      else throw refusal(root, path, "is neither a file nor a directory");
    }
    if (files.length + directories.length > MAX_FILES) {
      throw new AppError(
        "install-failed",
        `The package brings more than ${MAX_FILES} files: it was not installed.`,
      );
    }
  }
  return { files, directories };
}

/** NB: the text of a link tells nothing where it passes through other links: the real target counts. */
async function checkLink(root: string, directory: string, path: string): Promise<void> {
  const target = await realTarget(directory, path);
  if (!target.startsWith(root + sep)) throw refusal(root, path, "is a link that leads out of it");
}

/** Where a link leads; for one that leads nowhere (a program that was not built), where it says it leads. */
async function realTarget(directory: string, path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
    return resolve(directory, await readlink(path));
  }
}

function refusal(root: string, path: string, what: string): AppError {
  return new AppError(
    "install-failed",
    `The package was not installed: ${quoted(relative(root, path))} ${what}.`,
  );
}

// Makes an installed tree fit for the vault: read-only files, nothing that leads out of it, all of it on disk. Called
// by whatever installs or unpacks, before the tree is published.

import { chmod, open, readlink, realpath } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { AppError, systemErrorCode } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import { syncDirectory } from "./durable.ts";
import { walkTree } from "./tree-scan.ts";

/** Files on their way to the disk at once: enough that a journal commits many of them together. */
const CONCURRENT_SYNCS = 16;

const READ_ONLY = 0o444;
const READ_AND_RUN = 0o555;
/** Whatever the umask was: the mode is a part of what the tree is known by. */
const DIRECTORY = 0o755;

/** `entry`, relative to `directory`, becomes executable whatever its archive said. */
export async function seal(directory: string, entry: string | undefined): Promise<void> {
  const root = await realpath(directory);
  const entryPath = entry === undefined ? undefined : await realpath(join(directory, entry));
  const found = await walkTree(root);
  for (const { kind, path } of found) {
    if (kind === "link") await checkLink(root, path);
    if (kind === "other") throw refusal(path, "is neither a file nor a directory");
  }
  const queue = found.values();
  const work = async (): Promise<void> => {
    for (const { kind, path } of queue) {
      const at = join(root, path);
      if (kind === "file") await sealFile(at, at === entryPath);
      if (kind === "directory") await sealDirectory(at);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_SYNCS }, work));
  await syncDirectory(root);
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

async function sealDirectory(path: string): Promise<void> {
  await chmod(path, DIRECTORY);
  await syncDirectory(path);
}

/** NB: the text of a link tells nothing where it passes through other links: the real target counts. */
async function checkLink(root: string, path: string): Promise<void> {
  const target = await realTarget(join(root, path));
  if (!target.startsWith(root + sep)) throw refusal(path, "is a link that leads out of it");
}

/** Where a link leads; for one that leads nowhere (a program that was not built), where it says it leads. */
async function realTarget(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
    return resolve(dirname(path), await readlink(path));
  }
}

function refusal(path: string, what: string): AppError {
  return new AppError("install-failed", `The package was not installed: ${quoted(path)} ${what}.`);
}

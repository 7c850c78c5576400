// The manifest of a tree on disk, beside the directory that it describes: `<directory>.tree`. The time of the file is
// when the package was last needed. Called by staging.ts, vault.ts and collect.ts.

import { readFile, stat, utimes } from "node:fs/promises";
import { systemErrorCode } from "../errors.ts";
import { writeDurably } from "./durable.ts";
import { describeTree } from "./tree-scan.ts";
import { TREE_HEADER, treeHash } from "./tree.ts";

export const MANIFEST_ENDING = ".tree";
/** 200,000 entries with long names. */
const MAX_MANIFEST_BYTES = 128 * 1_048_576;

/** Undefined where there is none, or nothing that could be one. */
export async function readManifest(directory: string): Promise<string | undefined> {
  const path = directory + MANIFEST_ENDING;
  try {
    if ((await stat(path)).size > MAX_MANIFEST_BYTES) return undefined;
    const text = await readFile(path, "utf8");
    return text.startsWith(TREE_HEADER) ? text : undefined;
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

/**
 * The identity of the tree in `directory`: of `manifest`, which is written down, or of the one that is written down
 * already. Where there is neither, what is there now is taken for right.
 */
export async function keepManifest(directory: string, manifest?: string): Promise<string> {
  const known = manifest ?? (await readManifest(directory));
  const text = known ?? (await describeTree(directory));
  if (manifest !== undefined || known === undefined) {
    await writeDurably(directory + MANIFEST_ENDING, text, 0o444);
  }
  return treeHash(text);
}

/** Notes that somebody needs the package. No more than a note: where it cannot be written, nothing is lost. */
export async function touchManifest(directory: string, now: number): Promise<void> {
  await utimes(directory + MANIFEST_ENDING, now / 1000, now / 1000).catch(() => undefined);
}

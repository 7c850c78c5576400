// What a directory of the vault holds, as text: a line for each entry, in order. The SHA-256 of the text is the
// identity of the whole tree. Pure. Called by tree-scan.ts, which reads directories, by vault.ts, and by the bundle
// that carries packages to another host.

import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";

export type TreeEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | {
      readonly kind: "file";
      /** Relative, with `/` between its parts. */
      readonly path: string;
      /** Permission bits. */
      readonly mode: number;
      readonly bytes: number;
      /** Hex. */
      readonly sha256: string;
    }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** More entries than this is not a package. */
export const MAX_TREE_ENTRIES = 200_000;
export const TREE_HEADER = "toolcrib tree 1\n";
/** Longest path or target. Linux allows no more either. */
const MAX_PATH_BYTES = 4096;

/** Identity of a tree, from its manifest. */
export function treeHash(manifest: string): string {
  return new Bun.CryptoHasher("sha256").update(manifest).digest("hex");
}

/**
 * A manifest from anywhere: paths that stay inside, each once and behind its parent, no link out of the tree.
 * @param mayLeave paths of links that may lead anywhere
 * @throws AppError `bad-answer` that says which line is wrong
 */
export function parseTree(
  manifest: string,
  mayLeave: (path: string) => boolean = () => false,
): readonly TreeEntry[] {
  if (!manifest.startsWith(TREE_HEADER) || !manifest.endsWith("\n")) throw malformed(1);
  const lines = manifest.slice(TREE_HEADER.length).split("\n").slice(0, -1);
  if (lines.length > MAX_TREE_ENTRIES) throw malformed(MAX_TREE_ENTRIES + 1);
  const directories = new Set([""]);
  let before = "";
  return lines.map((line, at) => {
    const entry = parseLine(line);
    const parent = entry?.path.slice(0, Math.max(0, entry.path.lastIndexOf("/")));
    if (entry === undefined || parent === undefined || entry.path <= before || !directories.has(parent)) {
      throw malformed(at + 2);
    }
    if (entry.kind === "link" && !staysInside(parent, entry.target) && !mayLeave(entry.path)) {
      throw malformed(at + 2);
    }
    if (entry.kind === "directory") directories.add(entry.path);
    before = entry.path;
    return entry;
  });
}

/** Bytes of all files. */
export function treeBytes(entries: readonly TreeEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.bytes : 0), 0);
}

/** The first thing that differs, and how many more do, for a person; undefined for equal manifests. */
export function treeDifference(wanted: string, found: string): string | undefined {
  if (wanted === found) return undefined;
  const before = linesByPath(wanted);
  const after = linesByPath(found);
  const paths = [...before.keys(), ...[...after.keys()].filter((path) => !before.has(path))];
  const differences = paths.flatMap((path) => {
    const [line, now] = [before.get(path), after.get(path)];
    if (line === now) return [];
    const verb = now === undefined ? "is missing" : line === undefined ? "was added" : "was changed";
    return [`${quoted(path)} ${verb}`];
  });
  const [first = "its list of files was changed", ...more] = differences;
  return more.length === 0 ? first : `${first}, and ${more.length} more`;
}

/** NB: without the checks of `parseTree`: what is found in a damaged tree may be anything. */
function linesByPath(manifest: string): ReadonlyMap<string, string> {
  return new Map(
    manifest
      .slice(TREE_HEADER.length)
      .split("\n")
      .map((line) => [unquote(PATH.exec(line)?.[0]) ?? "", line]),
  );
}

/** One line of a manifest. The path stands last and quoted, so that a line break in it stays in its line. */
export function lineOf(entry: TreeEntry): string {
  const path = JSON.stringify(entry.path);
  if (entry.kind === "directory") return `d ${entry.mode.toString(8)} ${path}\n`;
  if (entry.kind === "link") return `l ${JSON.stringify(entry.target)} ${path}\n`;
  return `f ${entry.mode.toString(8)} ${entry.bytes} ${entry.sha256} ${path}\n`;
}

const TEXT = String.raw`("(?:[^"\\]|\\.)*")`;
const PATH = new RegExp(`${TEXT}$`);
const LINE = new RegExp(
  `^(?:d ([0-7]{1,4})|f ([0-7]{1,4}) (0|[1-9]\\d{0,14}) ([0-9a-f]{64})|l ${TEXT}) ${TEXT}$`,
);

function parseLine(line: string): TreeEntry | undefined {
  const [, directoryMode, fileMode, digits, sha256, link, quotedPath] = LINE.exec(line) ?? [];
  const path = unquote(quotedPath);
  if (path === undefined || !isPlainPath(path)) return undefined;
  if (directoryMode !== undefined) return { kind: "directory", path, mode: parseInt(directoryMode, 8) };
  if (fileMode !== undefined && sha256 !== undefined) {
    return { kind: "file", path, mode: parseInt(fileMode, 8), bytes: Number(digits), sha256 };
  }
  const target = unquote(link);
  return target === undefined ? undefined : { kind: "link", path, target };
}

function unquote(text: string | undefined): string | undefined {
  if (text === undefined || text.length > 6 * MAX_PATH_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    // NB: one spelling only, or two manifests would mean one tree.
    return typeof value === "string" && JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Relative, without `.` and `..`, each part a name. */
export function isPlainPath(path: string): boolean {
  if (path.includes("\0") || Buffer.byteLength(path) > MAX_PATH_BYTES) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/** Where a link's text leads, as far as its words tell; other links on its way are for whoever makes it to follow. */
function staysInside(parent: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
  let depth = parent === "" ? 0 : parent.split("/").length;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return false;
  }
  return depth > 0;
}

function malformed(line: number): AppError {
  return new AppError("bad-answer", `The list of the package's files cannot be understood at line ${line}.`);
}

// What runs the program of a pinned package: this executable acting as Bun, or the program itself. Reads the first
// bytes of the file, as the kernel does. Called by resolve.ts at each start.

import { closeSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";

/** Linux reads no more of the first line either. */
const MAX_HEAD_BYTES = 256;

const SCRIPT_RUNTIMES = new Set(["node", "nodejs", "bun"]);

/** `interpreter` is the program that a first line names (`sh`, `/usr/bin/python3`); undefined for a native program. */
export type EntryKind =
  { readonly kind: "script" } | { readonly kind: "direct"; readonly interpreter: string | undefined };

/** @throws the system error when the file cannot be read */
export function readEntryKind(file: string): EntryKind {
  return entryKind(readHead(file));
}

/** A file without a first line of its own is JavaScript, as npm packages are; ELF is the native format of Linux. */
export function entryKind(head: string): EntryKind {
  if (head.startsWith("\x7fELF")) return { kind: "direct", interpreter: undefined };
  if (!head.startsWith("#!")) return { kind: "script" };
  const words = (head.slice(2).split("\n", 1)[0] ?? "").trim().split(/\s+/);
  const behindEnv = words.slice(1).find((word) => !word.startsWith("-") && !word.includes("="));
  const interpreter = (basename(words[0] ?? "") === "env" ? behindEnv : words[0]) ?? "";
  if (SCRIPT_RUNTIMES.has(basename(interpreter))) return { kind: "script" };
  return { kind: "direct", interpreter };
}

/** The first 256 bytes. @throws the system error when the file cannot be read */
export function readHead(file: string): string {
  const descriptor = openSync(file, "r");
  try {
    const head = Buffer.alloc(MAX_HEAD_BYTES);
    return head.toString("latin1", 0, readSync(descriptor, head, 0, MAX_HEAD_BYTES, 0));
  } finally {
    closeSync(descriptor);
  }
}

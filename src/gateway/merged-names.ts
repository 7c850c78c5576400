// The names that tools and prompts have on a merged endpoint: `server__tool`, at most 64 of A-Z a-z 0-9 _ - (what
// model APIs take). A name depends only on the server and the tool, so it is the same after every restart.

import { createHash } from "node:crypto";

export const SEPARATOR = "__";
export const MAX_MERGED_NAME = 64;
const SUFFIX_CHARACTERS = 8;

/**
 * A name that fits is used as it is. One that is too long or has other characters is made to fit and gets a suffix
 * of its true name's hash, so that two of them do not become one.
 */
export function mergedName(server: string, name: string): string {
  const plain = `${server}${SEPARATOR}${name}`;
  if (plain.length <= MAX_MERGED_NAME && /^[A-Za-z0-9_-]+$/.test(plain)) return plain;
  const suffix = createHash("sha256").update(plain).digest("hex").slice(0, SUFFIX_CHARACTERS);
  const kept = plain.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, MAX_MERGED_NAME - SUFFIX_CHARACTERS - 1);
  return `${kept}_${suffix}`;
}

/** The server that a merged name begins with, whether or not the rest is known. */
export function serverOfMergedName(name: string): { server: string; rest: string } | undefined {
  const at = name.indexOf(SEPARATOR);
  if (at <= 0) return undefined;
  return { server: name.slice(0, at), rest: name.slice(at + SEPARATOR.length) };
}

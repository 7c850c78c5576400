// Reads JSON with comments and trailing commas, and says where it stops being that. Pure. Called by document.ts.
// Bun.JSONC is not used: its errors have no position, and it lets rubbish behind the document and keys given twice pass.

import { AppError } from "../../errors.ts";
import { printable, quoted } from "../../model/printable.ts";

const MAX_CHARACTERS = 1024 * 1024;
const MAX_DEPTH = 64;
/** Longest piece of the wrong line in an error. */
const MAX_LINE = 160;

interface Cursor {
  readonly name: string;
  readonly text: string;
  at: number;
  /** Where each key and item begins, by its place in the document. */
  readonly places: Map<string, number>;
}

/** From the root: keys, and numbers for items of lists. */
export type JsonPath = readonly (string | number)[];

export interface Document {
  readonly value: unknown;
  /** The line, from 1, of a key or item; of the nearest above it that is there. */
  lineOf(path: JsonPath): number;
}

/**
 * @param name of the file, for errors
 * @throws AppError `too-large`, or `usage` with `details: { line, column }`, both from 1. The sentence shows the line
 * without its values: a key of some service may stand there.
 */
export function parseJsonc(name: string, text: string): Document {
  if (text.length > MAX_CHARACTERS) {
    throw new AppError(
      "too-large",
      `${quoted(name)} is too large: at most ${MAX_CHARACTERS} characters are read.`,
    );
  }
  const places = new Map<string, number>();
  const cursor: Cursor = { name, text, at: text.startsWith("\uFEFF") ? 1 : 0, places };
  skipBlank(cursor);
  const value = readValue(cursor, []);
  skipBlank(cursor);
  if (cursor.at < text.length) throw failure(cursor, "the document is over, but there is more");
  return { value, lineOf: (path) => lineOf(text, placeOf(places, path)) };
}

function placeOf(places: ReadonlyMap<string, number>, path: JsonPath): number {
  for (let length = path.length; length > 0; length--) {
    const at = places.get(JSON.stringify(path.slice(0, length)));
    if (at !== undefined) return at;
  }
  return 0;
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}

function readValue(cursor: Cursor, path: JsonPath): unknown {
  if (path.length > MAX_DEPTH) throw failure(cursor, `more than ${MAX_DEPTH} levels deep`);
  switch (cursor.text[cursor.at]) {
    case "{":
      return readObject(cursor, path);
    case "[":
      return readArray(cursor, path);
    case '"':
      return readString(cursor);
    default:
      return readPlain(cursor);
  }
}

function readObject(cursor: Cursor, path: JsonPath): Record<string, unknown> {
  const entries = new Map<string, unknown>();
  for (const _ of items(cursor, "}")) {
    if (cursor.text[cursor.at] !== '"') throw failure(cursor, 'a key in double quotes or "}" is expected');
    const keyAt = cursor.at;
    const key = readString(cursor);
    if (entries.has(key)) throw failure({ ...cursor, at: keyAt }, `the key ${quoted(key)} is there twice`);
    skipBlank(cursor);
    if (cursor.text[cursor.at] !== ":") throw failure(cursor, '":" is expected behind the key');
    cursor.at++;
    skipBlank(cursor);
    const place = [...path, key];
    cursor.places.set(JSON.stringify(place), keyAt);
    entries.set(key, readValue(cursor, place));
  }
  // Makes own properties only: a key "__proto__" is a key like others.
  return Object.fromEntries(entries);
}

function readArray(cursor: Cursor, path: JsonPath): unknown[] {
  const values: unknown[] = [];
  for (const _ of items(cursor, "]")) {
    const place = [...path, values.length];
    cursor.places.set(JSON.stringify(place), cursor.at);
    values.push(readValue(cursor, place));
  }
  return values;
}

/** Steps through a list that ends with `close`: the caller reads one item a step. A last comma may stand alone. */
function* items(cursor: Cursor, close: string): Generator<void> {
  cursor.at++;
  skipBlank(cursor);
  while (cursor.text[cursor.at] !== close) {
    yield;
    skipBlank(cursor);
    if (cursor.text[cursor.at] === close) break;
    if (cursor.text[cursor.at] !== ",") throw failure(cursor, `"," or "${close}" is expected`);
    cursor.at++;
    skipBlank(cursor);
  }
  cursor.at++;
}

function readString(cursor: Cursor): string {
  const start = cursor.at;
  for (let at = start + 1; at < cursor.text.length; at++) {
    const character = cursor.text[at] ?? "";
    if (character === '"') {
      cursor.at = at + 1;
      return decodeString(cursor, start);
    }
    if (character === "\\") at++;
    else if (character === "\n" || character === "\r") break;
    else if (character < " ")
      throw failure({ ...cursor, at }, "a control character in a text has to be written as \\u…");
  }
  throw failure({ ...cursor, at: start }, 'the text that begins here has no closing "');
}

function decodeString(cursor: Cursor, start: number): string {
  const token = cursor.text.slice(start, cursor.at);
  for (const escape of token.matchAll(/\\(["\\/bfnrt]|u[0-9a-fA-F]{4})?/g)) {
    if (escape[1] !== undefined) continue;
    throw failure({ ...cursor, at: start + escape.index }, "no such escape; write \\\\ for one backslash");
  }
  return String(JSON.parse(token));
}

const PLAIN = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

function readPlain(cursor: Cursor): unknown {
  PLAIN.lastIndex = cursor.at;
  const token = PLAIN.exec(cursor.text)?.[0];
  const next = cursor.text[cursor.at + (token?.length ?? 0)] ?? " ";
  if (token === undefined || /[\w.+-]/.test(next)) throw failure(cursor, "a value is expected");
  cursor.at += token.length;
  return JSON.parse(token);
}

/** Spaces and comments. */
function skipBlank(cursor: Cursor): void {
  for (;;) {
    while (/\s/.test(cursor.text[cursor.at] ?? "")) cursor.at++;
    if (cursor.text.startsWith("//", cursor.at)) {
      const end = cursor.text.indexOf("\n", cursor.at);
      cursor.at = end === -1 ? cursor.text.length : end;
      continue;
    }
    if (!cursor.text.startsWith("/*", cursor.at)) return;
    const end = cursor.text.indexOf("*/", cursor.at + 2);
    if (end === -1) throw failure(cursor, "the comment that begins here has no end");
    cursor.at = end + 2;
  }
}

function failure({ name, text, at }: Cursor, what: string): AppError {
  const before = text.slice(0, at).split("\n");
  const line = before.length;
  const start = before.at(-1) ?? "";
  const column = start.length + 1;
  const rest = text.slice(at).split("\n", 1)[0] ?? "";
  const where = `${printable(name, 120)}, line ${line}, column ${column}`;
  const found = at >= text.length ? "the document ends here" : `the line is: ${shownLine(start, rest)}`;
  const sentence = `${where}: ${what}; ${found}`;
  return new AppError("usage", sentence, { details: { line, column } });
}

/** The line in which `start` stands before the error; of a long line, the end of `start`. */
function shownLine(start: string, rest: string): string {
  const whole = mask(start + rest);
  return printable(whole.length <= MAX_LINE ? whole : `…${mask(start).slice(-MAX_LINE)}`);
}

/** Keys and punctuation. Texts that are no key and long words become `…`: they may be secrets. */
function mask(line: string): string {
  return line
    .trim()
    .replace(/"(?:[^"\\]|\\.?)*(?:"(\s*:)?|$)/g, (text, colon) => (colon === undefined ? '"…"' : text))
    .replace(/[^\s"{}[\]:,]{13,}/g, (word) => `${word.slice(0, 4)}…`);
}

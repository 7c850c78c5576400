// Log lines for machines (JSON) or for a person at a terminal, and the last place where a secret is stopped.
// app.ts makes the one log and passes it on. Everything that is logged is treated as hostile text.
//
// Not LogTape: its loggers hang off one configuration of the whole process, so that two appliances in one test would
// share level and sink. What is left of it without loggers is smaller than an adapter to it.

import { inspect } from "node:util";
import { AppError } from "./errors.ts";
import { Secret } from "./secret.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** For callers that would do work to make a line. */
  enabled(level: LogLevel): boolean;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Gets whole lines, each with its line break. Must not throw. */
  readonly write: (line: string) => void;
  /** Lines for a person instead of JSON. */
  readonly readable?: boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** What is used of a stream: `write` is false when the line had to be kept, and `drain` tells when it left. */
export interface LineStream {
  write(line: string): boolean;
  once(event: "drain", listener: () => void): unknown;
}

const SEVERITY = { debug: 0, info: 1, warn: 2, error: 3 } as const;
const MASK = "[secret]";

/** Bounds of one field: what is beyond them is cut, and says so. */
const MAX_TEXT = 8192;
const MAX_ITEMS = 64;
const MAX_DEPTH = 5;

const SECRET_KEY = /token|secret|passw|authorization|cookie|credential|api[_-]?key|private[_-]?key/i;
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\btc_[A-Za-z0-9_-]{43}/g, MASK],
  [/\b(Bearer)\s+[^\s"',;]+/gi, `$1 ${MASK}`],
  [/(:\/\/)[^\s/@]+@/g, `$1${MASK}@`],
];
/** A token that the cut of a long text went through. */
const CUT_TOKEN = /\btc_[A-Za-z0-9_-]*$/;
/** Beside what JSON escapes: DEL and C1 (they steer terminals), line ends of Unicode, and what reverses text. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

export function createLog({ level, write, readable = false, now = Date.now }: LogOptions): Log {
  const format = readable ? readableLine : jsonLine;
  const enabled = (wanted: LogLevel) => SEVERITY[wanted] >= SEVERITY[level];
  const at = (own: LogLevel) => (message: string, fields?: LogFields) => {
    if (enabled(own)) write(format(new Date(now()), own, cleanText(message), cleanFields(fields ?? {}, 0)));
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), enabled };
}

/** For tests and for parts that run without an appliance. */
export const nullLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  enabled: () => false,
};

/**
 * Writes lines to stderr. While its reader does not keep up, lines are dropped and counted: the runtime would keep
 * them all in memory.
 */
export function stderrWriter(stream: LineStream = process.stderr): (line: string) => void {
  let waiting = false;
  let dropped = 0;
  const write = (line: string) => {
    if (stream.write(line) || waiting) return;
    waiting = true;
    stream.once("drain", () => {
      waiting = false;
      if (dropped === 0) return;
      const count = dropped;
      dropped = 0;
      write(jsonLine(new Date(), "warn", "log lines dropped: stderr was not read", { count }));
    });
  };
  return (line) => {
    if (!waiting) return write(line);
    dropped++;
  };
}

function jsonLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  const head = { time: time.toISOString(), level, msg: message };
  return `${escapeControl(JSON.stringify({ ...head, ...fields, ...head }))}\n`;
}

function readableLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${readableValue(value)}`);
  const clock = time.toISOString().slice(11, 23);
  return `${escapeControl(`${clock} ${level.toUpperCase().padEnd(5)} ${message}${pairs.join("")}`)}\n`;
}

function readableValue(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function escapeControl(text: string): string {
  return text.replace(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function cleanFields(fields: LogFields, depth: number): Record<string, unknown> {
  const entries = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .slice(0, MAX_ITEMS);
  return Object.fromEntries(entries.map(([key, value]) => [cleanText(key), cleanField(key, value, depth)]));
}

function cleanField(key: string, value: unknown, depth: number): unknown {
  // A number is a count of tokens, not one.
  const harmless =
    value === undefined || value === null || typeof value === "number" || typeof value === "boolean";
  return SECRET_KEY.test(key) && !harmless ? MASK : cleanValue(value, depth);
}

/** A copy that JSON can print, within the bounds and without secrets. */
function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return cleanText(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "boolean" || value === null || value === undefined) return value;
  if (typeof value !== "object") return cleanText(inspect(value));
  if (value instanceof Secret) return MASK;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= MAX_DEPTH) return "[…]";
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => cleanValue(item, depth + 1));
  if (value instanceof Error) return cleanError(value, depth + 1);
  return cleanFields({ ...value }, depth + 1);
}

/** Expected failures have a sentence; only for the others does the place matter. */
function cleanError(error: Error, depth: number): LogFields {
  const cause =
    error.cause === undefined ? {} : { cause: depth >= MAX_DEPTH ? "[…]" : cleanValue(error.cause, depth) };
  const message = cleanText(error.message);
  if (error instanceof AppError) return { code: error.code, message, ...cause };
  return { name: cleanText(error.name), message, stack: cleanText(error.stack ?? ""), ...cause };
}

function cleanText(text: string): string {
  const isLong = text.length > MAX_TEXT;
  const masked = SECRET_TEXT.reduce(
    (masking, [pattern, mask]) => masking.replace(pattern, mask),
    isLong ? text.slice(0, MAX_TEXT) : text,
  );
  return isLong ? `${masked.replace(CUT_TOKEN, MASK)}…` : masked;
}

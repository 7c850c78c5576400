// Reads a table of settings from flags, environment, files and defaults, and says for each value where it came
// from. settings.ts owns the table and is the only caller.

import { closeSync, openSync, readSync } from "node:fs";
import * as v from "valibot";
import { AppError, systemErrorCode } from "./errors.ts";
import { didYouMean } from "./nearest.ts";
import { Secret } from "./secret.ts";

/** Larger files are refused: a settings file is a few lines, a value from a file is one. */
const MAX_FILE_BYTES = 65_536;
/** A mistake in a longer file is reported without its line: finding that parses the file once for each line. */
const MAX_SEARCHED_LINES = 1000;
/** `home` says where the settings file is, so it cannot stand in a file. */
const NOT_IN_FILES = new Set(["home"]);

export interface SettingSources {
  /** By key of the table. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  /** A variable that is set but empty counts as not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** toolcrib.toml; it need not exist. */
  readonly settingsFile: string;
}

/** One line of `toolcrib settings`. */
export interface SettingView {
  /** As in toolcrib.toml. */
  readonly key: string;
  /** As it was written, not as it was understood: `64MiB` stays `64MiB`. Empty where nothing is set. */
  readonly value: string;
  /** `default`, or the flag, variable or file that set it. */
  readonly source: string;
  readonly help: string;
}

/** The names of one setting. */
export interface SettingName {
  /** `maxBodyBytes` */
  readonly key: string;
  /** `--max-body-bytes` */
  readonly flag: string;
  /** `TOOLCRIB_MAX_BODY_BYTES` */
  readonly env: string;
  /** `max_body_bytes` */
  readonly fileKey: string;
  /** The default, as it would be written. */
  readonly fallback: string;
  readonly help: string;
}

/** A table of settings: an optional entry a setting, its default as it would be written, its help as description. */
export type SettingTable = v.ObjectSchema<v.ObjectEntries, undefined>;

/** A raw value and its origin. */
interface Found {
  readonly raw: unknown;
  readonly source: string;
  readonly code: "usage" | "bad-configuration";
  readonly line?: number | undefined;
}

interface SettingsFile {
  readonly path: string;
  readonly lines: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
}

export function namesOf(table: SettingTable): readonly SettingName[] {
  return Object.entries(table.entries).map(([key, schema]) => {
    const words = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return {
      key,
      flag: `--${words.replaceAll("_", "-")}`,
      env: `TOOLCRIB_${words.toUpperCase()}`,
      fileKey: words,
      fallback: written("default" in schema ? schema.default : undefined),
      help: v.getDescription(schema) ?? "",
    };
  });
}

/** A setting whose schema ends in a Secret is shown as [secret]. @throws see `readSettings` */
export function readTable<T extends SettingTable>(
  table: T,
  sources: SettingSources,
): { settings: v.InferOutput<T>; views: readonly SettingView[] } {
  const names = namesOf(table);
  const file = readSettingsFile(sources.settingsFile, names);
  const found = new Map(names.map((name) => [name.key, find(name, sources, file)]));
  const parsed = v.safeParse(table, Object.fromEntries([...found].map(([key, value]) => [key, value?.raw])));
  if (!parsed.success) throw wrongValue(parsed.issues[0], names, found);

  const values = new Map<string, unknown>(Object.entries(parsed.output));
  const views = names.map(({ key, fileKey, fallback, help }) => {
    const origin = found.get(key);
    const secret = values.get(key) instanceof Secret;
    const value = origin === undefined ? fallback : written(origin.raw);
    return { key: fileKey, value: secret ? "[secret]" : value, source: origin?.source ?? "default", help };
  });
  return { settings: parsed.output, views };
}

/** The first source that has the setting; undefined leaves it to its default. */
function find(name: SettingName, { flags, env }: SettingSources, file: SettingsFile): Found | undefined {
  const flag = flags[name.key];
  if (flag !== undefined) return { raw: flag, source: name.flag, code: "usage" };

  const variable = env[name.env];
  if (variable) return { raw: variable, source: name.env, code: "bad-configuration" };
  if (NOT_IN_FILES.has(name.key)) return undefined;

  const twin = `${name.env}_FILE`;
  const path = env[twin];
  if (path) return { raw: readValueFile(path, twin), source: `${twin} (${path})`, code: "bad-configuration" };

  if (!Object.hasOwn(file.values, name.fileKey)) return undefined;
  const line = lineOf(file, name.fileKey);
  return { raw: file.values[name.fileKey], source: file.path, code: "bad-configuration", line };
}

/** The sentence names the place and what would be right, never the value: it may be a secret in the wrong place. */
function wrongValue(
  issue: v.BaseIssue<unknown>,
  names: readonly SettingName[],
  found: ReadonlyMap<string, Found | undefined>,
): AppError {
  const key = String(issue.path?.[0]?.key);
  const name = names.find((candidate) => candidate.key === key)?.fileKey ?? key;
  const origin = found.get(key);
  if (origin === undefined)
    return new AppError("bad-configuration", `${name} ${issue.message}.`, { details: { key: name } });
  const place = origin.line === undefined ? origin.source : `${origin.source}:${origin.line}`;
  return new AppError(origin.code, `${place}: ${name} ${issue.message}.`, {
    details: {
      source: origin.source,
      key: name,
      ...(origin.line === undefined ? {} : { line: origin.line }),
    },
  });
}

function readSettingsFile(path: string, names: readonly SettingName[]): SettingsFile {
  const text = readText(path);
  if (text === undefined) return { path, lines: [], values: {} };
  const lines = text.split("\n");
  const file = { path, lines, values: parseToml(path, text, lines) };
  const known = names.map((name) => name.fileKey).filter((key) => !NOT_IN_FILES.has(key));
  for (const key of Object.keys(file.values)) {
    if (known.includes(key)) continue;
    const line = lineOf(file, key);
    const place = line === undefined ? path : `${path}:${line}`;
    throw new AppError(
      "bad-configuration",
      `${place}: no setting is called ${JSON.stringify(key.slice(0, 80))}${didYouMean(key, known) || "."}`,
      { details: { source: path, key, ...(line === undefined ? {} : { line }) } },
    );
  }
  return file;
}

function parseToml(path: string, text: string, lines: readonly string[]): Readonly<Record<string, unknown>> {
  const values = tryToml(text);
  if (!(values instanceof Error)) return values;
  // NB: the line and column of the thrown error are those of the calling program, not of the file.
  const good = lines.length > MAX_SEARCHED_LINES ? -1 : longestGoodStart(lines);
  const place = good < 0 ? path : `${path}:${good + 1}`;
  const reason = values.message.replace(/^TOML Parse error: /, "");
  throw new AppError("bad-configuration", `${place}: this is not TOML: ${reason}.`, {
    details: { source: path, ...(good < 0 ? {} : { line: good + 1 }) },
  });
}

function longestGoodStart(lines: readonly string[]): number {
  let count = lines.length - 1;
  while (count > 0 && tryToml(lines.slice(0, count).join("\n")) instanceof Error) count--;
  return count;
}

function tryToml(text: string): Readonly<Record<string, unknown>> | Error {
  try {
    return { ...Bun.TOML.parse(text) };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The line of a key or table at the top of the file, from 1; undefined where it is written in an unusual way. */
function lineOf(file: SettingsFile, key: string): number | undefined {
  const pattern = new RegExp(`^\\s*\\[*\\s*["']?${RegExp.escape(key)}["']?\\s*[=.\\]]`);
  const index = file.lines.findIndex((line) => pattern.test(line));
  return index < 0 ? undefined : index + 1;
}

function readValueFile(path: string, variable: string): string {
  const text = readText(path);
  if (text !== undefined) return text.trim();
  throw new AppError("bad-configuration", `${variable} names ${path}, and there is no such file.`, {
    details: { source: variable, path },
  });
}

/** The whole text, or undefined when there is no such file. */
function readText(path: string): string | undefined {
  const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES + 1);
  let length = 0;
  try {
    const file = openSync(path, "r");
    try {
      // A pipe (as in `<(…)`) gives its text in pieces; the end is a read of nothing.
      for (let got = -1; got !== 0 && length <= MAX_FILE_BYTES; length += got) {
        got = readSync(file, buffer, length, buffer.length - length, null);
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new AppError("bad-configuration", `${path} cannot be read (${code ?? "unknown error"}).`, {
      cause: error,
      details: { path },
    });
  }
  if (length > MAX_FILE_BYTES) {
    throw new AppError("bad-configuration", `${path} is larger than ${MAX_FILE_BYTES} bytes.`, {
      details: { path },
    });
  }
  return buffer.toString("utf8", 0, length);
}

function written(raw: unknown): string {
  return Array.isArray(raw) ? raw.join(", ") : String(raw ?? "");
}

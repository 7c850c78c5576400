// One server of an imported file, in the spellings of Claude, Cursor, Windsurf, Cline, Gemini and VS Code. Pure.
// Called by document.ts for each entry.

import { nearest } from "../../nearest.ts";
import { printable, quoted } from "../../model/printable.ts";
import * as v from "valibot";
import { StdioSpec } from "../../model/server-spec.ts";
import { cageFault, readCage } from "./cage.ts";
import { usage, type Draft } from "./draft.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface ReadEntry {
  readonly draft: Draft;
  readonly notes: readonly string[];
  /** Switched off in the file. */
  readonly disabled: boolean;
}

const URL_KEYS = ["url", "serverUrl", "httpUrl"];
const STDIO_KEYS = ["command", "args", "env", "cwd", "cage", "scripts", "isolation", "instances"];
const HTTP_KEYS = [...URL_KEYS, "headers"];
const COMMON_KEYS = ["type", "transport", "disabled", "enabled", "startTimeoutMs", "callTimeoutMs"];

/** The spellings of `type` and `transport`. */
const KINDS: ReadonlyMap<string, "stdio" | "http" | "sse"> = new Map([
  ["stdio", "stdio"],
  ["local", "stdio"],
  ["http", "http"],
  ["https", "http"],
  ["streamable-http", "http"],
  ["streamable_http", "http"],
  ["streamableHttp", "http"],
  ["streamablehttp", "http"],
  ["remote", "http"],
  ["sse", "sse"],
]);

/** Keys that only other programs act on: kept and named, but nobody misspelt them. */
const FOREIGN_KEYS = new Set(
  (
    "autoApprove alwaysAllow disabledTools enabledTools includeTools excludeTools trust timeout description envFile " +
    "gallery version dev oauth auth authProviderType sandboxEnabled sandbox tools icon name id"
  ).split(" "),
);

/** Words that people write for a key. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["environment", "env"],
  ["cmd", "command"],
  ["arguments", "args"],
  ["workingDirectory", "cwd"],
  ["uri", "url"],
  ["endpoint", "url"],
]);

/** @throws AppError `usage`, naming the server and the key */
export function readEntry(name: string, entry: JsonObject): ReadEntry {
  const kind = readKind(name, entry);
  const known = new Set([...COMMON_KEYS, ...(kind === "stdio" ? STDIO_KEYS : HTTP_KEYS)]);
  const unknown = Object.fromEntries(Object.entries(entry).filter(([key]) => !known.has(key)));
  const { spec, notes, unusable } = kind === "stdio" ? readStdio(name, entry) : readHttp(name, entry);
  const history =
    kind === "sse" ? [`${name}: "sse" is the transport of the past: Streamable HTTP is spoken instead.`] : [];
  const timeouts = {
    ...optional("startTimeoutMs", readNumber(name, entry, "startTimeoutMs")),
    ...optional("callTimeoutMs", readNumber(name, entry, "callTimeoutMs")),
  };
  const extra = { ...unknown, ...unusable };
  const unknownKeys = Object.keys(extra);
  return {
    draft: { name, spec: { ...spec, ...timeouts, extra }, unknownKeys },
    notes: [...history, ...notes, ...Object.keys(unknown).flatMap((key) => misspelt(name, key, known))],
    disabled: entry["disabled"] === true || entry["enabled"] === false,
  };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readKind(name: string, entry: JsonObject): "stdio" | "http" | "sse" {
  const urls = URL_KEYS.filter((key) => entry[key] !== undefined);
  const hasCommand = entry["command"] !== undefined;
  if (hasCommand && urls.length > 0) {
    throw usage(`${name}: has both "command" and ${quoted(urls[0] ?? "")}: a server has one of them.`);
  }
  const said = entry["type"] ?? entry["transport"];
  const kind = said === undefined ? undefined : readType(name, said);
  if (kind === "stdio" || (kind === undefined && hasCommand)) {
    if (hasCommand) return "stdio";
    throw usage(`${name}: "command" is missing.${hint(entry, "command")}`);
  }
  if (urls.length > 0) return kind ?? "http";
  if (kind === undefined)
    throw usage(`${name}: has neither "command" nor "url".${hint(entry, "command", "url")}`);
  throw usage(`${name}: "url" is missing.${hint(entry, "url")}`);
}

function readType(name: string, said: unknown): "stdio" | "http" | "sse" {
  const kind = typeof said === "string" ? KINDS.get(said) : undefined;
  if (kind !== undefined) return kind;
  const near = typeof said === "string" ? nearest(said, KINDS.keys()) : undefined;
  const next = near === undefined ? 'write "stdio" or "http"' : `did you mean ${quoted(near)}?`;
  throw usage(`${name}: "type" is not understood: ${next}`);
}

/** The key that probably stands in for a missing one. */
function hint(entry: JsonObject, ...missing: readonly string[]): string {
  const known = new Set(missing);
  const found = Object.keys(entry).find((key) => meaningOf(key, known) !== undefined);
  return found === undefined ? "" : ` Is it meant by ${quoted(found)}?`;
}

interface ReadKeys {
  readonly spec: Draft["spec"];
  readonly notes: readonly string[];
  /** Known keys whose values cannot be acted on: kept like unknown ones. */
  readonly unusable: JsonObject;
}

function readStdio(name: string, entry: JsonObject): ReadKeys {
  const { command, cwd, cage } = entry;
  if (typeof command !== "string") throw usage(`${name}: "command" has to be a text.`);
  const env = readTexts(name, "env", entry["env"]);
  const notes = [...env.notes];
  if (/\s/.test(command) && entry["args"] === undefined) {
    notes.push(`${name}: "command" is one program, spaces included: its arguments belong into "args".`);
  }
  const usableCwd = typeof cwd === "string" && cwd.startsWith("/") ? cwd : undefined;
  const unusable = cwd !== undefined && usableCwd === undefined ? { cwd } : {};
  if ("cwd" in unusable)
    notes.push(`${name}: "cwd" is not an absolute path: the server gets a directory of its own.`);
  const spec = {
    kind: "stdio" as const,
    command,
    args: readArgs(name, entry["args"]),
    env: env.values,
    ...optional("cwd", usableCwd),
    ...optional("cage", cage === undefined ? undefined : readCage(name, cage)),
    ...readSupervision(name, entry),
  };
  return { spec, notes, unusable };
}

/** Keys of ours that other programs do not have. What is wrong in them is said with its line. */
function readSupervision(name: string, entry: JsonObject): Pick<v.InferInput<typeof StdioSpec>, OwnKey> {
  const own = Object.fromEntries(
    OWN_KEYS.flatMap((key) => (entry[key] === undefined ? [] : [[key, entry[key]]])),
  );
  const result = v.safeParse(v.pick(StdioSpec, OWN_KEYS), own);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
  throw cageFault(name, path, issue.message.startsWith("Invalid ") ? "is not understood" : issue.message);
}

const OWN_KEYS = ["scripts", "isolation", "instances"] as const;
type OwnKey = (typeof OWN_KEYS)[number];

function readHttp(name: string, entry: JsonObject): ReadKeys {
  const urls = new Set(URL_KEYS.map((key) => entry[key]).filter((url) => url !== undefined));
  const [url] = urls;
  if (typeof url !== "string") throw usage(`${name}: "url" has to be a text.`);
  if (urls.size > 1) throw usage(`${name}: has several different URLs: keep one.`);
  const headers = readTexts(name, "headers", entry["headers"]);
  return { spec: { kind: "http", url, headers: headers.values }, notes: headers.notes, unusable: {} };
}

function readArgs(name: string, args: unknown): string[] {
  if (args === undefined || args === null) return [];
  if (!Array.isArray(args)) throw usage(`${name}: "args" has to be a list of texts.`);
  return args.map((arg: unknown, at) => {
    if (isPlain(arg)) return String(arg);
    throw usage(`${name}: "args" has to be a list of texts; the entry at place ${at + 1} is none.`);
  });
}

/** A map of texts; numbers and booleans become texts, as the programs do that these files are made for. */
function readTexts(
  name: string,
  key: string,
  map: unknown,
): { readonly values: Record<string, string>; readonly notes: readonly string[] } {
  if (map === undefined || map === null) return { values: {}, notes: [] };
  if (!isObject(map)) throw usage(`${name}: ${quoted(key)} has to be a map of names to texts.`);
  const values = new Map<string, string>();
  const notes: string[] = [];
  for (const [field, value] of Object.entries(map)) {
    if (isPlain(value)) values.set(field, String(value));
    else if (value === null)
      notes.push(`${name}: ${printable(`${key} ${field}`, 80)} is null: it is left out.`);
    else throw usage(`${name}: the value of ${quoted(field)} in ${quoted(key)} has to be a text.`);
  }
  return { values: Object.fromEntries(values), notes };
}

function readNumber(name: string, entry: JsonObject, key: string): number | undefined {
  const value = entry[key];
  if (value === undefined || typeof value === "number") return value;
  throw usage(`${name}: ${quoted(key)} has to be a number of milliseconds.`);
}

function misspelt(name: string, key: string, known: ReadonlySet<string>): readonly string[] {
  const meant = meaningOf(key, known);
  return meant === undefined
    ? []
    : [`${name}: the key ${quoted(key)} is not understood: did you mean ${quoted(meant)}?`];
}

/** The known key that somebody meant by an unknown one. */
function meaningOf(key: string, known: ReadonlySet<string>): string | undefined {
  if (FOREIGN_KEYS.has(key)) return undefined;
  const near = nearest(key, [...known, ...SYNONYMS.keys()]) ?? "";
  const meant = SYNONYMS.get(near) ?? near;
  return known.has(meant) ? meant : undefined;
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [name in Key]?: Value } {
  const entries: { [name in Key]?: Value } = {};
  if (value !== undefined) entries[key] = value;
  return entries;
}

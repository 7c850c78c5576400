// `toolcrib add <file>`: the servers of a configuration file in the forms that people have. Pure: gets the text, reads
// no file and no environment. Called by plan.ts.

import { AppError } from "../../errors.ts";
import type { PlanView } from "../../model/api.ts";
import { nearest } from "../../nearest.ts";
import { printable, quoted } from "../../model/printable.ts";
import { toServerName } from "../../package/default-name.ts";
import { checkName, finish, type PlanContext, usage, type PlanOptions } from "./draft.ts";
import { isObject, readEntry, type JsonObject } from "./entry.ts";
import { type Document, type JsonPath, parseJsonc } from "./jsonc.ts";
import type { InputQuestions } from "./placeholders.ts";
import { planFromServerJson } from "./registry.ts";
import { isServerJson } from "./server-json.ts";

const MAX_SERVERS = 500;
/** Names listed in one note. */
const MAX_LISTED = 20;

/** @throws AppError `usage` (with line and column where the text is not JSON), `too-large` */
export function planFromDocument(
  name: string,
  text: string,
  options: PlanOptions,
  context: PlanContext,
): PlanView {
  refuseOtherFormats(name, text);
  const document = parseJsonc(name, text);
  if (isServerJson(document.value)) return planFromServerJson(document.value, options, context);
  const form = findForm(name, document.value);
  const entries = Object.entries(form.servers);
  if (entries.length === 0) throw usage(`${quoted(name)} has no servers in it.`);
  if (entries.length > MAX_SERVERS) throw usage(`${quoted(name)} has more than ${MAX_SERVERS} servers.`);
  const alone = entries.length === 1;
  if (!alone) refuseForSeveral(name, entries.length, options);

  const names = nameServers(
    entries.map(([key]) => key),
    options.name,
  );
  const questions = readQuestions(form.inputs);
  const notes = [...topNotes(form.unknownKeys)];
  const servers = entries.flatMap(([key, value], at) => {
    const given = names[at] ?? toServerName(key);
    if (given !== key) notes.push(`${quoted(key)} becomes ${given}.`);
    return inDocument(name, document, [...form.path, key], () => {
      if (!isObject(value)) throw usage(`${given}: has to be a map with "command" or "url".`);
      const entry = readEntry(given, value);
      if (entry.disabled) {
        notes.push(`${given}: is disabled in the file and is not added.`);
        return [];
      }
      const finished = finish(entry.draft, options, questions, context);
      notes.push(...entry.notes, ...keyNotes(given, entry.draft.unknownKeys), ...finished.notes);
      return [finished.server];
    });
  });
  return { servers, notes };
}

/** What is wrong with an entry says which file it is in, and, where that is known, in which line. */
function inDocument<T>(name: string, document: Document, place: JsonPath, act: () => T): T {
  try {
    return act();
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const below = thrown.details?.["path"];
    if (!Array.isArray(below)) throw usage(`${quoted(name)}, ${thrown.message}`);
    const line = document.lineOf([...place, ...below]);
    throw new AppError("usage", `${quoted(name)}, line ${line}, ${thrown.message}`, { details: { line } });
  }
}

interface Form {
  readonly servers: JsonObject;
  /** Where in the document they stand. */
  readonly path: JsonPath;
  /** VS Code's questions for values. */
  readonly inputs: unknown;
  readonly unknownKeys: readonly string[];
}

/** Forms of other programs that are known, but not read yet: the key that gives them away, and whose it is. */
const OTHER_FORMS: ReadonlyMap<string, string> = new Map([
  ["context_servers", "Zed"],
  ["mcp_servers", "Codex"],
  ["mcp", "OpenCode"],
]);

function findForm(name: string, document: unknown): Form {
  if (!isObject(document))
    throw usage(`${quoted(name)} has to be a map with a key "mcpServers" or "servers".`);
  const inside = document["mcp"];
  const isSettings = isObject(inside) && inside["servers"] !== undefined;
  const found = [
    { key: "mcpServers", path: ["mcpServers"], servers: document["mcpServers"], inputs: document["inputs"] },
    { key: "servers", path: ["servers"], servers: document["servers"], inputs: document["inputs"] },
    // The settings of VS Code itself.
    ...(isSettings
      ? [{ key: "mcp", path: ["mcp", "servers"], servers: inside["servers"], inputs: inside["inputs"] }]
      : []),
  ].filter(({ servers }) => servers !== undefined);

  const [form, second] = found;
  if (form === undefined) return findBareMap(name, document);
  if (second !== undefined)
    throw usage(`${quoted(name)} has both "${form.key}" and "${second.key}": keep one of them.`);
  if (!isObject(form.servers))
    throw usage(`${quoted(name)}: "${form.key}" has to be a map of names to servers.`);
  const unknownKeys = Object.keys(document).filter((key) => ![form.key, "inputs", "$schema"].includes(key));
  return { servers: form.servers, path: form.path, inputs: form.inputs, unknownKeys };
}

/** A map of nothing but servers is taken as such; whatever else it may be is refused. */
function findBareMap(name: string, document: JsonObject): Form {
  const keys = Object.keys(document);
  const isServer = (key: string): boolean => {
    const value = document[key];
    return (
      isObject(value) &&
      ["command", "url", "serverUrl", "httpUrl"].some((field) => typeof value[field] === "string")
    );
  };
  if (keys.length > 0 && keys.every(isServer))
    return { servers: document, path: [], inputs: undefined, unknownKeys: [] };
  const other = keys.find((key) => OTHER_FORMS.has(key));
  if (other !== undefined) {
    throw usage(
      `${quoted(name)} is in the form of ${OTHER_FORMS.get(other)} (${quoted(other)}), which is not read yet: ` +
        'write its servers below "mcpServers".',
    );
  }
  const misspelt = keys.find((key) => nearest(key, ["mcpServers", "servers"]) !== undefined);
  const next = misspelt === undefined ? "" : `: is it meant by ${quoted(misspelt)}?`;
  throw usage(`${quoted(name)} has no key "mcpServers" or "servers"${next || "."}`);
}

function refuseOtherFormats(name: string, text: string): void {
  if (text.startsWith("PK\u0003\u0004"))
    throw usage(`${quoted(name)} is an archive; give it the ending .mcpb if it is an MCP bundle.`);
  if (/\.toml$/i.test(name)) {
    throw usage(
      `${quoted(name)} is TOML, which is not read yet: write its servers below "mcpServers" in a JSON file.`,
    );
  }
}

function refuseForSeveral(name: string, count: number, options: PlanOptions): void {
  const given = [
    ["--name", options.name === undefined ? 0 : 1],
    ["--env", Object.keys(options.env).length],
    ["--read", options.read.length],
    ["--write", options.write.length],
    ["--allow-host", options.allowHosts.length],
  ] as const;
  const wrong = given.find(([, values]) => values > 0)?.[0];
  if (wrong === undefined) return;
  throw usage(`${wrong} is for one server, but ${quoted(name)} has ${count}: write it into the file.`);
}

/** The names that the servers get, in order. @throws AppError `usage` when two would be the same */
function nameServers(keys: readonly string[], wanted: string | undefined): readonly string[] {
  if (wanted !== undefined) return [checkName(wanted)];
  const taken = new Map<string, string>();
  return keys.map((key) => {
    const name = toServerName(key);
    const other = taken.get(name);
    if (other !== undefined)
      throw usage(`${quoted(other)} and ${quoted(key)} would both be named ${name}: rename one of them.`);
    taken.set(name, key);
    return name;
  });
}

function readQuestions(inputs: unknown): InputQuestions {
  if (!Array.isArray(inputs)) return new Map();
  return new Map(
    inputs.flatMap((input: unknown) => {
      if (!isObject(input) || typeof input["id"] !== "string") return [];
      return typeof input["description"] === "string" ? [[input["id"], input["description"]] as const] : [];
    }),
  );
}

function topNotes(keys: readonly string[]): readonly string[] {
  return keys.length === 0 ? [] : [`The file has more than servers; not acted on: ${list(keys)}.`];
}

function keyNotes(name: string, keys: readonly string[]): readonly string[] {
  return keys.length === 0 ? [] : [`${name}: kept, but not acted on: ${list(keys)}.`];
}

function list(keys: readonly string[]): string {
  const shown = keys.slice(0, MAX_LISTED).map((key) => printable(key, 60));
  return keys.length > MAX_LISTED
    ? `${shown.join(", ")} and ${keys.length - MAX_LISTED} more`
    : shown.join(", ");
}

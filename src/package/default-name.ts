// The name a server gets when nobody gives one: short, from what it is. Pure. Called by the import planner, which
// also turns names of imported files into valid ones here.

import { parsePackageSpec, programName, type CommandMeaning } from "./command-line.ts";

const MAX_LENGTH = 40;
/** Where nothing usable is left. */
const FALLBACK = "server";

/** Words that say what every server is; a name is better without them. */
const PREFIX = /^(?:server|mcp)[-_.]/;
const SUFFIX = /[-_.](?:server|mcp)$/;
const SAYS_NOTHING = /^(?:mcp|server|mcp[-_.]server|server[-_.]mcp)?$/;

/** `@modelcontextprotocol/server-everything` → `everything`, `@playwright/mcp` → `playwright`, `/opt/x.sh` → `x`. */
export function defaultName(meaning: CommandMeaning): string {
  switch (meaning.kind) {
    case "npm":
    case "pypi":
      return nameOfPackage(meaning.packageSpec.name);
    case "python":
      return nameOfPython(meaning.args);
    case "program":
      return nameOfProgram(meaning.command, meaning.args);
  }
}

/** The label of the host that says whose it is: `https://mcp.example.com/mcp` → `example`. */
export function defaultNameOfUrl(url: string): string {
  const host = URL.parse(url)?.hostname ?? "";
  if (/^[\d.]+$/.test(host) || host.startsWith("[")) return toServerName(host);
  const labels = host.split(".");
  // A country's second level (`co.uk`, `com.au`) belongs to the ending.
  const endingLabels = /\.[a-z]{2,3}\.[a-z]{2}$/.test(host) && labels.length > 2 ? 2 : 1;
  const own = labels.length > 1 ? labels.slice(0, -endingLabels) : labels;
  return toServerName(own.findLast((label) => !/^(?:mcp|api|www|server)$/.test(label)) ?? own.at(-1) ?? "");
}

/** Any text as a valid server name (see model/server-spec.ts): what cannot stay becomes `-`. */
export function toServerName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/_{2,}/g, "_")
    .replace(/^[-_]+/, "")
    .slice(0, MAX_LENGTH)
    .replace(/[-_]+$/, "");
  return name === "" ? FALLBACK : name;
}

function nameOfPackage(name: string): string {
  const [scope, own] = name.startsWith("@") ? name.slice(1).split("/") : [undefined, name];
  const short = shorten(own ?? "");
  return toServerName(SAYS_NOTHING.test(short) ? (scope ?? short) : short);
}

function shorten(name: string): string {
  let rest = name.toLowerCase();
  while (PREFIX.test(rest) && !SAYS_NOTHING.test(rest)) rest = rest.replace(PREFIX, "");
  while (SUFFIX.test(rest) && !SAYS_NOTHING.test(rest)) rest = rest.replace(SUFFIX, "");
  return rest;
}

const PYTHON_VERBS = new Set(["tool", "run"]);
// Options of uv and pipx that take the next word.
const PYTHON_VALUES = new Set(
  (
    "--from --with --with-editable --with-requirements --python -p --index --default-index --index-url -i " +
    "--extra-index-url --find-links -f --directory --project --cache-dir --config-file --env-file --constraints -c " +
    "--overrides --extra --group --package --spec --pip-args"
  ).split(" "),
);

/** The first word that is neither an option nor a verb of the tool, without path and ending. */
function nameOfPython(args: readonly string[]): string {
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (PYTHON_VALUES.has(word)) at++;
    if (word.startsWith("-")) continue;
    if (PYTHON_VERBS.has(word)) continue;
    return nameOfProgram(word, args.slice(at + 1));
  }
  return FALLBACK;
}

const INTERPRETERS = /^(?:node|nodejs|bun|deno|tsx|python[\d.]*|py|ruby|perl|php|java|sh|bash|zsh|dash)$/;
/** File names that say nothing: the folder around them is asked. */
const COMMON_FILES = /^(?:index|main|server|cli|app|mcp|start|run|dist|build|src|lib|bin|out|__main__)$/;

/** The program's file name; behind an interpreter, the script's or module's. */
function nameOfProgram(command: string, args: readonly string[]): string {
  const program = programName(command);
  if (!INTERPRETERS.test(program)) return nameOfFile(command);
  const module = args.indexOf("-m");
  const script = module === -1 ? args.find((arg) => !/^-|^run$/.test(arg)) : args[module + 1];
  return script === undefined ? toServerName(program) : nameOfFile(script);
}

function nameOfFile(path: string): string {
  const parts = path.split(/[/\\]/).filter((part) => !/^\.*$/.test(part));
  const names = parts.map((part, at) =>
    at === parts.length - 1 ? part.replace(/(?<=.)\.[a-z0-9]+$/i, "") : part,
  );
  const telling = names.findLast((name) => !COMMON_FILES.test(name.toLowerCase())) ?? names.at(-1) ?? "";
  // A module or a program is often named like the package it comes from.
  return nameOfPackage(parsePackageSpec(telling)?.name ?? telling);
}

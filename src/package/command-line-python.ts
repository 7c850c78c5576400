// Understands the command lines of Python's package runners (uvx, uv, pipx): packages of an index, which the vault
// pins, or a project of this host, which uv runs where it lies. Pure. Called by command-line.ts.

import { AppError } from "../errors.ts";
import { printable, quoted } from "../model/printable.ts";
import { nearest } from "../nearest.ts";
import {
  normalizeName,
  parseRequirement,
  type PypiRequirement,
  requirementText,
} from "./pypi-requirement.ts";
import { checkRegistry } from "./registry-address.ts";

export interface PypiMeaning {
  readonly kind: "pypi";
  /** `wanted`: `latest`, or version specifiers such as `==1.2.3` and `>=1,<2`. */
  readonly packageSpec: { readonly name: string; readonly wanted: string };
  readonly extras: readonly string[];
  /** What is installed beside it (`--with`), as requirements such as `pandas>=2`. */
  readonly with: readonly string[];
  /** The program that was named; `python` is the interpreter. Undefined leaves the choice to the package. */
  readonly bin: string | undefined;
  /** Version of the interpreter: `3`, `3.12`, `3.12.1`. */
  readonly python: string | undefined;
  /** Versions such as 1.0rc1 count as well. */
  readonly prereleases: boolean;
  /** An index named on the command line; undefined means the one that is configured. */
  readonly registry: string | undefined;
  /** The arguments of the server itself. */
  readonly args: readonly string[];
}

/** A project, a script or anything else that the host's own tool does. */
export interface PythonMeaning {
  readonly kind: "python";
  readonly tool: Exclude<PythonTool, "uvx">;
  readonly command: string;
  readonly args: readonly string[];
}

const PYTHON_TOOLS = ["uvx", "uv", "pipx"] as const;
export type PythonTool = (typeof PYTHON_TOOLS)[number];

/** Packages named by `--with` on one line. */
const MAX_WITH = 64;

/**
 * What an option means here. `flag` and `value` change nothing: they say where to keep files or how loudly to work,
 * and the vault has its own way. `refused` ones change what is installed in a way that cannot be pinned. `project`
 * ones belong to a project of this host. `unknown` is for those that no table has. `…-value` and those with a meaning of their own take a word.
 */
type OptionKind =
  | ("flag" | "module" | "script" | "project" | "refused" | "unknown")
  | ("value" | "from" | "with" | "python" | "registry" | "prerelease" | "project-value" | "refused-value");
type Options = ReadonlyMap<string, OptionKind>;

const ALONE = new Set<OptionKind>(["flag", "module", "script", "project", "refused", "unknown"]);

const OF_UV: readonly (readonly [OptionKind, string])[] = [
  [
    "flag",
    "-q --quiet -v --verbose -n --no-cache --refresh --isolated --no-progress --system-certs --native-tls --no-config " +
      "--no-env-file --managed-python --no-managed-python --no-python-downloads --compile-bytecode --upgrade -U " +
      "--reinstall --no-build --require-build-hashes --no-require-build-hashes --no-sources --no-project --exact --offline",
  ],
  [
    "value",
    "--cache-dir --color --link-mode --refresh-package --upgrade-package -P --reinstall-package --config-file " +
      "--no-build-package --index-strategy --keyring-provider --fork-strategy --python-preference",
  ],
  ["with", "--with -w"],
  ["python", "--python -p"],
  ["registry", "--default-index --index-url -i"],
  ["prerelease", "--prerelease"],
  ["refused", "--no-index --no-binary --no-build-isolation --lfs"],
  [
    "refused-value",
    "--with-editable --with-requirements --index --extra-index-url --find-links -f --constraints -c --overrides " +
      "--build-constraints -b --env-file --resolution --exclude-newer --no-binary-package --config-setting -C " +
      "--python-platform --torch-backend --allow-insecure-host",
  ],
];
const OF_UV_RUN: readonly (readonly [OptionKind, string])[] = [
  ["module", "-m --module"],
  ["script", "-s --script"],
  [
    "project",
    "--all-extras --no-dev --only-dev --no-default-groups --all-groups --no-editable --active --no-sync --locked " +
      "--frozen --all-packages --dev --gui-script",
  ],
  ["project-value", "--directory --project --extra --no-extra --group --no-group --only-group --package"],
];

const UVX = optionTable([...OF_UV, ["from", "--from"], ["refused-value", "--directory --project"]]);
const UV_RUN = optionTable([...OF_UV, ...OF_UV_RUN]);
const PIPX = optionTable([
  ["flag", "-q --quiet -v --verbose --no-cache --fetch-missing-python"],
  ["from", "--spec"],
  ["with", "--with"],
  ["python", "--python"],
  ["registry", "--index-url -i"],
  ["refused", "--path --editable -e --pypackages --system-site-packages"],
  ["refused-value", "--pip-args"],
]);

const OTHER_INDEX =
  "name the one index that has all packages with --default-index, or set UV_INDEX in the appliance's environment";
/** What to do in place of an option that is refused. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ["--index", OTHER_INDEX],
  ["--extra-index-url", OTHER_INDEX],
  ["--env-file", "give the variables to the server itself"],
  ["--directory", "give the directory as the server's own working directory"],
  ["--project", "leave it out"],
]);

/** The tool that `program` is, where it is one of these. */
export function pythonTool(program: string): PythonTool | undefined {
  return PYTHON_TOOLS.find((name) => name === program);
}

/** @throws AppError `usage` for a line that names packages which cannot be pinned, or none */
export function understandPython(
  tool: PythonTool,
  command: string,
  args: readonly string[],
): PypiMeaning | PythonMeaning {
  if (tool === "uvx") return toolRun("uvx", UVX, args);
  const asItIs: PythonMeaning = { kind: "python", tool, command, args };
  const { verb, rest } = takeVerb(tool === "uv" ? UV_RUN : PIPX, args);
  if (tool === "pipx") return verb === "run" ? toolRun("pipx run", PIPX, rest) : asItIs;
  if (verb === "run") return uvRun(rest) ?? asItIs;
  if (verb !== "tool") return asItIs;
  const inner = takeVerb(UVX, rest);
  return inner.verb === "run" ? toolRun("uv tool run", UVX, inner.rest) : asItIs;
}

function toolRun(runner: string, table: Options, line: readonly string[]): PypiMeaning {
  const words = readWords(runner, table, line);
  checkOptions(runner, table, words);
  const [word, ...args] = words.rest;
  if (word === undefined) throw usage(`"${runner}" needs the name of a package behind it.`);
  const [from, ...more] = words.given.get("from") ?? [];
  if (more.length > 0) throw usage(`"${runner}" is given ${more.length + 1} packages to run from: name one.`);
  const beside = withOf(runner, words);
  const interpreter = /^python(3?(?:\.\d+)*)(?:@([\d.]+))?$/.exec(word);
  if (interpreter === null) {
    const main = requirement(runner, from ?? word);
    return meaning(words, main, beside, from === undefined ? undefined : word, args);
  }
  const main = from === undefined ? beside[0] : requirement(runner, from);
  if (main === undefined)
    throw usage(`"${runner} ${printable(word, 20)}" names no package: add one with --with.`);
  const found = meaning(words, main, from === undefined ? beside.slice(1) : beside, "python", args);
  const version = interpreter[2] ?? interpreter[1];
  return { ...found, python: found.python ?? (version === "" ? undefined : version) };
}

/** Undefined where uv itself has to run it: a project, or a script with its whole path. */
function uvRun(args: readonly string[]): PypiMeaning | undefined {
  const words = readWords("uv run", UV_RUN, args);
  const [word = "", ...rest] = words.rest;
  if (words.given.has("project") || words.given.has("project-value")) return undefined;
  if (word.startsWith("/") && !words.given.has("with")) return undefined;
  checkOptions("uv run", UV_RUN, words);
  const beside = withOf("uv run", words);
  const [first] = beside;
  if (first === undefined) {
    throw usage(
      `"${`uv run ${printable(word, 80)}`.trim()}" depends on the directory that it is started in: name the project, as in ` +
        `"uv run --directory /path/of/project …", or the packages, as in "uv run --with PACKAGE /path/of/script.py".`,
    );
  }
  if (word === "") throw usage('"uv run" needs a program to run behind its options.');
  const runsPython = /^python3?(?:\.\d+)?$/.test(word);
  const isFile = words.given.has("script") || word.endsWith(".py");
  const inner = words.given.has("module") ? ["-m", word, ...rest] : isFile ? [word, ...rest] : rest;
  const bin = runsPython || isFile || words.given.has("module") ? "python" : word;
  const main = beside.find(({ name }) => normalizeName(name) === normalizeName(word)) ?? first;
  const others = beside.filter((each) => each !== main);
  return meaning(words, main, others, bin, inner);
}

function meaning(
  words: Words,
  main: PypiRequirement,
  beside: readonly PypiRequirement[],
  bin: string | undefined,
  args: readonly string[],
): PypiMeaning {
  const last = (kind: OptionKind): string | undefined => words.given.get(kind)?.at(-1);
  const { name, extras, wanted } = main;
  const registry = last("registry");
  const elsewhere = "the whole address into UV_DEFAULT_INDEX in the appliance's environment";
  return {
    kind: "pypi",
    packageSpec: { name, wanted },
    extras,
    with: beside.map(requirementText),
    bin,
    python: interpreterVersion(last("python")),
    prereleases: last("prerelease") === "allow",
    registry: registry === undefined ? undefined : checkRegistry("the index option", registry, elsewhere),
    args,
  };
}

function withOf(runner: string, words: Words): readonly PypiRequirement[] {
  // Commas separate packages, and also stand inside brackets and between the versions of one package.
  const named = (words.given.get("with") ?? []).flatMap((value) =>
    value.split(/,(?![^[]*\])(?=\s*[A-Za-z0-9])/),
  );
  if (named.length > MAX_WITH) throw usage(`"${runner}" is given more than ${MAX_WITH} packages.`);
  return named.map((text) => requirement(runner, text));
}

function requirement(runner: string, text: string): PypiRequirement {
  const parsed = parseRequirement(text);
  if (parsed !== undefined) return parsed;
  const shown = quoted(text.replace(/:\/\/[^/\s@]*@/g, "://"));
  throw usage(
    `"${runner}" is given ${shown}, which is not a package of a Python index, and only those can be pinned: ` +
      "name a package, or install it yourself and give the path of its program.",
  );
}

function interpreterVersion(wanted: string | undefined): string | undefined {
  if (wanted === undefined) return undefined;
  const version = /^(?:c?python@?)?(3(?:\.\d{1,2}){0,2})$/.exec(wanted)?.[1];
  if (version !== undefined) return version;
  throw usage(`${quoted(wanted)} is not understood as a Python to run with: give a version, such as 3.12.`);
}

interface Words {
  readonly given: ReadonlyMap<OptionKind, readonly string[]>;
  /** From the first word that is no option on. */
  readonly rest: readonly string[];
}

function readWords(runner: string, table: Options, args: readonly string[]): Words {
  const given = new Map<OptionKind, string[]>();
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "--") return { given, rest: args.slice(at + 1) };
    if (!/^-./.test(word)) return { given, rest: args.slice(at) };
    const { name, attached, kind = "unknown" } = readOption(table, word);
    const value = ALONE.has(kind) ? name : (attached ?? args[++at]);
    if (value === undefined) throw usage(`The option ${name} of "${runner}" needs a value.`);
    const kept = kind === "refused-value" ? name : value;
    given.set(kind, [...(given.get(kind) ?? []), kept]);
  }
  return { given, rest: [] };
}

/** The first word that is no option, and the line without it. */
function takeVerb(
  table: Options,
  args: readonly string[],
): { readonly verb: string | undefined; readonly rest: readonly string[] } {
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (!/^-./.test(word)) return { verb: word, rest: [...args.slice(0, at), ...args.slice(at + 1)] };
    const { attached, kind } = readOption(table, word);
    if (kind !== undefined && !ALONE.has(kind) && attached === undefined) at++;
  }
  return { verb: undefined, rest: args };
}

interface Option {
  readonly name: string;
  /** `--name=value`, `-nvalue`. */
  readonly attached: string | undefined;
  readonly kind: OptionKind | undefined;
}

function readOption(table: Options, word: string): Option {
  const [, long, value] = /^(--[^=]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
  if (long !== undefined) return { name: long, attached: value, kind: table.get(long) };
  const name = word.slice(0, 2);
  const tail = word.slice(2);
  const kind = table.get(name);
  if (tail === "" || kind === undefined || !ALONE.has(kind)) {
    return { name, attached: tail === "" ? undefined : tail.replace(/^=/, ""), kind };
  }
  const areFlags = Array.from(tail).every((letter) => table.get(`-${letter}`) === "flag");
  return { name: areFlags ? name : word, attached: undefined, kind: areFlags ? kind : undefined };
}

function optionTable(rows: readonly (readonly [OptionKind, string])[]): Options {
  return new Map(rows.flatMap(([kind, names]) => names.split(" ").map((name) => [name, kind] as const)));
}

/** @throws AppError `usage` for the first option that is not understood or cannot be followed */
function checkOptions(runner: string, table: Options, { given }: Words): void {
  const unknown = given.get("unknown")?.[0];
  if (unknown !== undefined) {
    const near = nearest(unknown, table.keys());
    const next = near === undefined ? "leave it out" : `did you mean ${near}?`;
    throw usage(`"${runner}" has the option ${quoted(unknown)}, which is not understood: ${next}`);
  }
  const refused = given.get("refused")?.[0] ?? given.get("refused-value")?.[0];
  if (refused === undefined) return;
  const next =
    INSTEAD.get(refused) ?? "leave it out, or install the server yourself and give the path of its program";
  throw usage(`"${runner} ${refused}" cannot be followed by what is installed once and pinned: ${next}.`);
}

function usage(sentence: string): AppError {
  return new AppError("usage", sentence);
}

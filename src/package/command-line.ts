// Understands what the command line of a stdio server means: a package of an npm registry or of a Python index, which
// the vault pins, a project that the host's uv runs, or a plain program. Pure. Called by the import planner (what would be
// added), by the installer (what to pin) and by each start (what to run), which must all agree.

import { AppError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { quoted } from "../model/printable.ts";
import { type PypiMeaning, type PythonMeaning, pythonTool, understandPython } from "./command-line-python.ts";
import { checkRegistry } from "./registry-address.ts";

/** A package as somebody asked for it: `wanted` is an exact version, a range or a tag. */
export interface PackageSpec {
  readonly name: string;
  readonly wanted: string;
}

export interface NpmMeaning {
  readonly kind: "npm";
  readonly packageSpec: PackageSpec;
  /** The program of the package that was named; undefined leaves the choice to the package. */
  readonly bin: string | undefined;
  /** A registry named on the command line; undefined means the one that is configured. */
  readonly registry: string | undefined;
  /** The arguments of the server itself. */
  readonly args: readonly string[];
}

export interface ProgramMeaning {
  readonly kind: "program";
  readonly command: string;
  readonly args: readonly string[];
}

export type CommandMeaning = NpmMeaning | PypiMeaning | PythonMeaning | ProgramMeaning;

/** What an option of a package runner is followed by and means here. */
type OptionKind = "flag" | "value" | "package" | "registry" | "shell";

// One table for npx, npm exec, bunx, pnpm dlx and yarn dlx: where two of them share a spelling, they share its meaning.
// Flags say how to fetch or how loudly: the vault fetches in its own way, so they change nothing.
const FLAGS =
  "-y --yes --no-install -q --quiet -s --silent -d -dd -ddd --verbose --bun -b --prefer-offline --prefer-online " +
  "--offline --ignore-scripts --ignore-existing --always-spawn --shell-auto-fallback --foreground-scripts " +
  "--force -f --legacy-peer-deps --audit --fund --progress --update-notifier";
const VALUES =
  "--cache --userconfig --globalconfig --prefix --loglevel --reporter --script-shell --shell --node-options --node-arg " +
  "-n --npm --dir -C --workspace -w --allow-build --before --tag --ca --cafile --proxy --https-proxy --noproxy";

const OPTIONS: ReadonlyMap<string, OptionKind> = new Map<string, OptionKind>([
  ...FLAGS.split(" ").map((option) => [option, "flag"] as const),
  ...VALUES.split(" ").map((option) => [option, "value"] as const),
  ["-p", "package"],
  ["--package", "package"],
  ["--registry", "registry"],
  ["-c", "shell"],
  ["--call", "shell"],
  ["--shell-mode", "shell"],
]);

const NPMRC = "them into ~/.npmrc of the appliance's user";

/** Programs that run a package at once, and those that do after a verb. */
const RUNNERS = new Set(["npx", "bunx", "pnpx"]);
const RUNNER_VERBS: ReadonlyMap<string, readonly string[]> = new Map([
  ["npm", ["exec", "x"]],
  ["bun", ["x"]],
  ["pnpm", ["dlx"]],
  ["yarn", ["dlx"]],
]);

/**
 * What `command` with `args` means. @throws AppError `usage` for the line of a package runner that cannot be pinned:
 * a shell string, a path, a Git address, an option that is not known.
 */
export function understand(command: string, args: readonly string[]): CommandMeaning {
  const program = programName(command);
  if (program === "cmd") return understandWindowsShell(command, args);
  const tool = pythonTool(program);
  if (tool !== undefined) return understandPython(tool, command, args);
  if (RUNNERS.has(program)) return understandRunner(program, args, false);
  const verb = findVerb(program, args);
  if (verb === undefined) return { kind: "program", command, args };
  return understandRunner(`${program} ${verb.verb}`, verb.rest, program === "npm");
}

/** The last part of a path of either kind of system, without the ending of a Windows program. */
export function programName(command: string): string {
  const base = command.split(/[/\\]/).at(-1) ?? command;
  return base.replace(/\.(cmd|exe|bat|ps1)$/i, "").toLowerCase();
}

/** `name`, `name@wanted`, `@scope/name@wanted`; undefined for anything else (paths, addresses, aliases). */
export function parsePackageSpec(text: string): PackageSpec | undefined {
  const match = /^((?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*)(?:@([\w.*^~<>=|+ -]+))?$/i.exec(text);
  const name = match?.[1];
  if (name === undefined || name.length > 214 || name.startsWith("-")) return undefined;
  return { name, wanted: match?.[2]?.trim() ?? "latest" };
}

/** True for one version and no other: what can be found again without asking a registry. */
export function isExactVersion(wanted: string): boolean {
  return /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.test(wanted);
}

/** `cmd /c npx …`, as Windows configurations have it, is the line behind the switch. */
function understandWindowsShell(command: string, args: readonly string[]): CommandMeaning {
  const at = args.findIndex((arg) => arg.toLowerCase() === "/c");
  const inner = args[at + 1];
  if (at === -1 || inner === undefined) return { kind: "program", command, args };
  return understand(inner, args.slice(at + 2));
}

/** Where the verb that runs a package stands; undefined when the line does something else. */
function findVerb(
  program: string,
  args: readonly string[],
): { readonly verb: string; readonly rest: readonly string[] } | undefined {
  const verbs = RUNNER_VERBS.get(program);
  if (verbs === undefined) return undefined;
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (verbs.includes(word)) return { verb: word, rest: [...args.slice(0, at), ...args.slice(at + 1)] };
    const option = readOption(word);
    if (option === undefined || option.kind === undefined) return undefined;
    if (option.kind !== "flag" && option.value === undefined) at++;
  }
  return undefined;
}

interface RunnerWords {
  readonly packages: readonly string[];
  readonly registry: string | undefined;
  readonly words: readonly string[];
}

function understandRunner(runner: string, args: readonly string[], interleaved: boolean): NpmMeaning {
  const { packages, registry, words } = readRunnerWords(runner, args, interleaved);
  if (packages.length > 1) {
    throw usage(`"${runner}" is given ${packages.length} packages: name the one that is the server.`);
  }
  const [first, ...rest] = words;
  const wanted = packages[0] ?? first;
  if (wanted === undefined) throw usage(`"${runner}" needs the name of a package behind it.`);
  const packageSpec = parsePackageSpec(wanted);
  if (packageSpec === undefined) {
    throw usage(
      `${quoted(wanted)} is not a package of an npm registry, and only those can be pinned: ` +
        "name a package, or install it yourself and give the path of its program.",
    );
  }
  if (packages.length === 0) return { kind: "npm", packageSpec, bin: undefined, registry, args: rest };
  if (first === undefined) {
    throw usage(
      `"${runner}" has the package ${packageSpec.name} but no program of it to run: write its name behind the package.`,
    );
  }
  return { kind: "npm", packageSpec, bin: first, registry, args: rest };
}

/**
 * Takes the runner's own options off. They end at the first other word; npm itself (`interleaved`) reads on until
 * `--`, so there an option of the table is npm's wherever it stands, and any other belongs to the server.
 */
function readRunnerWords(runner: string, args: readonly string[], interleaved: boolean): RunnerWords {
  const packages: string[] = [];
  const words: string[] = [];
  let registry: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "--") {
      words.push(...args.slice(at + 1));
      break;
    }
    const option = readOption(word);
    if (option === undefined || (option.kind === undefined && words.length > 0)) {
      words.push(word);
      if (interleaved) continue;
      words.push(...args.slice(at + 1));
      break;
    }
    if (option.kind === "shell")
      throw usage(
        `"${runner} ${option.name}" runs a shell line: name the package and its arguments instead.`,
      );
    if (option.kind === undefined) throw unknownOption(runner, option);
    if (option.kind === "flag") continue;
    const value = option.value ?? args[++at];
    if (value === undefined) throw usage(`The option ${option.name} of "${runner}" needs a value.`);
    if (option.kind === "package") packages.push(value);
    if (option.kind === "registry") registry = checkRegistry("--registry", value, NPMRC);
  }
  return { packages: [...new Set(packages)], registry, words };
}

interface Option {
  readonly name: string;
  readonly value: string | undefined;
  /** Undefined for an option that is not in the table. */
  readonly kind: OptionKind | undefined;
}

function readOption(word: string): Option | undefined {
  if (!/^-./.test(word)) return undefined;
  const equals = word.indexOf("=");
  const name = equals === -1 ? word : word.slice(0, equals);
  const value = equals === -1 ? undefined : word.slice(equals + 1);
  const kind = OPTIONS.get(name) ?? (isHarmless(name, value) ? "flag" : undefined);
  return { name, value, kind };
}

/** Unknown, but it cannot swallow the next word: `--no-…`, `--name=value` (no slip of a known one), or `-yq`. */
function isHarmless(name: string, value: string | undefined): boolean {
  if (/^--no-./.test(name)) return true;
  if (name.startsWith("--")) return value !== undefined && nearest(name, OPTIONS.keys()) === undefined;
  return name.length > 2 && Array.from(name.slice(1)).every((letter) => OPTIONS.get(`-${letter}`) === "flag");
}

function unknownOption(runner: string, option: Option): AppError {
  const near = nearest(option.name, OPTIONS.keys());
  const next = near === undefined ? "leave it out" : `did you mean ${near}?`;
  return usage(`"${runner}" has the option ${quoted(option.name)}, which is not understood: ${next}`);
}

function usage(sentence: string): AppError {
  return new AppError("usage", sentence);
}

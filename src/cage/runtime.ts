// What a cage has to show so that a program of the host can run at all: the program, where it was installed, and the
// script that it is told to run, with the package around that. Looks at files, changes nothing. Called by cages.ts.

import { existsSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { leadOf, liesInOneOf } from "./lead.ts";
import { isOfSystem } from "./view.ts";

/** Programs whose first word that is no option is the file that they run. */
const INTERPRETER =
  /^(?:node|nodejs|bun|deno|tsx|ts-node|python[\d.]*|pypy[\d.]*|ruby|perl|php|lua|sh|bash|dash|zsh|java|dotnet)(?:\.exe)?$/;

/** What marks the directory that a program belongs to. */
const PACKAGE_MARKS = ["package.json", "pyproject.toml", "setup.py", "deno.json", "Gemfile", "composer.json"];
const MAX_PARENTS = 8;

/**
 * Absolute paths, to be shown read-only; they exist. What every server sees is not among them.
 * What the server may write decides nothing: a link or a script there may be of its making, and can be used without.
 * @param args without the program; @param cwd absolute, what relative ones count from
 * @param writable what the server may write
 */
export function runtimePaths(
  file: string,
  args: readonly string[],
  cwd: string,
  writable: readonly string[],
): readonly string[] {
  const program = realPath(file, writable);
  const isInterpreter = INTERPRETER.test(basename(file)) || INTERPRETER.test(basename(program ?? ""));
  const script = isInterpreter ? scriptIn(args, cwd) : undefined;
  const lead = script === undefined ? undefined : realPath(script, writable);
  const found = [
    ...(program === undefined ? [] : [file, program, prefixOf(program)]),
    ...(lead === undefined || liesInOneOf(writable, lead) ? [] : [script, packageOf(lead)]),
  ];
  return [...new Set(found)].flatMap((path) => (path === undefined || isOfSystem(path) ? [] : [path]));
}

/** The home of an installation, where the program lies in its `bin`. */
function prefixOf(program: string): string | undefined {
  const directory = dirname(program);
  if (basename(directory) !== "bin") return undefined;
  const prefix = dirname(directory);
  return isShared(prefix) ? undefined : prefix;
}

function scriptIn(args: readonly string[], cwd: string): string | undefined {
  const word = args.find((arg) => !arg.startsWith("-") && arg !== "run");
  if (word === undefined) return undefined;
  const path = resolve(cwd, word);
  return isFile(path) ? path : undefined;
}

/** The nearest directory above that is marked as a package, else the script's own; a place that others share, never. */
function packageOf(script: string): string | undefined {
  // What an installed package needs lies beside it, in the outermost directory of its kind.
  const installed = /^.*?\/node_modules(?=\/)/.exec(script)?.[0];
  if (installed !== undefined) return installed;
  const own = dirname(script);
  let directory = own;
  for (let up = 0; up < MAX_PARENTS && !isShared(directory); up++, directory = dirname(directory)) {
    if (PACKAGE_MARKS.some((mark) => existsSync(join(directory, mark)))) return directory;
  }
  return isShared(own) ? undefined : own;
}

/** Directories that hold more than one program's files: a cage that shows them shows what it should not. */
function isShared(path: string): boolean {
  const depth = path.split("/").filter((part) => part !== "").length;
  if (depth < 2) return true;
  return (
    [homedir(), "/var/tmp", "/var/lib", "/usr/local", "/etc/ssl"].includes(path) ||
    /^\/home\/[^/]+$/.test(path)
  );
}

/** Undefined where the server decides where it leads. */
function realPath(path: string, writable: readonly string[]): string | undefined {
  try {
    const lead = leadOf(path, writable);
    if (lead !== undefined) return lead;
    const real = realpathSync(path);
    return isOfSystem(real) ? real : undefined;
  } catch {
    return path;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

// Starts a server from an MCP bundle in the vault: `${__dirname}` in its command line and variables becomes the place
// of the bundle, Node is this executable, Python is the host's. Only looks at files. Called by resolve.ts.

import { existsSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import type { PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import { programName } from "./command-line.ts";
import type { LaunchCommand } from "./launch-command.ts";
import { findProgram } from "./program.ts";
import { homeOf } from "./python-interpreters.ts";
import { scriptLaunch } from "./script-launch.ts";

export interface BundlePlaces {
  readonly vaultDirectory: string;
  /** This executable. */
  readonly self: string;
  /** The host's PATH. */
  readonly path: string;
  readonly workDirectory: string;
}

const PLACE = /\$\{__dirname\}/g;
const SEPARATOR = /\$\{(?:pathSeparator|\/)\}/g;
const SCRIPT_RUNTIMES = new Set(["node", "nodejs", "bun"]);

/** @throws AppError `blocked` for a program that is not there, or that lies outside of the bundle */
export function mcpbLaunch(spec: StdioSpec, pinned: PinnedPackage, places: BundlePlaces): LaunchCommand {
  const home = join(places.vaultDirectory, pinned.directory);
  if (!existsSync(home)) throw blocked(`The bundle ${pinned.name} is not in the vault: add it again.`);
  const fill = (text: string): string => text.replace(PLACE, () => home).replace(SEPARATOR, sep);
  const args = spec.args.map((arg) => insideOr(home, fill(arg)));
  const filled = Object.entries(spec.env).flatMap(([name, value]) => {
    const text = fill(value);
    return text === value ? [] : [[name, text] as const];
  });
  const { file, ...command } = program(fill(spec.command), args, home, pinned, places);
  return { file, ...command, env: { ...Object.fromEntries(filled), ...command.env } };
}

function program(
  command: string,
  args: readonly string[],
  home: string,
  pinned: PinnedPackage,
  { self, path, workDirectory }: BundlePlaces,
): LaunchCommand {
  const [script, ...rest] = args;
  const runsScript = script !== undefined && script.startsWith(home + sep) && existsSync(script);
  if (SCRIPT_RUNTIMES.has(programName(command)) && runsScript) return scriptLaunch(self, script, rest);
  if (command.includes("/")) return { file: ownProgram(command, home, pinned), args, env: {}, reads: [] };
  const isPython = /^python[\d.]*$/.test(command);
  const file =
    findProgram(command, path, workDirectory) ??
    (isPython ? findProgram("python3", path, workDirectory) : undefined);
  if (file === undefined) {
    throw blocked(
      `The bundle ${pinned.name} runs with ${quoted(command)}, which this host does not have on the appliance's PATH: ` +
        "install it, then restart the server.",
    );
  }
  const own = homeOf(realpathSync(file));
  return { file, args, env: isPython ? PYTHON : {}, reads: own === undefined ? [] : [own] };
}

/** A protocol on stdout waits for no buffer, the bundle is read-only, and packages of the host's users stay out. */
const PYTHON = { PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1", PYTHONNOUSERSITE: "1" };

/** `server/tool` and `${__dirname}/server/tool` both mean a file of the bundle; no other file can be meant. */
function ownProgram(command: string, home: string, { name }: PinnedPackage): string {
  const file = insideOr(home, command);
  if (file.startsWith(home + sep) && findProgram(file, "", home) !== undefined && isInside(home, file))
    return file;
  throw blocked(`The bundle ${name} has no program at ${quoted(command)}.`);
}

/** Relative paths of a manifest's examples count from the bundle, where there is such a file; other words stay. */
function insideOr(home: string, word: string): string {
  if (word.startsWith("/") || word.startsWith("-") || !word.includes("/")) return word;
  const path = join(home, word);
  return existsSync(path) && isInside(home, path) ? path : word;
}

function isInside(home: string, path: string): boolean {
  return realpathSync(path).startsWith(realpathSync(home) + sep);
}

function blocked(sentence: string): AppError {
  return new AppError("blocked", sentence);
}

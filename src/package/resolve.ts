// From a specification to the program that a start runs. Only looks at files: a start never touches the network and
// installs nothing. Called by the upstream room before each start, and by `add` to learn what must be installed.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import type { PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import { understand, type NpmMeaning } from "./command-line.ts";
import type { PypiMeaning } from "./command-line-python.ts";
import { readEntryKind } from "./entry.ts";
import type { LaunchCommand } from "./launch-command.ts";
import { mcpbLaunch } from "./mcpb-launch.ts";
import { findProgram } from "./program.ts";
import { pythonCommand } from "./python.ts";
import { pythonLaunch } from "./python-launch.ts";
import { scriptLaunch } from "./script-launch.ts";

/** How to mend a start that has no program: by the name that was looked for. */
const HOW_TO_GET: ReadonlyMap<string, string> = new Map([
  ["node", "install Node.js, or add the npm package itself (npx …), which needs no Node.js"],
  ["bun", "install Bun, or add the npm package itself (npx …), which needs no Bun"],
  ["python", "install Python, or write python3 where the host has only that"],
  ["docker", "install Docker, or add the server as an npm or PyPI package"],
]);

export interface StartPlaces {
  readonly vaultDirectory: string;
  /** This executable: process.execPath of the appliance. */
  readonly self: string;
  /** The host's PATH. */
  readonly path: string;
  /** The server's own directory, absolute. */
  readonly workDirectory: string;
}

/** What has to be in the vault before `spec` can start; undefined where nothing has. @throws AppError `usage` */
export function needsInstall(spec: StdioSpec): NpmMeaning | PypiMeaning | undefined {
  const meaning = understand(spec.command, spec.args);
  return meaning.kind === "npm" || meaning.kind === "pypi" ? meaning : undefined;
}

/**
 * The program of `spec`, complete.
 * @throws AppError `blocked` for a program or package that is not there, Python's tools among them
 */
export function resolveLaunch(
  spec: StdioSpec,
  pinned: PinnedPackage | undefined,
  places: StartPlaces,
): LaunchCommand {
  if (pinned?.ecosystem === "mcpb") return mcpbLaunch(spec, pinned, places);
  const meaning = understand(spec.command, spec.args);
  switch (meaning.kind) {
    case "npm":
      return packageCommand(meaning, pinned, places);
    case "pypi":
      return pypiCommand(meaning, pinned, spec, places);
    case "python":
      return pythonCommand(meaning, places.path, places.workDirectory);
    case "program":
      return { file: hostProgram(meaning.command, spec, places), args: meaning.args, env: {}, reads: [] };
  }
}

function packageCommand(
  meaning: NpmMeaning,
  pinned: PinnedPackage | undefined,
  places: StartPlaces,
): LaunchCommand {
  const { name } = meaning.packageSpec;
  const entry =
    pinned === undefined ? undefined : join(places.vaultDirectory, pinned.directory, pinned.entry);
  if (entry === undefined || !existsSync(entry)) {
    throw blocked(
      `The package ${name} is not in the vault: install it again with \`toolcrib add --replace\`.`,
    );
  }
  const kind = readEntryKind(entry);
  if (kind.kind === "script") return scriptLaunch(places.self, entry, meaning.args);
  const { interpreter } = kind;
  if (
    interpreter !== undefined &&
    findProgram(interpreter, places.path, places.workDirectory) === undefined
  ) {
    throw blocked(
      `The package ${name} runs with ${quoted(interpreter)}, which this host does not have: install it.`,
    );
  }
  return { file: entry, args: meaning.args, env: {}, reads: [] };
}

function pypiCommand(
  meaning: PypiMeaning,
  pinned: PinnedPackage | undefined,
  spec: StdioSpec,
  { vaultDirectory, path }: StartPlaces,
): LaunchCommand {
  if (pinned?.ecosystem === "pypi") {
    return pythonLaunch(pinned, vaultDirectory, meaning.args, spec.env["PATH"] ?? path);
  }
  const { name } = meaning.packageSpec;
  throw blocked(`The package ${name} is not in the vault: install it again with \`toolcrib add --replace\`.`);
}

function hostProgram(command: string, spec: StdioSpec, places: StartPlaces): string {
  const file = findProgram(command, places.path, spec.cwd ?? places.workDirectory);
  if (file !== undefined) return file;
  if (command.includes("/")) {
    throw blocked(
      `There is no program at ${quoted(command)}: check the path, and that the appliance may run it.`,
    );
  }
  const next = HOW_TO_GET.get(command) ?? "install it, or give its absolute path";
  throw blocked(`There is no program ${quoted(command)} on the PATH of the appliance: ${next}.`);
}

function blocked(sentence: string): AppError {
  return new AppError("blocked", sentence);
}

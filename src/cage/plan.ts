// From what is to run and where to the plan of one start. Pure: the caller has resolved the program, made the
// working directory and filled secrets in. The supervisor runs the plan as it is.

import { isAbsolute } from "node:path";
import { AppError } from "../errors.ts";
import { childEnvironment, temporaryDirectory } from "./environment.ts";
import type { LaunchPlan } from "./launch-plan.ts";

export interface LaunchOptions {
  /** What the package room answered. Its variables win over all others: without them the runtime does not start. */
  readonly command: {
    /** Absolute. */
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  };
  /** The server's own variables, secrets filled in. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; undefined for the working directory. */
  readonly cwd: string | undefined;
  /** The server's own directory: absolute, exists, and is never shared with another server. */
  readonly workDirectory: string;
  /** What installLauncher returned. */
  readonly launcher: string;
  /** The appliance's environment, of which little passes. */
  readonly host: Readonly<Record<string, string | undefined>>;
}

/** @throws AppError `bad-configuration` when a path is not absolute: it would depend on where the appliance was started. */
export function launchPlan(options: LaunchOptions): LaunchPlan {
  const { command, workDirectory, launcher } = options;
  const cwd = options.cwd ?? workDirectory;
  const paths = { program: command.file, "working directory": workDirectory, cwd, launcher };
  for (const [what, path] of Object.entries(paths)) {
    if (isAbsolute(path)) continue;
    throw new AppError("bad-configuration", `The ${what} of a server has to be an absolute path: ${path}`);
  }
  return {
    argv: [command.file, ...command.args],
    env: { ...childEnvironment(options.host, options.env, workDirectory), ...command.env },
    cwd,
    launcher,
  };
}

/** Directories that a start needs, in order: whoever runs a plan makes those that are missing, mode 0700. */
export function directoriesOf(workDirectory: string): readonly string[] {
  return [workDirectory, temporaryDirectory(workDirectory)];
}

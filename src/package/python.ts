// Starts projects and scripts with the uv (or pipx) of the host: what these fetch lives in the server's own working
// directory. Called by resolve.ts; python-launch.ts starts what the vault has.

import { join } from "node:path";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import type { PythonMeaning } from "./command-line-python.ts";
import type { LaunchCommand } from "./launch-command.ts";
import { findProgram } from "./program.ts";

const HOW_TO_GET: Readonly<Record<PythonMeaning["tool"], string>> = {
  uv: "install it with `pip install uv`, or as https://docs.astral.sh/uv/getting-started/installation/ says",
  pipx: "install it with `apt install pipx` or `pip install pipx`",
};

/**
 * @param path the host's PATH
 * @param workDirectory absolute; the only place that uv and pipx write to
 * @throws AppError `blocked`, with how to get the tool, where the host has none
 */
export function pythonCommand(meaning: PythonMeaning, path: string, workDirectory: string): LaunchCommand {
  const env = toolEnvironment(meaning.tool, workDirectory);
  const file = findProgram(meaning.command, path, workDirectory);
  if (file !== undefined) return { file, args: meaning.args, env, reads: [] };
  throw new AppError(
    "blocked",
    `This server runs with ${quoted(meaning.command)}, which this host does not have on the appliance's PATH: ` +
      `${HOW_TO_GET[meaning.tool]}, then restart the server.`,
  );
}

function toolEnvironment(
  tool: PythonMeaning["tool"],
  workDirectory: string,
): Readonly<Record<string, string>> {
  const own = (name: string): string => join(workDirectory, `.${tool === "pipx" ? "pipx" : "uv"}`, name);
  if (tool === "pipx") return { PIPX_HOME: own("home"), PIPX_BIN_DIR: own("bin") };
  return { UV_CACHE_DIR: own("cache"), UV_TOOL_DIR: own("tools"), UV_PYTHON_INSTALL_DIR: own("python") };
}

// Runs a JavaScript file with this executable, which acts as Bun: the host needs no Node. Called by resolve.ts and
// mcpb-launch.ts.

import type { LaunchCommand } from "./launch-command.ts";

// NB: without them Bun would install missing packages from the network, load `.env`, and run the `preload` of a
// bunfig.toml, both from the working directory of the server.
const RUN_OPTIONS = ["--no-install", "--no-env-file", "--config=/dev/null"];

/** @param script absolute */
export function scriptLaunch(self: string, script: string, args: readonly string[]): LaunchCommand {
  return { file: self, args: [...RUN_OPTIONS, script, ...args], env: { BUN_BE_BUN: "1" }, reads: [] };
}

// Puts the probe, which is embedded in the executable, where a cage can show it. What it does is told in
// probe/probe.c. app.ts calls installProbe once, at start.

import { installProgram } from "./embedded-program.ts";
import probeArm64 from "./probe/probe-arm64" with { type: "file" };
import probeX64 from "./probe/probe-x64" with { type: "file" };
import sums from "./probe/SHA256SUMS" with { type: "text" };

/**
 * NB: a confined server runs it by its path on the host, and has to be able to pass through all that is above it.
 * @returns its absolute path
 * @throws AppError `bad-configuration` when `directory` cannot be written or the executable is damaged; `no-space`
 */
export async function installProbe(directory: string): Promise<string> {
  return await installProgram(directory, {
    name: "probe",
    files: { "probe-arm64": probeArm64, "probe-x64": probeX64 },
    sums,
  });
}

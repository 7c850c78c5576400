// Puts the launcher, which is embedded in the executable, where the system can run it. What it does is told in
// launcher/launcher.c. app.ts calls installLauncher once, at start.

import { dirname } from "node:path";
import { AppError, systemErrorCode } from "../errors.ts";
import { installProgram } from "./embedded-program.ts";
import launcherArm64 from "./launcher/launcher-arm64" with { type: "file" };
import launcherX64 from "./launcher/launcher-x64" with { type: "file" };
import sums from "./launcher/SHA256SUMS" with { type: "text" };

/** The self-test takes a millisecond; a host on its knees gets more. */
const SELF_TEST_TIMEOUT_MS = 10_000;

/**
 * Makes sure that the launcher of this very build stands in `directory`, whole and untouched, and that it runs.
 * Whoever can write to `directory` can replace it: the directory belongs to the appliance alone.
 * @returns its absolute path.
 * @throws AppError `bad-configuration` when `directory` cannot be written or programs cannot run from it, when the
 * host lacks what a launch needs, or the executable is damaged; `no-space`.
 */
export async function installLauncher(directory: string): Promise<string> {
  const path = await installProgram(directory, {
    name: "launcher",
    files: { "launcher-arm64": launcherArm64, "launcher-x64": launcherX64 },
    sums,
  });
  await selfTest(path);
  return path;
}

async function selfTest(path: string): Promise<void> {
  const test = run(path);
  const [code, words] = await Promise.all([test.exited, test.stderr.text()]);
  if (code === 0) return;
  const reason = words.trim() || `its self-test ended with ${test.signalCode ?? `code ${code}`}`;
  throw new AppError(
    "bad-configuration",
    `This host cannot run servers: ${reason}. Run "toolcrib doctor" for what it lacks.`,
  );
}

function run(path: string): Bun.ReadableSubprocess {
  try {
    return Bun.spawn([path, "--self-test"], {
      cwd: "/",
      env: {},
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: SELF_TEST_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
  } catch (error) {
    throw new AppError(
      "bad-configuration",
      `Programs cannot be run from ${dirname(path)} (${systemErrorCode(error) ?? "unknown error"}), most likely because ` +
        "its file system is mounted noexec: mount it with exec, or choose another place with --home.",
      { cause: error, details: { path } },
    );
  }
}

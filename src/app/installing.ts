// How the steps of an installation are started: each in a cage of its own where the host can isolate. Made once by
// app.ts, for whatever installs packages.

import type { BuildCage } from "../cage/build-cage.ts";
import type { Log } from "../log.ts";
import type { InstallProcess, InstallStep, StartStep } from "../package/installer-child.ts";
import { closeAll } from "../process/descriptors.ts";
import { launch } from "../process/launch.ts";

/** What a shell says of a program that cannot be run. */
const CANNOT_RUN = 126;

export function cagedSteps(cage: BuildCage, log: Log): StartStep {
  return (step: InstallStep): InstallProcess => {
    const prepared = cage.prepare(step);
    const { process, started } = launch(prepared.plan, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    let ended = false;
    const start = started.then(
      (facts) => {
        if (ended) closeAll(facts.listeners);
        else prepared.started(facts);
        return true;
      },
      (thrown: unknown) => {
        log.error("an installation could not be caged", { reason: String(thrown) });
        return false;
      },
    );
    const exited = process.exited.then(async (code) => {
      ended = true;
      const [hasRun] = await Promise.all([start, prepared.ended().freed]);
      return hasRun ? code : CANNOT_RUN;
    });
    return {
      exited,
      stdout: process.stdout,
      stderr: process.stderr,
      // The launcher ends all below it.
      kill: () => void (ended || process.kill("SIGUSR1")),
    };
  };
}

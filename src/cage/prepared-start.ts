// One start of a server as the supervisor gets it: the plan, and what has to be told when the process runs and when it
// is gone. Made by cages.ts for each start; a start without anything around it is `bareStart`.

import type { LaunchPlan } from "./launch-plan.ts";

/** What the launcher told once the server runs. */
export interface StartedFacts {
  /** On the host: of the launcher inside, whose child the server is; undefined where it did not say. */
  readonly innerPid: number | undefined;
  /** Descriptors of this process, in the order of the plan's listeners. Whoever is told owns them. */
  readonly listeners: readonly number[];
  /** What was asked for and could be gone without. */
  readonly notes: readonly string[];
}

export interface PreparedStart {
  readonly plan: LaunchPlan;
  /** With the process id of the launcher, before anything else. */
  spawned(pid: number): void;
  /** At most once, and not after `ended`. */
  started(facts: StartedFacts): void;
  /** Called once, when no process of it is left or none was made: frees what was made for it. */
  ended(): Ending;
}

export interface Ending {
  /** Why it ended, as the end of a sentence, where that is known better here than by its exit code. */
  readonly cause: string | undefined;
  /** Resolves when all is freed. Never rejects. */
  readonly freed: Promise<void>;
}

export function bareStart(plan: LaunchPlan): PreparedStart {
  return {
    plan,
    spawned: () => undefined,
    started: () => undefined,
    ended: () => NOTHING_LEFT,
  };
}

const NOTHING_LEFT: Ending = { cause: undefined, freed: Promise.resolve() };

// One process in its cage: the plan that it was started from, its control group and its network, what the probe and
// /proc said of it. Made by cages.ts for each start; `ended` frees all of it.

import { toAppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { CageReport } from "../model/cage-report.ts";
import type { CageNetwork } from "./cage-network.ts";
import type { Group } from "./cgroup.ts";
import { type Evidence, evidenceOf } from "./evidence.ts";
import { wordsOf } from "./findings.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import type { Ending, PreparedStart, StartedFacts } from "./prepared-start.ts";
import type { ProbeOutcome } from "./probe.ts";
import { processUsage, type TreeUsage } from "./process-usage.ts";
import { cageReport } from "./report.ts";
import type { Fallback } from "./rlimits.ts";

export interface CagedRunOptions {
  readonly server: string;
  /** Of this process among those of the host. */
  readonly instance: string;
  readonly plan: LaunchPlan;
  readonly probed: ProbeOutcome;
  readonly memoryBytes: number;
  readonly group: Group;
  readonly network: CageNetwork;
  readonly fallback: Fallback;
  /** Absolute paths that no server may see. */
  readonly hidden: readonly string[];
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onSpawned: (pid: number, run: CagedRun) => void;
  readonly onEnded: (run: CagedRun) => void;
}

/** Whoever waits for the first answer of the server does not wait for /proc to be read: it takes some milliseconds. */
const FIRST_LOOK_MS = 200;

export class CagedRun implements PreparedStart {
  readonly server: string;
  readonly instance: string;
  readonly plan: LaunchPlan;
  readonly network: CageNetwork;
  readonly #options: CagedRunOptions;
  #launcherPid: number | undefined;
  #innerPid: number | undefined;
  #firstLook: Timer | undefined;
  #evidence: Evidence | undefined;
  #limits: ReturnType<Group["facts"]>;

  constructor(options: CagedRunOptions) {
    this.#options = options;
    this.server = options.server;
    this.instance = options.instance;
    this.plan = options.plan;
    this.network = options.network;
    this.#limits = options.group.facts();
  }

  get launcherPid(): number | undefined {
    return this.#launcherPid;
  }

  spawned(pid: number): void {
    this.#launcherPid = pid;
    this.#options.onSpawned(pid, this);
  }

  started({ innerPid, listeners, notes }: StartedFacts): void {
    const { log, server } = this.#options;
    this.#innerPid = innerPid;
    for (const note of notes) log.warn("cage without a part", { server, note });
    this.network.adopt(listeners).catch((thrown: unknown) => {
      log.error("egress of a cage failed", { server, reason: toAppError(thrown).message });
    });
    this.#firstLook = setTimeout(() => this.#tell(), FIRST_LOOK_MS);
  }

  /** What is enforced belongs into the log of every start, and a start without a cage is nothing usual. */
  #tell(): void {
    const { log, server } = this.#options;
    this.look();
    if (this.plan.level === "off") log.warn("server runs without a cage", { server });
    else log.info("server caged", { server, cage: this.report().level });
  }

  /** Reads again what /proc and the control groups say of it. */
  look(): void {
    const { plan, hidden, now, log, server, group } = this.#options;
    const innerPid = this.#innerPid;
    if (innerPid === undefined) return;
    this.#limits = group.facts();
    this.#evidence = evidenceOf({ innerPid, plan, hidden, now }) ?? this.#evidence;
    const broken = wordsOf(this.#evidence?.findings ?? [], "broken");
    if (broken.length > 0) log.error("a cage does not hold", { server, found: broken });
  }

  report(): CageReport {
    if (this.#evidence === undefined) this.look();
    const { plan, probed, fallback } = this.#options;
    return cageReport({
      plan,
      probed,
      evidence: this.#evidence,
      limits: this.#limits,
      instead: fallback.instead,
    });
  }

  usage(): TreeUsage | undefined {
    // Nobody is in the group of a plan that does not name it.
    const grouped = this.plan.cgroups.length > 0 ? this.#options.group.usage() : undefined;
    const { memoryBytes, processes, cpuSeconds } = grouped ?? {};
    if (memoryBytes !== undefined && processes !== undefined && cpuSeconds !== undefined)
      return { memoryBytes, processes, cpuSeconds };
    const tree = this.#launcherPid === undefined ? undefined : processUsage(this.#launcherPid);
    if (tree === undefined && memoryBytes === undefined) return undefined;
    return {
      memoryBytes: memoryBytes ?? tree?.memoryBytes ?? 0,
      processes: processes ?? tree?.processes ?? 0,
      cpuSeconds: cpuSeconds ?? tree?.cpuSeconds ?? 0,
    };
  }

  ended(): Ending {
    const { group, memoryBytes } = this.#options;
    const cause =
      group.oomKills() > 0
        ? `ran out of memory (its limit is ${Math.round(memoryBytes / 1024 ** 2)} MiB)`
        : undefined;
    return { cause, freed: this.#free() };
  }

  async #free(): Promise<void> {
    clearTimeout(this.#firstLook);
    this.#innerPid = undefined;
    const { group, log, server, onEnded } = this.#options;
    try {
      await this.network.close();
      await group.kill();
      if (!(await group.remove())) log.warn("control group left behind", { server, group: group.name });
    } catch (thrown) {
      log.error("cage not taken away", { server, reason: toAppError(thrown).message });
    }
    this.#evidence = undefined;
    onEnded(this);
  }
}

// The cages of all servers: prepares each start (level, identity, limits, network, plan, probe) and keeps what is
// known of the processes that run, and of the last ones that ran. app.ts makes the one; the upstream room asks it
// before a process is spawned.

import { chownSync, lstatSync, mkdirSync, renameSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Cage, CAGE_LIMITS } from "../model/cage.ts";
import type { CageReport, RefusedAttempt } from "../model/cage-report.ts";
import type { TrafficView } from "../model/cage-view.ts";
import type { StdioSpec } from "../model/server-spec.ts";
import { CageHistory } from "./cage-history.ts";
import { type Brokering, CageNetwork } from "./cage-network.ts";
import { CagedRun } from "./caged-run.ts";
import type { Group } from "./cgroup.ts";
import type { Limits } from "./cgroup-controllers.ts";
import type { Cgroups } from "./cgroups.ts";
import { refusedGrant } from "./grants.ts";
import { identityFor, type IdentityHost } from "./identity.ts";
import type { Identity, LaunchPlan } from "./launch-plan.ts";
import { chooseLevel, type Obstacles } from "./level.ts";
import { directoriesOf, launchPlan, type PlanOptions } from "./plan.ts";
import type { PreparedStart } from "./prepared-start.ts";
import type { Probing } from "./probing.ts";
import { processUsage, type TreeUsage } from "./process-usage.ts";
import { type Fallback, rlimitsFor } from "./rlimits.ts";
import { runtimePaths } from "./runtime.ts";

export interface CagesOptions {
  readonly obstacles: Obstacles;
  readonly can: PlanOptions["can"];
  readonly identityHost: IdentityHost;
  readonly cgroups: Cgroups;
  readonly probing: Probing;
  readonly brokering: Brokering;
  readonly launcher: string;
  /** The appliance's environment, of which little passes. */
  readonly host: Readonly<Record<string, string | undefined>>;
  /** Directories of the appliance, of which no server is shown more than its own work directory and package. */
  readonly own: readonly string[];
  /** Absolute paths that no server may see, for the evidence. */
  readonly hidden: readonly string[];
  /** What is granted for writing to any server. */
  readonly written: () => readonly string[];
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface StartRequest {
  readonly server: string;
  /** Of this process among those of the host; fit for the name of a file. */
  readonly instance: string;
  readonly spec: StdioSpec;
  readonly command: PlanOptions["command"] & { readonly reads: readonly string[] };
  /** The sealed directory in the vault that it runs from. */
  readonly packageDirectory: string | undefined;
  readonly workDirectory: string;
  /** What runs in a terminal in the place of the server, absolute: for `shell`. */
  readonly shell: readonly [file: string, ...args: string[]] | undefined;
}

export class Cages {
  readonly #options: CagesOptions;
  readonly #running = new Map<number, CagedRun>();
  readonly #history = new CageHistory();

  constructor(options: CagesOptions) {
    this.#options = options;
  }

  /**
   * All that one process needs, made: directories, identity, limits, network, and a plan that a probe has tried.
   * Whoever gets it calls `ended` in any case.
   * @throws AppError `blocked` where the host cannot give what the server demands, a grant cannot be given, or the
   * probe got through; then nothing of it is left
   */
  async prepare(request: StartRequest): Promise<PreparedStart> {
    const { cgroups, log, now, brokering, obstacles, own } = this.#options;
    const { server, instance, spec, workDirectory } = request;
    const { cage } = spec;
    const level = chooseLevel(cage, obstacles);
    const wrong = level === "off" ? undefined : refusedGrant(cage, own);
    if (wrong !== undefined) throw new AppError("blocked", wrong);
    mkdirSync(workDirectory, { recursive: true, mode: 0o700 });
    const identity = this.#identity(level, workDirectory);
    for (const directory of directoriesOf(workDirectory)) ownDirectory(directory, identity);
    const limits = limitsOf(cage);
    const fallback = rlimitsFor(limits, cgroups.means, identity.kind);
    const network = await CageNetwork.open({
      server,
      level,
      cage,
      brokering,
      onRefused: (attempt) => this.#history.refused(server, attempt),
      log,
      now,
    });
    let group: Group | undefined;
    try {
      group = cgroups.create(instance, limits);
      const plan = this.#plan({ request, level, identity, network, fallback, group });
      const probed = await this.#options.probing.outcome(plan, {
        reads: cage.read,
        writes: [workDirectory, ...cage.write],
      });
      return this.#run({ request, plan, probed, limits, group, network, fallback });
    } catch (thrown) {
      await network.close();
      await group?.remove();
      throw thrown;
    }
  }

  /** Of the process that began last, while it runs or after. */
  report(server: string): CageReport | undefined {
    return this.#runsOf(server).at(-1)?.report() ?? this.#history.report(server);
  }

  /** What runs knows best; what is remembered was told at a bounded rate. Newest last. */
  refused(server: string): readonly RefusedAttempt[] {
    const live = this.#runsOf(server).flatMap(({ network }) => network.refused());
    const all = new Map(
      [...this.#history.refusedBy(server), ...live].map((attempt) => [attempt.what, attempt]),
    );
    return [...all.values()].toSorted((a, b) => a.at - b.at);
  }

  /** What one process was refused at this moment or later, in milliseconds since the epoch, while it runs. */
  refusedSince(instance: string, atMs: number): readonly RefusedAttempt[] {
    const found: RefusedAttempt[] = [];
    for (const run of this.#running.values()) {
      if (run.instance === instance) found.push(...run.network.refused().filter(({ at }) => at >= atMs));
    }
    return found;
  }

  learned(server: string): readonly string[] {
    const now = this.#runsOf(server).flatMap(({ network }) => network.learned());
    return [...new Set([...this.#history.learned(server), ...now])];
  }

  traffic(server: string): readonly TrafficView[] {
    const runs = this.#runsOf(server).map(({ network }) => network.traffic());
    return this.#history.trafficWith(server, runs);
  }

  /** By the process id that `spawned` told. Undefined when it is gone. */
  usageOf(launcherPid: number): TreeUsage | undefined {
    return this.#running.get(launcherPid)?.usage() ?? processUsage(launcherPid);
  }

  /** Reads again what the kernel says of every process that runs. */
  look(): void {
    for (const run of this.#running.values()) run.look();
  }

  /** What is known of a server that was removed: its name may be another's next. */
  forget(server: string): void {
    this.#history.forget(server);
  }

  /** NB: without root a uid of its own needs a user namespace, which only an isolated server has. */
  #identity(level: LaunchPlan["level"], workDirectory: string): Identity {
    const { identityHost } = this.#options;
    const has = level === "isolated" || (level === "confined" && identityHost.uid === 0);
    return has ? identityFor(workDirectory, identityHost) : { kind: "appliance" };
  }

  #runsOf(server: string): readonly CagedRun[] {
    return [...this.#running.values()].filter((run) => run.server === server);
  }

  #plan(parts: {
    request: StartRequest;
    level: LaunchPlan["level"];
    identity: Identity;
    network: CageNetwork;
    fallback: Fallback;
    group: Group;
  }): LaunchPlan {
    const { launcher, host, can, written } = this.#options;
    const { request, level, identity, network, fallback, group } = parts;
    const { server, spec, command, workDirectory, shell } = request;
    const [file, ...args] = shell ?? [command.file, ...command.args];
    return launchPlan({
      command: { ...command, file, args },
      env: network.filledIn(spec.env),
      cwd: spec.cwd,
      cage: spec.cage,
      written: written(),
      workDirectory,
      launcher,
      host,
      level,
      identity,
      runtime: this.#runtime(request),
      egress: network.egress,
      trust: network.trust,
      cgroups: group.procsFiles,
      rlimits: fallback.rlimits,
      hostname: server,
      can,
      terminal: shell !== undefined,
    });
  }

  /** NB: a script that lies beside the appliance's data must not bring that into sight. */
  #runtime({ command, spec, workDirectory, packageDirectory }: StartRequest): readonly string[] {
    const { own } = this.#options;
    const writable = [workDirectory, ...spec.cage.write];
    const found = runtimePaths(command.file, command.args, spec.cwd ?? workDirectory, writable);
    const harmless = found.filter((path) => refusedGrant({ read: [path], write: [] }, own) === undefined);
    const all = [
      ...harmless,
      ...command.reads,
      ...(packageDirectory === undefined ? [] : [packageDirectory]),
    ];
    // What lies in a directory that is shown needs no word of its own, and a link in it must not have one.
    return all.filter((path) => !all.some((other) => path.startsWith(`${other}/`)));
  }

  #run(parts: {
    request: StartRequest;
    plan: LaunchPlan;
    probed: Awaited<ReturnType<Probing["outcome"]>>;
    limits: Limits;
    group: Group;
    network: CageNetwork;
    fallback: Fallback;
  }): CagedRun {
    const { hidden, log, now } = this.#options;
    const { request, plan, probed, limits, group, network, fallback } = parts;
    return new CagedRun({
      server: request.server,
      instance: request.instance,
      plan,
      probed,
      memoryBytes: limits.memoryBytes,
      group,
      network,
      fallback,
      hidden: hidden.filter((path) => path !== request.workDirectory),
      log,
      now,
      onSpawned: (pid, run) => this.#running.set(pid, run),
      onEnded: (run) => this.#gone(run),
    });
  }

  #gone(run: CagedRun): void {
    if (run.launcherPid !== undefined) this.#running.delete(run.launcherPid);
    const { network } = run;
    this.#history.ended(run.server, {
      report: run.report(),
      learned: network.learned(),
      traffic: network.traffic(),
    });
  }
}

/**
 * Whatever else a server left in its place is gone then, and no link is followed. NB: made and given away where no
 * server can reach it, beside the work directories.
 */
function ownDirectory(directory: string, identity: Identity): void {
  const there = lstatSync(directory, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) return;
  const draft = join(dirname(dirname(directory)), `.new-${crypto.randomUUID()}`);
  mkdirSync(draft, { mode: 0o700 });
  if (identity.kind === "own-uid") chownSync(draft, identity.uid, identity.gid);
  if (there !== undefined) unlinkSync(directory);
  renameSync(draft, directory);
}

function limitsOf(cage: Cage): Limits {
  return {
    memoryBytes: cage.memoryBytes ?? CAGE_LIMITS.memoryBytes,
    processes: cage.processes ?? CAGE_LIMITS.processes,
    cpus: cage.cpus ?? CAGE_LIMITS.cpus,
  };
}

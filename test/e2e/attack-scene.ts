// A home with an appliance, an attacker in a cage of it, and all around what there is to be had: files, processes,
// services. One for each user and level; every attempt is one MCP call.

import { chmodSync, chownSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { openServices, type Services } from "./attack-services.ts";
import { ATTACKS, expectedOf, type Level, type User } from "./attack-table.ts";
import { small } from "./servers.ts";
import { obstacleToAttack } from "./attack-host.ts";
import { type Cage, cageOf, type Tried } from "./attack-report.ts";
import { serverOf, textOf } from "./views.ts";

/** In the environment of the appliance, and nowhere else. */
export const MARKER = "kept-by-the-appliance-alone";
/** NB: else Bun does without its compiler, and so without FFI, where a limit of data stands in for control groups. */
const WITH_FFI = ["--env", "BUN_JSC_jitMemoryReservationSize=67108864"];
const PROBE = join(import.meta.dir, "../../src/cage/probe", `probe-${process.arch}`);

export interface SceneOptions {
  /** Who runs the appliance; undefined for whoever runs the tests. */
  readonly uid?: number | undefined;
  /** The setting `cage_without`. */
  readonly without?: readonly string[];
  /** What the appliance is started through, as root: it takes something away for real, and becomes `uid` itself. */
  readonly through?: (directory: string) => readonly string[];
}

export class AttackScene {
  readonly crib: Crib;
  readonly uid: number;
  readonly services: Services;
  /** What is put in the place of {name} in an attempt. */
  readonly targets = new Map<string, string>();
  readonly #options: SceneOptions;
  #appliance: Appliance | undefined;
  #agent: Agent | undefined;

  private constructor(crib: Crib, services: Services, options: SceneOptions) {
    this.crib = crib;
    this.services = services;
    this.#options = options;
    this.uid = options.uid ?? process.getuid?.() ?? 0;
  }

  static async open(options: SceneOptions = {}): Promise<AttackScene> {
    const crib = await Crib.create(options.uid === undefined ? {} : { uid: options.uid });
    const scene = new AttackScene(crib, await openServices(join(crib.directory, "service.sock")), options);
    try {
      await scene.#furnish();
      await scene.serve();
      return scene;
    } catch (thrown) {
      await scene.close();
      throw thrown;
    }
  }

  get appliance(): Appliance {
    if (this.#appliance === undefined) throw new Error("no appliance");
    return this.#appliance;
  }

  /** Starts the appliance, again after it was stopped. */
  async serve(): Promise<void> {
    const { without = [], through } = this.#options;
    this.#appliance = await this.crib.serve({
      env: { TOOLCRIB_CAGE_WITHOUT: without.join(","), ATTACK_MARKER: MARKER },
      ...(through === undefined ? {} : { through: through(this.crib.directory) }),
    });
    this.#agent = undefined;
    const { url, pid } = this.appliance;
    this.targets.set("appliance", String(pid)).set("url", url);
  }

  /** A server that somebody else has, with a file of its own. */
  async addVictim(...options: readonly string[]): Promise<void> {
    const { crib, targets } = this;
    await crib.ok("add", "--yes", "--name", "victim", ...options, ...small());
    const directory = join(crib.home, "data/work/victim");
    this.file(join(directory, "private"), "of the victim\n", 0o600);
    targets.set("victim", String((await serverOf(crib, "victim")).pid)).set("victims", directory);
  }

  /** Adds an attacker with the limits that the table is about; options are those of `add`. */
  async add(name: string, ...options: readonly string[]): Promise<void> {
    const program = join(this.crib.directory, "attacker/attacker.js");
    await this.crib.ok(
      "add",
      "--yes",
      "--name",
      name,
      "--memory",
      "512MiB",
      ...options,
      ...WITH_FFI,
      process.execPath,
      program,
    );
  }

  /** Its answer to one attempt: `ok`, `ok` with what it found out, or what refused it. */
  async attempt(name: string, words: string): Promise<string> {
    const { result, error } = await (
      await this.agent()
    ).call(`${name}__try`, { words: this.filledIn(words) });
    if (error !== undefined) throw new Error(`${name}: ${words}: ${error.message}`);
    return textOf(result);
  }

  /** One after the other, all but those that would leave this host or need what it has not. */
  async attemptAll(name: string, level: Level, user: User): Promise<readonly Tried[]> {
    const tried: Tried[] = [];
    for (const attack of ATTACKS) {
      if (expectedOf(attack, level, user).outcome === "-" || obstacleToAttack(attack) !== undefined) continue;
      tried.push({ attack, outcome: await this.attempt(name, attack.words) });
    }
    return tried;
  }

  filledIn(words: string): string {
    return words.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const target = this.targets.get(name);
      if (target === undefined) throw new Error(`there is no {${name}} here`);
      return target;
    });
  }

  async agent(): Promise<Agent> {
    const { crib, appliance } = this;
    if (this.#agent !== undefined) return this.#agent;
    const token = (await crib.ok("token", "create", `agent-${appliance.pid}`)).trim();
    return (this.#agent = await Agent.open(appliance.mcp(), token));
  }

  cage(name: string): Promise<Cage> {
    return cageOf(this.crib, name);
  }

  /** A path below the home's directory, of whoever runs the appliance. */
  path(name: string): string {
    return join(this.crib.directory, name);
  }

  file(path: string, text: string, mode = 0o644, uid = this.uid): string {
    writeFileSync(path, text);
    chmodSync(path, mode);
    if (process.getuid?.() === 0) chownSync(path, uid, uid);
    return path;
  }

  directory(path: string, mode = 0o755, uid = this.uid): string {
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    if (process.getuid?.() === 0) chownSync(path, uid, uid);
    return path;
  }

  async close(): Promise<void> {
    await this.#appliance?.stop();
    const memory = this.targets.get("shm");
    if (memory !== undefined) Bun.spawnSync(["ipcrm", "-m", memory]);
    await this.services.close();
    await this.crib.nothingRuns();
    await this.crib.remove();
  }

  /** NB: as others may pass through, and no more, so that only cages keep anybody out of what is in there. */
  async #furnish(): Promise<void> {
    const { crib, targets, services } = this;
    chmodSync(crib.directory, 0o711);
    const attacker = this.directory(this.path("attacker"));
    const { success, logs } = await Bun.build({
      entrypoints: [join(import.meta.dir, "servers/attacker.ts")],
      outdir: attacker,
      target: "bun",
    });
    if (!success) throw new Error(logs.join("\n"));
    for (const [name, mode] of [
      ["probe", 0o755],
      ["probe-setuid", 0o4755],
    ] as const) {
      copyFileSync(PROBE, join(attacker, name));
      chmodSync(join(attacker, name), mode);
    }
    this.file(join(attacker, "attacker.js"), await Bun.file(join(attacker, "attacker.js")).text());
    targets
      .set("home", join(crib.directory, "user"))
      .set("key", this.file(join(crib.directory, "user/key"), "of the user\n", 0o600))
      .set("data", join(crib.home, "data"))
      .set("database", join(crib.home, "data/toolcrib.db"))
      .set("canary", join(crib.home, "data/canary"))
      .set("work", join(crib.home, "data/work"))
      .set("socket", join(crib.home, "run/admin.sock"))
      .set("package", attacker)
      .set("user", String(this.uid))
      .set("marker", MARKER)
      .set("mine", join(crib.home, "data/work/attacker"));
    for (const [name, target] of Object.entries(services.targets)) targets.set(name, target);
    const memory = this.#sharedMemory();
    if (memory !== undefined) targets.set("shm", memory);
  }

  /** A piece of System V's, of the appliance's user alone; undefined where the host has no program for it. */
  #sharedMemory(): string | undefined {
    const program = Bun.which("ipcmk");
    if (program === null) return undefined;
    const as = process.getuid?.() === 0 ? { uid: this.uid, gid: this.uid } : {};
    const { stdout } = Bun.spawnSync([program, "--shmem", "4096", "--mode", "0600"], as);
    return /\d+/.exec(stdout.toString())?.[0];
  }
}

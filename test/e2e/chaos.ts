// A crew of servers that go wrong, each in its own way, started and stopped on one appliance over and over. What all
// of that leaves behind is looked for in residue.ts. Used by chaos.test.ts.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "bun:test";
import * as v from "valibot";
import { Agent, only } from "./agent.ts";
import type { Appliance, Crib } from "./appliance.ts";
import type { LevelCase } from "./levels.ts";
import { processesOf, signal } from "./processes.ts";
import { textOf } from "./views.ts";
import { within } from "./wait.ts";

const PROGRAM = join(import.meta.dir, "servers/chaos.sh");

/** As chaos.sh has them. */
export const WAYS = [
  "polite",
  "exits",
  "crashes",
  "deaf",
  "detaches",
  "floods",
  "half",
  "endless",
  "blind",
  "mute",
  "forks",
  "eats",
  "stops",
  "strikes",
] as const;

/** Without a cage nothing stops these but the host's own end. */
const NEED_LIMITS: readonly string[] = ["forks", "eats"];

/** What every appliance of this test is told, so that its servers reach their limits soon. */
export const LIMITS = {
  TOOLCRIB_PARALLEL_STARTS: "16",
  TOOLCRIB_MAX_BODY_BYTES: "256KiB",
  TOOLCRIB_MAX_LINE_BYTES: "256KiB",
  TOOLCRIB_MAX_QUEUED_BYTES: "256KiB",
} as const;

const OPTIONS = "--memory 64MiB --processes 32 --start-timeout 1s --call-timeout 1s --env PATH=/usr/bin:/bin";
/** More than a pipe holds: it has to wait for a server that does not read. */
const BIG = { text: "x".repeat(128 * 1024) };
/** A start, a call and a stop have deadlines of 1, 1 and 7 s; the rest is for a host on its knees. */
const CYCLE_DEADLINE_MS = 60_000;
/** Longer than this nobody waits for a restart: it goes on to read lists, for a minute where nobody answers. */
const PATIENCE_MS = 1_500;

/** Connections that are kept would count as descriptors of the appliance. */
const ONE_REQUEST = { connection: "close" };

/** What may be said of a start or a call that came to nothing. Anything else is a fault of the appliance. */
const EXPECTED = new Set(["start-failed", "server-lost", "server-timeout", "server-busy"]);
/** Its tool was never heard of (JSON-RPC, invalid params): it never got as far as to list it. */
const UNKNOWN_TOOL = -32602;

const Problem = v.looseObject({ code: v.string(), detail: v.string() });
const View = v.looseObject({ name: v.string(), state: v.string(), pid: v.optional(v.number()) });

/** How often something came to be. */
export type Tally = Map<string, number>;

export class Crew {
  readonly outcomes: Tally = new Map();
  readonly #crib: Crib;
  readonly #agent: Agent;
  readonly #names: readonly string[];
  readonly #random: () => number;

  private constructor(crib: Crib, agent: Agent, names: readonly string[], random: () => number) {
    this.#crib = crib;
    this.#agent = agent;
    this.#names = names;
    this.#random = random;
  }

  /** Adds `size` servers, the ways in turn. They are disabled. */
  static async add(
    crib: Crib,
    appliance: Appliance,
    { options, level }: LevelCase,
    size: number,
    random: () => number,
  ): Promise<Crew> {
    const ways = WAYS.filter((way) => level !== "off" || !NEED_LIMITS.includes(way));
    const names = Array.from({ length: size }, (_, index) => `${ways[index % ways.length]}-${index}`);
    const add = async (name: string, index: number): Promise<void> => {
      const [way = ""] = name.split("-");
      const words = [
        "--name",
        name,
        ...OPTIONS.split(" "),
        ...options,
        "/bin/sh",
        PROGRAM,
        way,
        String(index),
      ];
      const { code, stderr } = await crib.run(["add", "--yes", ...words]);
      if (code > 0) throw new Error(`add ${name} ended with ${code}\n${stderr}`);
    };
    await Promise.all(names.map(add));
    const token = (await crib.ok("token", "create", "chaos")).trim();
    const crew = new Crew(crib, await Agent.open(appliance.mcp(), token), names, random);
    await Promise.all(names.map((name) => crew.#ask(name, "disable")));
    return crew;
  }

  /** About so many cycles, all servers at once, each in its own turn. Ends with all of them disabled. */
  async run(cycles: number): Promise<void> {
    let left = cycles;
    const worker = async (name: string): Promise<void> => {
      while (left-- > 0) await within(`a cycle of ${name}`, this.#cycle(name), CYCLE_DEADLINE_MS);
    };
    await Promise.all(this.#names.map(worker));
  }

  /** Starts that the servers themselves counted: those that the appliance made beside ours are among them. */
  async starts(): Promise<number> {
    const files = this.#names.map((name) => join(this.#crib.home, "data/work", name, "starts"));
    const counts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "0")));
    return counts.reduce((sum, count) => sum + Number(count), 0);
  }

  /** Start, perhaps a call, and one of the ways to an end. */
  async #cycle(name: string): Promise<void> {
    await this.#ask(name, "enable");
    const pid = (await this.#ask(name, "restart"))?.pid;
    if (this.#random() < 0.7) await this.#call(name);
    const fate = this.#random();
    // Behind the appliance's back; it may have ended and be another's by now, or start again just then.
    if (fate < 0.15 && pid !== undefined) await this.#kill(pid);
    else if (fate < 0.3) await this.#ask(name, "restart");
    await this.#ask(name, "disable");
  }

  /** Undefined where nobody waited for the answer. */
  async #ask(
    name: string,
    verb: "enable" | "disable" | "restart",
  ): Promise<v.InferOutput<typeof View> | undefined> {
    const patience = AbortSignal.timeout(verb === "restart" ? PATIENCE_MS : CYCLE_DEADLINE_MS);
    try {
      const response = await fetch(`http://toolcrib/api/v1/servers/${name}/${verb}`, {
        method: "POST",
        unix: join(this.#crib.home, "run/admin.sock"),
        headers: ONE_REQUEST,
        signal: patience,
      });
      const answer: unknown = await response.json();
      if (response.ok) {
        this.#count(`${verb}: ok`);
        return v.parse(View, answer);
      }
      const { code, detail } = v.parse(Problem, answer);
      this.#count(`${verb}: ${code}`);
      if (verb === "restart" && EXPECTED.has(code)) return undefined;
      throw new Error(`${verb} ${name}: ${code}: ${detail}`);
    } catch (error) {
      if (verb !== "restart" || !patience.aborted) throw error;
      this.#count("restart: not waited for");
      return undefined;
    }
  }

  async #call(name: string): Promise<void> {
    const params = { name: `${name}__chaos`, arguments: this.#random() < 0.1 ? BIG : {} };
    const answer = await this.#agent.send(
      { jsonrpc: "2.0", id: 1, method: "tools/call", params },
      ONE_REQUEST,
    );
    const { result, error } = only(answer);
    if (error === undefined) {
      expect(textOf(result)).toStartWith(`${name.split("-")[0]} `);
      return this.#count("call: ok");
    }
    const { code } = v.parse(v.object({ code: v.optional(v.string(), "") }), error.data ?? {});
    if (error.code !== UNKNOWN_TOOL && !EXPECTED.has(code))
      throw new Error(`${name}: ${code}: ${error.message}`);
    this.#count(`call: ${error.code === UNKNOWN_TOOL ? "unknown tool" : code}`);
  }

  async #kill(pid: number): Promise<void> {
    const own = await processesOf(this.#crib.directory);
    if (own.some((process) => process.pid === pid && process.command.includes("launcher")))
      signal(pid, "SIGKILL");
    this.#count("killed");
  }

  #count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}

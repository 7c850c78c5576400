// What a cage costs: its start beside a plain spawn, the memory beside the server's own, and a call. `uncaged` is the
// same server on the same appliance with its cage off, `bare` the program without an appliance.

import { join } from "node:path";
import { Agent } from "../../e2e/agent.ts";
import { below, processesOf } from "../../e2e/processes.ts";
import { small } from "../../e2e/servers.ts";
import { serversOf } from "../../e2e/views.ts";
import { lowest, statusKib } from "../process-figures.ts";
import { type Bench, type Figures, type Row, rotated } from "../row.ts";
import { firstAnswerMs } from "../subjects/plain.ts";
import { ECHO_SERVER, Home, type Served, type StartedToolcrib } from "../subjects/toolcrib.ts";

type Kind = "uncaged" | "toolcrib";
const KINDS: readonly Kind[] = ["uncaged", "toolcrib"];
/** Of each kind, for the memory: the share of one is small. */
const MANY = 20;
const STARTS_A_ROUND = 20;
const SETTLE_MS = 6_000;
const CALLS = [
  { label: "calls of 100 B, one at a time", ask: "echo", bytes: 100, concurrency: 1 },
  { label: "calls of 100 B, 64 at once", ask: "echo", bytes: 100, concurrency: 64 },
  { label: "results of 1 MiB, 16 at once", ask: "blob", bytes: 1024 * 1024, concurrency: 16 },
] as const;

export const cage: Row = {
  name: "cage",
  title: "the same server in its cage and without one",
  metrics: [
    { key: "startMs", unit: "ms to a first answer", decimals: 1 },
    { key: "overMs", unit: "ms over a plain spawn", decimals: 1, compared: false },
    { key: "launchersKib", unit: "KiB a server, launchers", decimals: 0 },
    { key: "applianceKib", unit: "KiB a server, appliance", decimals: 0 },
    { key: "perSecond", unit: "calls/s", decimals: 0 },
    { key: "p50Ms", unit: "p50 ms", decimals: 3 },
  ],
  against: "uncaged",
  async run(bench) {
    await using home = await Home.create(allServers());
    for (let round = 0; round < bench.rounds; round++) {
      await using toolcrib = await home.start();
      const starts = new Starts(home, toolcrib);
      await starts.first(bench);
      await starts.again(bench);
      await memory(bench, home, toolcrib, round);
      await calls(bench, home, toolcrib, round);
    }
  },
};

function allServers(): Readonly<Record<string, Served>> {
  const names = Array.from({ length: MANY }, (_, index) => index);
  return {
    ...Object.fromEntries(names.map((index) => [nameOf("toolcrib", index), small()])),
    ...Object.fromEntries(names.map((index) => [nameOf("uncaged", index), { uncaged: small() }])),
    "toolcrib-echo": ECHO_SERVER,
    "uncaged-echo": { uncaged: ECHO_SERVER },
  };
}

function nameOf(kind: Kind, index: number): string {
  return `${kind}-${index}`;
}

/** Starts by a call of a server that does not run, in turns with plain spawns. */
class Starts {
  readonly #home: Home;
  readonly #toolcrib: StartedToolcrib;

  constructor(home: Home, toolcrib: StartedToolcrib) {
    this.#home = home;
    this.#toolcrib = toolcrib;
  }

  /** Each server's first since the appliance's: its plan is tried by a probe before. */
  async first(bench: Bench): Promise<void> {
    for (let index = 0; index < MANY; index++) await this.#round(bench, "first start, with its probe", index);
  }

  async again(bench: Bench): Promise<void> {
    for (let count = 0; count < (bench.quick ? 5 : STARTS_A_ROUND); count++) {
      for (const kind of KINDS) await stop(this.#home, nameOf(kind, 0));
      await this.#round(bench, "start", 0);
    }
  }

  async #round(bench: Bench, cell: string, index: number): Promise<void> {
    let bareMs = Number.NaN;
    await bench.measure(cell, "bare", async () => ({ startMs: (bareMs = await firstAnswerMs(small())) }));
    for (const kind of rotated(KINDS, index)) {
      const name = nameOf(kind, index);
      const agent = await agentOf(this.#home, this.#toolcrib, name);
      await bench.measure(cell, kind, async () => {
        const startMs = await callMs(agent);
        return { startMs, overMs: startMs - bareMs };
      });
      await agent.close();
    }
  }
}

/** All of one kind run, then none: the difference, by server. */
async function memory(bench: Bench, home: Home, toolcrib: StartedToolcrib, round: number): Promise<void> {
  const { pid } = toolcrib;
  const names = (kind: Kind) => Array.from({ length: MANY }, (_, index) => nameOf(kind, index));
  for (const kind of KINDS) await Promise.all(names(kind).map((name) => stop(home, name)));
  for (const kind of rotated(KINDS, round)) {
    await bench.measure("memory", kind, async (): Promise<Figures> => {
      const anonymousKib = () => statusKib(pid, "RssAnon");
      const emptyKib = await lowest(anonymousKib, SETTLE_MS);
      for (const name of names(kind)) {
        const agent = await agentOf(home, toolcrib, name);
        await callMs(agent);
        await agent.close();
      }
      const fullKib = await lowest(anonymousKib, SETTLE_MS);
      const launchersKib = await launchersOf(home, names(kind));
      for (const name of names(kind)) await stop(home, name);
      return { launchersKib, applianceKib: (fullKib - emptyKib) / MANY };
    });
  }
}

/** Resident, of the two above a server: what their pages share with others counts for each. */
async function launchersOf({ crib }: Home, names: readonly string[]): Promise<number> {
  const all = await processesOf(crib.directory);
  const servers = (await serversOf(crib)).filter(({ name }) => names.includes(name));
  const launchers = servers.flatMap(({ pid: outer = 0 }) => [outer, below(outer, all)[0]?.pid ?? 0]);
  return launchers.reduce((sum, pid) => sum + statusKib(pid, "VmRSS"), 0) / names.length;
}

async function calls(bench: Bench, home: Home, toolcrib: StartedToolcrib, round: number): Promise<void> {
  const { durationMs, warmupMs, load } = bench;
  for (const { label, ask, bytes, concurrency } of CALLS) {
    for (const kind of rotated(KINDS, round)) {
      const target = { url: `${toolcrib.target.url}/-/server/${kind}-echo`, token: home.token };
      const asked = { ask, tool: ask, bytes };
      const job = { kind: "ask", target, asked, concurrency, warmupMs, durationMs } as const;
      await bench.measure(label, kind, async () => (await load.run(job)).values);
    }
  }
}

function agentOf(home: Home, toolcrib: StartedToolcrib, server: string): Promise<Agent> {
  return Agent.open(new URL(`${toolcrib.target.url}/-/server/${server}`), home.token);
}

async function callMs(agent: Agent): Promise<number> {
  const began = performance.now();
  const { result, error } = await agent.call("pong");
  if (result === undefined) throw new Error(`no answer: ${error?.message}`);
  return performance.now() - began;
}

/** Stopped, and allowed to start again. */
async function stop({ crib }: Home, server: string): Promise<void> {
  for (const verb of ["disable", "enable"]) {
    const unix = join(crib.home, "run/admin.sock");
    const response = await fetch(`http://toolcrib/api/v1/servers/${server}/${verb}`, {
      method: "POST",
      unix,
    });
    if (!response.ok) throw new Error(`${verb} ${server}: ${await response.text()}`);
  }
}

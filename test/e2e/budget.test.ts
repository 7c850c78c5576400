// A hundred servers on a host that has memory for a part of them: all are listed at once, every one can be called, none
// waits for long, and what they take together stays below what they may. Who was used longest ago makes room.
// TOOLCRIB_BUDGET_SERVERS and _CALLS say how many; TOOLCRIB_BUDGET_WEIGHT=bun runs them in a JavaScript runtime.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { Observer } from "./observer.ts";
import { seeded } from "./seeded.ts";
import { bigEcho, heavy, raw } from "./servers.ts";
import { serverOf, serversOf, textOf } from "./views.ts";
import { until, within } from "./wait.ts";

const SERVERS = Number(process.env["TOOLCRIB_BUDGET_SERVERS"] ?? 100);
const CALLS = Number(process.env["TOOLCRIB_BUDGET_CALLS"] ?? 2 * SERVERS);
const IS_BUN = process.env["TOOLCRIB_BUDGET_WEIGHT"] === "bun";
const BUDGET_BYTES = 2 * 1024 ** 3;
const ENV = { TOOLCRIB_HOST_MEMORY_BYTES: "2GiB" };
/** Callers at once. */
const CALLERS = 6;
/** A start takes a tenth of a second, and a stop no longer: this is for a host on its knees. */
const ANSWER_DEADLINE_MS = 30_000;

setDefaultTimeout(120_000 + CALLS * 2_000);

let crib: Crib;
let appliance: Appliance;
let token: string;
const random = seeded(20_261_124);
const names = Array.from({ length: SERVERS }, (_, index) => `s${String(index).padStart(3, "0")}`);
/** Together about 4 GB: half of them fit. */
const line = (): readonly string[] => (IS_BUN ? bigEcho() : heavy(16 + Math.floor(random() * 48)));
const [tool, args] = IS_BUN ? (["echo", { text: "pong" }] as const) : (["pong", {}] as const);

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve({ env: ENV });
  const entries = names.map((name): [string, object] => {
    const [command, ...words] = line();
    return [name, { command, args: words }];
  });
  await writeFile(crib.file("servers.json"), JSON.stringify({ mcpServers: Object.fromEntries(entries) }));
  await crib.ok("add", "--yes", crib.file("servers.json"));
  await crib.ok("add", "--yes", "--name", "busy", ...raw("hang", "tools/call"));
  token = (await crib.ok("token", "create", "agent")).trim();
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

test("after a restart all of them are listed at once, and none runs for it", async () => {
  await appliance.stop();
  appliance = await crib.serve({ env: ENV });
  const agent = await Agent.open(appliance.mcp(), token);
  const listed = await within("tools/list", agent.toolNames(), 5_000);
  expect(listed).toEqual(["busy__noop", ...names.map((name) => `${name}__${tool}`)].toSorted());
  expect((await serversOf(crib)).filter(({ pid }) => pid !== undefined)).toEqual([]);
});

test("calls to all of them, in any order and some at once, are answered", async () => {
  const observer = new Observer(crib, appliance);
  // A server with a call that goes on is never idle, however long nobody else asks.
  const working = await Agent.open(appliance.mcp(), token);
  void observer.use("busy", () => working.call("busy__noop")).catch(() => undefined);
  const { pid: busyPid } = await until("it works", async () => {
    const busy = await serverOf(crib, "busy");
    return busy.inFlight === 1 && busy;
  });

  const queue = orderOf(CALLS);
  const tookMs: number[] = [];
  const caller = async (): Promise<void> => {
    const agent = await Agent.open(appliance.mcp(), token);
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const began = performance.now();
      const call = observer.use(name, () => agent.call(`${name}__${tool}`, args));
      const { result, error } = await within(`an answer of ${name}`, call, ANSWER_DEADLINE_MS);
      expect(error).toBeUndefined();
      expect(textOf(result)).toStartWith("pong");
      tookMs.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const seconds = (performance.now() - began) / 1000;
  await observer.stop();

  const { samples, evictions } = observer;
  report(seconds, tookMs, observer);
  expect(tookMs.length).toBe(CALLS);
  expect(samples.length).toBeGreaterThan(10);
  for (const figure of ["takenBytes", "listedBytes", "promisedBytes"] as const) {
    expect(observer.most(figure)).toBeLessThanOrEqual(BUDGET_BYTES);
  }
  // It was tight, and used: otherwise nothing was tried.
  expect(observer.most("takenBytes")).toBeGreaterThan(BUDGET_BYTES / 2);
  expect(evictions.length).toBeGreaterThan(SERVERS / 10);
  expect(evictions.filter(({ spared }) => spared.length > 0)).toEqual([]);
  expect(await serverOf(crib, "busy")).toMatchObject({ pid: busyPid, inFlight: 1, exits: 0 });
  for (const { exits, state } of await serversOf(crib)) {
    expect(exits).toBe(0);
    expect(["ready", "stopped"]).toContain(state);
  }
});

/** Every server once, in any order, and so on again. */
function orderOf(calls: number): string[] {
  const order: string[] = [];
  while (order.length < calls) order.push(...shuffled(names));
  return order.slice(0, calls);
}

function shuffled(list: readonly string[]): readonly string[] {
  return list
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function report(seconds: number, tookMs: readonly number[], observer: Observer): void {
  const sorted = tookMs.toSorted((a, b) => a - b);
  const quantile = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0);
  const mebibytes = (figure: "takenBytes" | "listedBytes" | "promisedBytes") =>
    `${(observer.most(figure) / 1024 ** 2).toFixed(0)} MiB`;
  console.log(
    `${tookMs.length} calls of ${SERVERS} servers in ${seconds.toFixed(1)} s: p50 ${quantile(0.5)}, p95 ${quantile(0.95)}, ` +
      `most ${quantile(1)} ms; at most ${observer.most("running")} ran, took ${mebibytes("takenBytes")} (listed ` +
      `${mebibytes("listedBytes")}, promised ${mebibytes("promisedBytes")}); ${observer.evictions.length} made room`,
  );
}

// A hundred servers on a host budget that has room for a part of them: all are listed, any of them can be called, and
// the memory that they take stays below what they may have. Counted here from /proc, apart from what the appliance says.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { processesOf } from "./processes.ts";
import { raw } from "./servers.ts";
import { serversOf } from "./views.ts";

setDefaultTimeout(300_000);

const SERVERS = 100;
const GIB = 1024 ** 3;
/** Enough for all of them, as small as they are; and for a part of them only. */
const BUDGETS = { roomy: 2 * GIB, tight: 0.3 * GIB };
const AT_ONCE = 16;

const NAMES = Array.from({ length: SERVERS }, (_, index) => `s${index}`);
let crib: Crib;
let appliance: Appliance;
let token: string;

const serve = (bytes: number): Promise<Appliance> =>
  crib.serve({ env: { TOOLCRIB_HOST_MEMORY_BYTES: String(Math.floor(bytes)) } });

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await serve(BUDGETS.roomy);
  const [command, ...args] = raw("echo");
  const mcpServers = Object.fromEntries(NAMES.map((name) => [name, { command, args }]));
  await writeFile(crib.file("servers.json"), JSON.stringify({ mcpServers }));
  token = (await crib.ok("token", "create", "agent")).trim();
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

/** What the servers have for themselves, of what the kernel lets everybody read. */
async function memoryOfServers(): Promise<number> {
  const found = await processesOf(crib.directory);
  const statuses = found
    .filter(({ pid }) => pid !== appliance.pid)
    .map(({ pid }) => readFile(`/proc/${pid}/status`, "utf8").catch(() => ""));
  const kibibytes = (await Promise.all(statuses)).map((text) =>
    Number(/^RssAnon:\s+(\d+)/m.exec(text)?.[1] ?? 0),
  );
  return kibibytes.reduce((sum, each) => sum + each, 0) * 1024;
}

/** What the appliance counts, what it may, and the starts that live. */
async function budget(): Promise<{ used: number; limit: number; instances: number }> {
  const text = await (await fetch(`${appliance.url}/metrics`)).text();
  const figure = (name: string): number =>
    Number(new RegExp(`^toolcrib_host_${name} (\\S+)$`, "m").exec(text)?.[1]);
  return {
    used: figure("memory_bytes"),
    limit: figure("memory_limit_bytes"),
    instances: figure("instances"),
  };
}

async function expectAllListed(agent: Agent): Promise<void> {
  const names = new Set(await agent.toolNames());
  expect(NAMES.filter((name) => !names.has(`${name}__raw`))).toEqual([]);
}

/** Calls each of them twice, so that those that were stopped for others are started again. The most that was used. */
async function callAll(agent: Agent): Promise<{ own: number; counted: number; instances: number }> {
  const most = { own: 0, counted: 0, instances: 0 };
  const over = new AbortController();
  const looking = (async () => {
    while (!over.signal.aborted) {
      const [own, { used, instances }] = await Promise.all([memoryOfServers(), budget()]);
      most.own = Math.max(most.own, own);
      most.counted = Math.max(most.counted, used);
      most.instances = Math.max(most.instances, instances);
    }
  })();
  const left = [...NAMES, ...NAMES.toReversed()];
  const callers = Array.from({ length: AT_ONCE }, async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const answer = await agent.call(`${name}__raw`, { to: name });
      expect(answer.error).toBeUndefined();
      expect(answer.result).toMatchObject({ params: { arguments: { to: name } } });
    }
  });
  await Promise.all(callers).finally(() => over.abort());
  await looking;
  return most;
}

async function expectNobodyFailed(): Promise<void> {
  const servers = await serversOf(crib);
  expect(servers.filter(({ exits }) => exits > 0)).toEqual([]);
  expect(servers.filter(({ state }) => state !== "ready" && state !== "stopped")).toEqual([]);
}

test("are added, listed and called on a budget of 2 GiB", async () => {
  const added = await crib.run(["add", "--yes", crib.file("servers.json")], { timeoutMs: 280_000 });
  expect(added.code).toBe(0);
  const agent = await Agent.open(appliance.mcp(), token);
  await expectAllListed(agent);
  const most = await callAll(agent);
  expect((await budget()).limit).toBe(BUDGETS.roomy);
  expect(most.counted).toBeLessThanOrEqual(BUDGETS.roomy);
  expect(most.own).toBeLessThanOrEqual(BUDGETS.roomy);
  expect(most.own).toBeGreaterThan(0);
  await expectNobodyFailed();
});

test("where there is room for a part of them, take turns, and all are listed and answer all the same", async () => {
  await appliance.stop();
  await crib.nothingRuns();
  appliance = await serve(BUDGETS.tight);
  const agent = await Agent.open(appliance.mcp(), token);
  // From what is known of them: nothing has been started yet.
  await expectAllListed(agent);
  const most = await callAll(agent);
  expect(most.counted).toBeLessThanOrEqual(BUDGETS.tight);
  expect(most.own).toBeLessThanOrEqual(BUDGETS.tight);
  expect(most.instances).toBeLessThan(SERVERS);
  await expectNobodyFailed();
});

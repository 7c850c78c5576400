// kill -9 of the appliance in the middle of additions, writes and calls, a hundred times on one home: what was
// acknowledged is there, what was not is whole or absent, no process is left, and the home serves again.
// TOOLCRIB_KILL_ROUNDS changes how often.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Agent, post } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { Ledger } from "./ledger.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { seeded } from "./seeded.ts";
import { small } from "./servers.ts";
import { serversOf, textOf, tokensOf } from "./views.ts";
import { until } from "./wait.ts";

const ROUNDS = Number(process.env["TOOLCRIB_KILL_ROUNDS"] ?? 100);
/** Longest time from the begin of the work to the kill. A verb takes about a quarter of it. */
const MAX_KILL_MS = 400;
const PACKAGES = 40;

setDefaultTimeout(ROUNDS * 5000 + 60_000);

interface ServerFact {
  readonly enabled: boolean;
}

let crib: Crib;
let appliance: Appliance;
let registry: FakeRegistry;
/** Value: the token itself; "" where its creation was not answered. */
const tokens = new Ledger<string>();
const servers = new Ledger<ServerFact>();
const random = seeded(20_261_122);

beforeAll(async () => {
  crib = await Crib.create();
  const names = Array.from({ length: PACKAGES }, (_, index) => packageName(index));
  registry = await registryOf(...(await Promise.all(names.map((name) => serverPackage(name)))));
  appliance = await crib.serve({ env: registryEnv(registry) });
  for (const name of ["fixed-a", "fixed-b"]) {
    await crib.ok("add", "--yes", "--name", name, ...small());
    servers.set(name, true, { enabled: true });
  }
  tokens.set("fixed", true, (await crib.ok("token", "create", "fixed")).trim());
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

/** Each goes on until the appliance is gone: then its last verb has no answer. */
const WORK: Readonly<Record<string, () => readonly Promise<void>[]>> = {
  "tokens are created and revoked": () => [createTokens(), createTokens(), revokeTokens()],
  "servers are added, switched and removed": () => [addServers(), switchServer("fixed-b"), removeServers()],
  "packages are installed": () => [installPackages(), createTokens()],
  "calls are made": () => Array.from({ length: 8 }, () => calls()),
};

const rounds = Math.ceil(ROUNDS / Object.keys(WORK).length);
for (const [label, work] of Object.entries(WORK)) {
  test(`${rounds} times, while ${label}`, async () => {
    for (let round = 1; round <= rounds; round++) {
      const killAfterMs = Math.floor(random() * MAX_KILL_MS);
      // Some installations get their archive, some wait for it until the end.
      if (random() < 0.5) void registry.hold(".tgz");
      else registry.release();
      try {
        await killInTheMiddle(work, killAfterMs);
      } catch (error) {
        throw new Error(`round ${round}, killed after ${killAfterMs} ms`, { cause: error });
      }
    }
  });
}

test("after all of this the home is in order", async () => {
  registry.release();
  const left = await crib.homeListing();
  expect(left.filter((path) => path.includes("staging"))).toEqual([]);
  await crib.ok("add", "--yes", "--name", "last", "npx", packageName(0));
  servers.set("last", true, { enabled: true });
  for (const name of servers.names(true)) {
    if (servers.value(name)?.enabled === false) continue;
    const tool = name.startsWith("package") || name === "last" ? "greet" : "pong";
    expect(await crib.ok("call", `${name}__${tool}`)).toMatch(/^(pong \d+|hello from the package)\n$/);
  }
  for (const name of tokens.names(true)) await checkToken(name, true);
  for (const name of tokens.names(false)) await checkToken(name, false);
});

async function killInTheMiddle(work: () => readonly Promise<void>[], killAfterMs: number): Promise<void> {
  const working = Promise.all(work());
  await Promise.race([Bun.sleep(killAfterMs), working]);
  await appliance.stop("SIGKILL");
  await working;
  await crib.nothingRuns();

  appliance = await crib.serve({ env: registryEnv(registry) });
  const [listed, known] = await Promise.all([serversOf(crib), tokensOf(crib)]);
  servers.settle(
    new Map(listed.map(({ name, enabled }) => [name, { enabled }])),
    (a, b) => a.enabled === b.enabled,
  );
  tokens.settle(new Map(known.map(({ name }) => [name, tokens.value(name) ?? ""])), () => true);
  for (const name of [...tokens.names(true).slice(-5), ...tokens.names(false).slice(-5)]) {
    await checkToken(name, tokens.names(true).includes(name));
  }
  const agent = await Agent.open(appliance.mcp(), tokens.value("fixed") ?? "");
  expect(textOf((await agent.call("fixed-a__pong")).result)).toStartWith("pong ");
}

async function createTokens(): Promise<void> {
  for (;;) {
    const name = tokens.fresh("token");
    const words = ["token", "create", name];
    if (!(await tokens.ask(crib, name, words, (stdout) => ({ there: true, value: stdout.trim() })))) return;
  }
}

async function revokeTokens(): Promise<void> {
  for (;;) {
    const [name] = tokens.names(true).filter((candidate) => candidate !== "fixed");
    if (name === undefined) return;
    const value = tokens.value(name) ?? "";
    if (!(await tokens.ask(crib, name, ["token", "revoke", name], () => ({ there: false, value })))) return;
  }
}

async function addServers(): Promise<void> {
  for (;;) {
    const name = servers.fresh("server");
    const words = ["add", "--yes", "--name", name, ...small()];
    if (!(await servers.ask(crib, name, words, () => ({ there: true, value: { enabled: true } })))) return;
  }
}

async function switchServer(name: string): Promise<void> {
  for (let enabled = servers.value(name)?.enabled !== true; ; enabled = !enabled) {
    const words = [enabled ? "enable" : "disable", name];
    if (!(await servers.ask(crib, name, words, () => ({ there: true, value: { enabled } })))) return;
  }
}

async function removeServers(): Promise<void> {
  for (;;) {
    const [name] = servers.names(true).filter((candidate) => candidate.startsWith("server-"));
    if (name === undefined) return;
    if (!(await servers.ask(crib, name, ["rm", name], () => ({ there: false, value: { enabled: true } }))))
      return;
  }
}

async function installPackages(): Promise<void> {
  for (;;) {
    const name = servers.fresh("package");
    const line = ["npx", packageName(Number(name.split("-")[1]) % PACKAGES)];
    const words = ["add", "--yes", "--name", name, ...line];
    if (!(await servers.ask(crib, name, words, () => ({ there: true, value: { enabled: true } })))) return;
  }
}

/** Calls in one session; each is answered right, or cut by the kill. */
async function calls(): Promise<void> {
  try {
    const agent = await Agent.open(appliance.mcp(), tokens.value("fixed") ?? "");
    for (;;) {
      const { result } = await agent.call("fixed-a__pong");
      if (!textOf(result).startsWith("pong ")) throw new Error(`a wrong answer: ${JSON.stringify(result)}`);
    }
  } catch (error) {
    await until("the appliance is gone", () =>
      fetch(`${appliance.url}/healthz`).then(
        () => false,
        () => true,
      ),
    );
    if (error instanceof Error && /wrong answer/.test(error.message)) throw error;
  }
}

async function checkToken(name: string, valid: boolean): Promise<void> {
  const secret = tokens.value(name) ?? "";
  if (secret === "") return;
  // Without a session a good token gets as far as 400.
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const { status } = await post(appliance.mcp(), ping, { authorization: `Bearer ${secret}` });
  if (status !== (valid ? 400 : 401))
    throw new Error(`${name} should ${valid ? "" : "not "}be valid: ${status}`);
}

function packageName(index: number): string {
  return `kill-${index}-mcp`;
}

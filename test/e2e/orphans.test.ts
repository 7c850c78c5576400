// No process outlives its appliance, however that one ends, and none outlives its server's end: not one that ignores
// signals, nor one that left its group, session, environment and directory.

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { type Appliance, Crib } from "./appliance.ts";
import { processesOf, runs, signal } from "./processes.ts";
import { raw, small, smallInShell, stray } from "./servers.ts";
import { serverOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(90_000);

let crib: Crib;
let appliance: Appliance;
const strays: number[] = [];

beforeEach(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
});
afterEach(async () => {
  for (const pid of strays.splice(0)) if (await runs(pid)) signal(pid, "SIGKILL");
  if (await runs(appliance.pid)) await appliance.stop("SIGKILL");
  await crib.remove();
});

/** Every kind of stubborn server, running; the process ids that /proc would not lead to. */
async function stubbornServers(): Promise<void> {
  const pidFile = crib.file("stray.pid");
  await crib.ok("add", "--yes", "--name", "polite", ...small());
  await crib.ok("add", "--yes", "--name", "wrapped", ...smallInShell());
  await crib.ok("add", "--yes", "--name", "stray", ...stray(pidFile));
  await crib.ok("add", "--yes", "--name", "deaf", ...raw("ignores-term"));
  strays.push(Number(await readFile(pidFile, "utf8")));
  const [, , own, grandchild] = /(pids) (\d+) (\d+)/.exec(await crib.ok("call", "deaf__pids")) ?? [];
  strays.push(Number(own), Number(grandchild));
  for (const pid of strays) expect({ pid, runs: await runs(pid) }).toEqual({ pid, runs: true });
}

async function nothingIsLeft(): Promise<void> {
  await crib.nothingRuns(20_000);
  for (const pid of strays) await until(`process ${pid} has ended`, async () => !(await runs(pid)));
}

for (const name of ["SIGTERM", "SIGINT", "SIGKILL"] as const) {
  test(`${name} of the appliance`, async () => {
    await stubbornServers();
    const code = await appliance.stop(name);
    if (name === "SIGKILL") expect(code).toBeNull();
    if (name === "SIGTERM") expect(code).toBe(0);
    if (name === "SIGINT") expect([0, 130]).toContain(code ?? -1);
    await nothingIsLeft();
  });
}

test("a second SIGTERM, while the first is being obeyed, changes nothing for the worse", async () => {
  await stubbornServers();
  signal(appliance.pid, "SIGTERM");
  await until("it no longer serves", () =>
    fetch(`${appliance.url}/readyz`).then(
      ({ ok }) => !ok,
      () => true,
    ),
  );
  if (await runs(appliance.pid)) await appliance.stop("SIGTERM");
  await nothingIsLeft();
});

describe("ends of a server while the appliance goes on", () => {
  test("rm and disable take the whole tree", async () => {
    await stubbornServers();
    await Promise.all([crib.ok("rm", "stray"), crib.ok("disable", "deaf"), crib.ok("rm", "wrapped")]);
    for (const pid of strays) await until(`process ${pid} has ended`, async () => !(await runs(pid)));
    await until("only the appliance and the polite one are left", async () => {
      const commands = (await processesOf(crib.directory)).map(({ command }) => command);
      return commands.every((command) => !/stray|ignores-term|; true/.test(command));
    });
    expect(await crib.ok("call", "polite__pong")).toStartWith("pong ");
  });

  test("kill -9 of the server's process takes its tree, and it starts again on demand", async () => {
    await stubbornServers();
    const { pid = 0 } = await serverOf(crib, "stray");
    signal(pid, "SIGKILL");
    for (const lost of strays.slice(0, 1))
      await until(`process ${lost} has ended`, async () => !(await runs(lost)));
    expect(await crib.ok("call", "stray__pong")).toStartWith("pong ");
    strays.push(Number(await readFile(crib.file("stray.pid"), "utf8")));
    await appliance.stop("SIGKILL");
    await nothingIsLeft();
  });

  test("kill -9 of any one process between the appliance and a server does so too", async () => {
    await stubbornServers();
    for (const which of [0, 1]) {
      const between = (await processesOf(crib.directory)).filter(
        ({ command }) => command.includes("stray.sh") && !command.startsWith("/bin/sh"),
      );
      expect(between.length).toBeGreaterThan(which);
      const lost = strays.at(which === 0 ? 0 : -1) ?? 0;
      signal(between[which]?.pid ?? 0, "SIGKILL");
      await until(`process ${lost} has ended`, async () => !(await runs(lost)));
      expect(await crib.ok("call", "stray__pong")).toStartWith("pong ");
      strays.push(Number(await readFile(crib.file("stray.pid"), "utf8")));
    }
    await appliance.stop("SIGKILL");
    await nothingIsLeft();
  });

  test("an installation that goes on ends with its appliance", async () => {
    // The port of a registry that accepts and never answers.
    const silent = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: () => new Promise<Response>(() => {}),
    });
    await appliance.stop();
    appliance = await crib.serve({ env: { NPM_CONFIG_REGISTRY: `http://127.0.0.1:${silent.port}/` } });
    const adding = crib.start(["add", "--yes", "npx", "some-package"]);
    await until("the installer asks", () => silent.pendingRequests > 0);
    await appliance.stop("SIGKILL");
    await until("the command line gives up", () => adding.ended);
    expect(adding.exitCode).not.toBe(0);
    await nothingIsLeft();
    await silent.stop(true);
  });
});

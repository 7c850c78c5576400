// No process outlives its appliance, however that one ends, and none outlives its server's end: not one that ignores
// signals, nor one that left its group, session, environment and directory. In every kind of cage, and without one.

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { type Appliance, Crib } from "./appliance.ts";
import { type LevelCase, levelCases, titleOf } from "./levels.ts";
import { below, nothingLeft, type Process, processesOf, runs, signal, stillThere } from "./processes.ts";
import { raw, small, smallInShell, stray } from "./servers.ts";
import { serverOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(90_000);

/** What the stubborn leave behind: it has nothing of theirs. */
const LOST = "sleep 600";

for (const level of await levelCases()) {
  describe.skipIf(level.missing !== undefined)(titleOf(level), () => orphans(level));
}

function orphans({ level, env, options, uid }: LevelCase): void {
  let crib: Crib;
  let appliance: Appliance;
  /** All that was seen of this test: it counts also when nothing leads to it any more. */
  let seen: readonly Process[];

  beforeEach(async () => {
    crib = await Crib.create(uid === undefined ? {} : { uid });
    // As on any host: servers with user ids of their own get to where their directories are.
    await chmod(crib.directory, 0o711);
    appliance = await crib.serve({ env });
    seen = [];
  });
  afterEach(async () => {
    if (await runs(appliance.pid)) await appliance.stop("SIGKILL");
    for (const { pid } of await stillThere(seen)) signal(pid, "SIGKILL");
    await crib.remove();
  });

  /** NB: the programs of a test's own PATH are in no cage's sight. */
  const add = (name: string, words: readonly string[]) =>
    crib.ok("add", "--yes", "--name", name, "--env", "PATH=/usr/bin:/bin", ...options, ...words);

  const look = async (): Promise<readonly Process[]> => {
    const now = await processesOf(crib.directory);
    seen = [...seen, ...now];
    return now;
  };

  /** The launcher that stands for a server, and all below it. */
  const treeOf = async (name: string): Promise<readonly Process[]> => {
    const { pid = 0 } = await serverOf(crib, name);
    const all = await look();
    return [...all.filter((each) => each.pid === pid), ...below(pid, all)];
  };

  /** Every kind of stubborn server, running. */
  const stubbornServers = async (): Promise<void> => {
    await add("polite", small());
    await add("wrapped", smallInShell());
    await add("stray", stray());
    await add("deaf", raw("ignores-term"));
    for (const name of ["polite", "wrapped", "stray", "deaf"]) {
      expect((await serverOf(crib, name)).cage).toBe(level);
    }
    // They are there, and can be seen: nothing is proven by not finding them later otherwise.
    await until("both have lost one", async () => (await look()).filter(isLost).length === 2);
  };

  const isGone = (what: string, processes: readonly Process[]) =>
    until(`${what} has ended`, async () => (await stillThere(processes)).length === 0, 20_000);

  const nothingIsLeft = () => nothingLeft(crib.directory, 20_000, seen);

  for (const name of ["SIGTERM", "SIGINT", "SIGKILL"] as const) {
    // It is SIGTERM by another name: once is enough.
    if (name === "SIGINT" && level !== "off") continue;
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

  test("rm and disable take the whole tree", async () => {
    await stubbornServers();
    const polite = await treeOf("polite");
    const names = ["stray", "deaf", "wrapped"];
    const trees = (await Promise.all(names.map(treeOf))).flat();
    expect(trees.filter(isLost).length).toBe(2);
    await Promise.all([crib.ok("rm", "stray"), crib.ok("disable", "deaf"), crib.ok("rm", "wrapped")]);
    expect(await stillThere(trees)).toEqual([]);
    expect(await stillThere(polite)).toEqual(polite);
    expect(await crib.ok("call", "polite__pong")).toStartWith("pong ");
  });

  test("kill -9 of any one process between the appliance and a server, or of that, takes its tree", async () => {
    await stubbornServers();
    // Two launchers, one below the other, and the server.
    for (const which of [0, 1, 2]) {
      const tree = await treeOf("stray");
      const [outer, inner, server] = tree;
      expect([inner?.parent, server?.parent]).toEqual([outer?.pid, inner?.pid]);
      const victim = tree[which];
      expect(tree.some(isLost)).toBe(true);
      signal(victim?.pid ?? 0, "SIGKILL");
      await isGone("the tree", tree);
      expect(await crib.ok("call", "stray__pong")).toStartWith("pong ");
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
    const registry = { NPM_CONFIG_REGISTRY: `http://127.0.0.1:${silent.port}/` };
    appliance = await crib.serve({ env: { ...env, ...registry } });
    const adding = crib.start(["add", "--yes", ...options, "npx", "some-package"]);
    await until("the installer asks", () => silent.pendingRequests > 0);
    await look();
    await appliance.stop("SIGKILL");
    await until("the command line gives up", () => adding.ended);
    expect(adding.exitCode).not.toBe(0);
    await nothingIsLeft();
    await silent.stop(true);
  });
}

function isLost({ command }: Process): boolean {
  return command === LOST;
}

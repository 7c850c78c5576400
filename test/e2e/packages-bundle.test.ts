// Bundles: from an appliance with a registry to one that reaches none, with the same packages, without secrets, and
// with nothing of a bundle that is not what it says.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Appliance, Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { serverNamesOf, serverOf } from "./views.ts";

setDefaultTimeout(120_000);

/** Nobody listens there. */
const NO_REGISTRY = { NPM_CONFIG_REGISTRY: "http://127.0.0.1:1/", HTTPS_PROXY: "http://127.0.0.1:1/" };

let here: Crib;
let there: Crib;
let appliances: Appliance[];
let registry: FakeRegistry;
let archive: string;

beforeAll(async () => {
  [here, there] = [await Crib.create(), await Crib.create()];
  registry = await registryOf(await serverPackage("tiny-mcp", { dependencies: { leaf: "1.0.0" } }), {
    name: "leaf",
    version: "1.0.0",
    files: { "index.js": "" },
  });
  appliances = [await here.serve({ env: registryEnv(registry) }), await there.serve({ env: NO_REGISTRY })];
  await here.ok("add", "--yes", "--env", "API_KEY=hunter2", "tiny-mcp");
  await here.ok("add", "--yes", "--name", "twin", "npx", "tiny-mcp@1.0.0", "--some-option");
  archive = here.file("bundle.tgz");
});
afterAll(async () => {
  for (const appliance of appliances) await appliance.stop();
  await Promise.all([here.nothingRuns(), there.nothingRuns()]);
  await registry.stop();
  await Promise.all([here.remove(), there.remove()]);
});

const inVault = (crib: Crib): Promise<readonly string[]> =>
  readdir(join(crib.home, "data/vault/npm")).catch(() => []);

test("a bundle is a file of its owner alone, without secrets", async () => {
  expect(await here.ok("bundle", "tiny", "twin", "-o", "bundle.tgz")).toBe(`${archive}\n`);
  expect((await stat(archive)).mode & 0o777).toBe(0o600);
  const unpacked = Bun.spawnSync(["tar", "-xzOf", archive]).stdout.toString("latin1");
  expect(unpacked).toContain('"API_KEY"');
  expect(unpacked).not.toContain("hunter2");
  const listed = Bun.spawnSync(["tar", "-tzf", archive]).stdout.toString().split("\n");
  expect(listed.filter((path) => path.endsWith("/server.js"))).toHaveLength(1);
});

test("without a word nothing is added, but the packages are there", async () => {
  const asked = await there.run(["bundle", "load", archive]);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain("1 package checked, 1 new in the vault.");
  expect(asked.stderr).toContain("from: tiny-mcp@1.0.0 of the bundle; no registry is asked");
  expect(asked.stderr).toContain("note: tiny: had the variable API_KEY");
  expect(await serverNamesOf(there)).toEqual([]);
  expect(await inVault(there)).toEqual(await inVault(here));
});

test("it is loaded and runs where no registry is", async () => {
  const asked = registry.asked.length;
  const loaded = await there.run(["bundle", "load", "--yes", "--env", "API_KEY=other", archive]);
  expect(loaded.stdout).toBe("tiny: ready, 1 tool\ntwin: ready, 1 tool\n");
  expect(loaded.code).toBe(0);
  expect(await there.ok("call", "tiny__greet")).toBe("hello from the package\n");
  const [mine, theirs] = [await serverOf(here, "tiny"), await serverOf(there, "tiny")];
  expect(theirs.package).toEqual(mine.package);
  expect(theirs.env).toEqual(["API_KEY"]);
  expect(registry.asked.slice(asked)).toEqual([]);
});

test("a restart there needs no registry either", async () => {
  await there.ok("restart", "twin");
  expect(await there.ok("call", "twin__greet")).toBe("hello from the package\n");
});

test("names that are taken are refused, and replaced on request", async () => {
  const again = await there.run(["bundle", "load", "--yes", archive]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("There is a server tiny already");
  expect((await there.run(["bundle", "load", "--yes", "--replace", archive])).code).toBe(0);
});

test("a bundle that was changed on its way adds nothing", async () => {
  const bytes = await readFile(archive);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  const damaged = there.file("damaged.tgz");
  await writeFile(damaged, bytes);
  const before = await inVault(there);
  const loaded = await there.run(["bundle", "load", "--yes", damaged]);
  expect(loaded.code).toBe(1);
  expect(loaded.stderr).toMatch(/damaged|not what the bundle says/);
  expect(await inVault(there)).toEqual(before);
  const staging = (await readdir(join(there.home, "data/vault"))).filter((name) => name.startsWith("."));
  expect(staging).toEqual([]);
});

test("what has no package cannot be carried, and a file that is there is left alone", async () => {
  await here.ok("add", "--yes", "--name", "plain", "/bin/cat").catch(() => undefined);
  const plain = await here.run(["bundle", "plain", "-o", "plain.tgz"]);
  expect(plain.code).toBe(2);
  expect(plain.stderr).toContain("runs no package of the vault");
  expect(await Bun.file(here.file("plain.tgz")).exists()).toBe(false);
  const taken = await here.run(["bundle", "tiny", "-o", "bundle.tgz"]);
  expect(taken.code).toBe(2);
  expect(taken.stderr).toContain("is there already");
});

// Packages that are not what was installed: never run, made again from their lockfiles, or said to be blocked; and a
// vault that forgets what nobody uses.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Appliance, Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { serverOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(120_000);

let crib: Crib;
let appliance: Appliance;
let registry: FakeRegistry;

beforeAll(async () => {
  crib = await Crib.create();
  registry = await registryOf(await serverPackage("tiny-mcp"), {
    ...(await serverPackage("tiny-mcp")),
    version: "1.1.0",
  });
  appliance = await crib.serve({ env: registryEnv(registry) });
  await crib.ok("add", "--yes", "npx", "tiny-mcp@1.1.0");
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

const vault = (): string => join(crib.home, "data/vault");

async function packageAt(version: string): Promise<string> {
  const names = await readdir(join(vault(), "npm"));
  const name = names.find((each) => each.startsWith(`tiny-mcp@${version}-`) && !each.endsWith(".tree"));
  if (name === undefined) throw new Error(`tiny-mcp@${version} is not in ${names.join(" ")}`);
  return join(vault(), "npm", name);
}

/** A program that would say so if it ran. */
async function spoil(): Promise<void> {
  const program = join(await packageAt("1.1.0"), "node_modules/tiny-mcp/server.js");
  await chmod(program, 0o755);
  await writeFile(program, `require("fs").writeFileSync("evil", "");\n`);
}

async function ranEvil(): Promise<boolean> {
  const found = await readdir(crib.home, { recursive: true });
  return found.some((path) => path.endsWith("/evil"));
}

/** Archives that were downloaded are used again, also when no registry answers. */
async function forgetDownloads(): Promise<void> {
  await rm(join(crib.home, "cache/npm"), { recursive: true, force: true });
}

test("a package that was changed is made again before it is run", async () => {
  await spoil();
  await crib.ok("restart", "tiny");
  expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
  expect(await ranEvil()).toBe(false);
  expect(appliance.output).toContain("package damaged");
  expect(appliance.output).toContain("package made again");
});

test("the same at the first start after a restart of the appliance", async () => {
  await appliance.stop();
  await spoil();
  appliance = await crib.serve({ env: registryEnv(registry) });
  expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
  expect(await ranEvil()).toBe(false);
});

test("where no registry answers it is blocked, and says why; when one answers, a restart mends it", async () => {
  registry.failWith = 503;
  await forgetDownloads();
  await spoil();
  const restarted = await crib.run(["restart", "tiny"]);
  expect(restarted.code).toBe(1);
  expect(restarted.stderr).toContain('"node_modules/tiny-mcp/server.js" was changed');
  const { state, reason } = await serverOf(crib, "tiny");
  expect(state).toBe("blocked");
  expect(reason).toContain("could not be made again");
  expect((await crib.run(["call", "tiny__greet"])).code).toBe(1);
  registry.failWith = undefined;
  await crib.ok("restart", "tiny");
  expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
  expect(await ranEvil()).toBe(false);
});

test("versions that no server uses are removed after a week, and those in use stay", async () => {
  await crib.ok("add", "--yes", "--name", "old", "npx", "tiny-mcp@1.0.0");
  const old = await packageAt("1.0.0");
  await appliance.stop();
  const then = Date.now() / 1000 - 30 * 86_400;
  await utimes(`${old}.tree`, then, then);
  appliance = await crib.serve({ env: registryEnv(registry) });
  expect(await crib.ok("call", "old__greet")).toBe("hello from the package\n");
  await crib.ok("rm", "old");
  await appliance.stop();
  await utimes(`${old}.tree`, then, then);
  appliance = await crib.serve({ env: registryEnv(registry) });
  const left = await until("the unused version is gone", async () => {
    const names = await readdir(join(vault(), "npm"));
    return names.some((name) => name.startsWith("tiny-mcp@1.0.0-")) ? undefined : names;
  });
  expect(left.filter((name) => name.startsWith("tiny-mcp@1.1.0-"))).not.toEqual([]);
});

test("an archive that is not the one it was is not taken instead", async () => {
  registry.swap("tiny-mcp", "1.1.0");
  await forgetDownloads();
  await spoil();
  await appliance.stop();
  appliance = await crib.serve({ env: registryEnv(registry) });
  const called = await crib.run(["call", "tiny__greet"]);
  expect(called.code).toBe(1);
  expect((await serverOf(crib, "tiny")).reason).toContain("integrity check failed");
  expect(await ranEvil()).toBe(false);
});

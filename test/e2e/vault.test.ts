// Packages: every way to name one, installed once with its hashes, started from the vault without a network, and
// without any code of others at the installation.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Appliance, Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { serverOf } from "./views.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let appliance: Appliance;
let registry: FakeRegistry;
let marker: string;

beforeAll(async () => {
  crib = await Crib.create();
  marker = join(crib.directory, "script-ran");
  const scripts = Object.fromEntries(
    ["preinstall", "install", "postinstall", "prepare"].map((name) => [name, `echo ${name} >>${marker}`]),
  );
  registry = await registryOf(
    await serverPackage("tiny-mcp"),
    { ...(await serverPackage("tiny-mcp")), version: "1.1.0" },
    await serverPackage("@acme/mcp-server-scoped", { dependencies: { "tiny-mcp": "^1.0.0" } }),
    await serverPackage("scripted", { scripts, trustedDependencies: ["scripted"] }),
  );
  appliance = await crib.serve({ env: registryEnv(registry) });
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

const lines: readonly { words: readonly string[]; name: string; version: string }[] = [
  { words: ["tiny-mcp"], name: "tiny", version: "1.1.0" },
  { words: ["npx", "tiny-mcp"], name: "tiny", version: "1.1.0" },
  { words: ["npx", "-y", "tiny-mcp@1.0.0", "--some-option"], name: "tiny", version: "1.0.0" },
  { words: ["npx", "--yes", "--package=tiny-mcp@^1.0.0", "tiny-mcp"], name: "tiny", version: "1.1.0" },
  { words: ["npx", "-p", "tiny-mcp@latest", "tiny-mcp"], name: "tiny", version: "1.1.0" },
  { words: ["npm", "exec", "--", "tiny-mcp@1.0.0"], name: "tiny", version: "1.0.0" },
  { words: ["bunx", "tiny-mcp"], name: "tiny", version: "1.1.0" },
  { words: ["npx", "@acme/mcp-server-scoped"], name: "scoped", version: "1.0.0" },
];
for (const { words, name, version } of lines) {
  test(words.join(" "), async () => {
    await crib.ok("add", "--yes", ...words);
    const server = await serverOf(crib, name);
    expect(server.package?.version).toBe(version);
    expect(server.package?.integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    expect(await crib.ok("call", `${name}__greet`)).toBe("hello from the package\n");
    await crib.ok("rm", name);
  });
}

test("an exact version that is there is not asked for again, and a start asks nobody", async () => {
  await crib.ok("add", "--yes", "npx", "tiny-mcp@1.0.0");
  const asked = registry.asked.length;
  await crib.ok("add", "--yes", "--name", "again", "npx", "tiny-mcp@1.0.0");
  await crib.ok("restart", "tiny");
  expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
  expect(registry.asked.slice(asked)).toEqual([]);
});

test("what is installed has a lockfile with hashes, and is closed to writing", async () => {
  const paths = await crib.homeListing();
  const locks = paths.filter((path) => /vault\/npm\/[^/]+\/bun\.lock$/.test(path));
  expect(locks.length).toBeGreaterThan(1);
  for (const lock of locks) {
    expect(await readFile(join(crib.home, lock), "utf8")).toContain("sha512-");
    expect((await stat(join(crib.home, lock))).mode & 0o222).toBe(0);
  }
  const programs = paths.filter((path) => path.includes("vault/npm/") && path.endsWith("/server.js"));
  expect(programs.length).toBeGreaterThan(1);
  for (const program of programs) expect((await stat(join(crib.home, program))).mode & 0o222).toBe(0);
});

test("scripts of packages do not run", async () => {
  await crib.ok("add", "--yes", "npx", "scripted");
  expect(await crib.ok("call", "scripted__greet")).toBe("hello from the package\n");
  expect(existsSync(marker)).toBe(false);
});

test("node, where there is none: a sentence that says so", async () => {
  const added = await crib.run(["add", "--yes", "--name", "noded", "node", "/opt/server.js"]);
  expect(added.code).toBe(1);
  expect(added.stderr).toMatch(/node/);
  expect(added.stderr).not.toMatch(/^\s+at /m);
});

test("a shell line instead of a package: a sentence that says what to do", async () => {
  const added = await crib.run(["add", "--yes", "npx", "-c", "tiny-mcp && rm -rf ."]);
  expect(added.code).toBe(2);
  expect(added.stderr).toMatch(/shell/);
  expect(registry.asked).not.toContain("/rm");
});

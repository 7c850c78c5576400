// A damaged npm package is made again from its lockfile: the same tree, or nothing.

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nullLog } from "../../src/log.ts";
import type { PinnedPackage } from "../../src/model/server-spec.ts";
import { installNpm } from "../../src/package/npm.ts";
import { reinstallNpm } from "../../src/package/npm-again.ts";
import { type Reinstall, Vault } from "../../src/package/vault.ts";
import { failure, openScene, type Scene } from "./npm-scene.ts";

setDefaultTimeout(30_000);

const TOOL = {
  name: "tool",
  version: "1.0.0",
  manifest: { bin: "cli.js", dependencies: { leaf: "^1.0.0" } },
  files: { "cli.js": "#!/usr/bin/env node\n" },
};

let scene: Scene;
let vault: Vault;

beforeAll(async () => {
  scene = await openScene([TOOL, { name: "leaf", version: "1.0.0", files: { "index.js": "1" } }]);
});
afterEach(() => scene.clear());
afterAll(() => scene.close());

async function installed(): Promise<PinnedPackage> {
  vault = new Vault({ directory: scene.vault, log: nullLog, now: Date.now });
  return installNpm(scene.request("tool"));
}

const reinstall: Reinstall = (pinned, damaged) => {
  const { packageSpec: _, bin: __, progress: ___, ...request } = scene.request("tool");
  return reinstallNpm({ ...request, cacheDirectory: join(scene.home, "cache-2") }, pinned, damaged);
};

async function spoil(path: string): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, "spoilt");
}

test.each(["node_modules/leaf/index.js", "node_modules/tool/cli.js", "bun.lock", "package.json"])(
  "a spoilt %s",
  async (file) => {
    const pinned = await installed();
    await spoil(join(scene.vault, pinned.directory, file));
    await vault.ensure(pinned, reinstall);
    expect(await vault.verify(pinned)).toBe("ok");
    expect(await scene.inVault()).toEqual([".damaged", pinned.directory.slice("npm/".length)]);
  },
);

test("the whole package is gone", async () => {
  const pinned = await installed();
  await rm(join(scene.vault, pinned.directory), { recursive: true });
  await vault.ensure(pinned, reinstall);
  expect(await vault.verify(pinned)).toBe("ok");
});

test("nobody answers: blocked, and made again when somebody does", async () => {
  const pinned = await installed();
  await spoil(join(scene.vault, pinned.directory, "node_modules/tool/cli.js"));
  scene.registry.failWith = 500;
  const error = await failure(vault.ensure(pinned, reinstall));
  expect(error.code).toBe("blocked");
  expect(error.message).toMatch(/"node_modules\/tool\/cli\.js" was changed.*answered HTTP 500/);
  expect(existsSync(join(scene.vault, pinned.directory))).toBe(false);
  scene.registry.failWith = undefined;
  await vault.ensure(pinned, reinstall);
  expect(await vault.verify(pinned)).toBe("ok");
});

test("a lockfile that is lost, and newer versions in the registry: blocked", async () => {
  const pinned = await installed();
  await rm(join(scene.vault, pinned.directory), { recursive: true });
  const other = await openScene([TOOL, { name: "leaf", version: "1.1.0", files: { "index.js": "2" } }]);
  const host = { HOME: scene.home, NPM_CONFIG_REGISTRY: other.registry.url };
  try {
    const error = await failure(
      vault.ensure(pinned, (wanted) => reinstallNpm({ ...scene.request("tool"), host }, wanted, undefined)),
    );
    expect(error.message).toMatch(/its lockfile is lost, and the registry has newer versions/);
    expect(await scene.inVault()).toEqual([]);
  } finally {
    await other.close();
  }
});

test("an archive with another hash: blocked", async () => {
  const liar = await openScene([TOOL, { name: "leaf", version: "1.0.0", files: { "index.js": "1" } }]);
  try {
    const pinned = await installNpm(liar.request("tool"));
    const at = join(liar.vault, pinned.directory);
    await spoil(join(at, "node_modules/leaf/index.js"));
    liar.registry.swap("leaf", "1.0.0");
    const request = { ...liar.request("tool"), cacheDirectory: join(liar.home, "cache-2") };
    const own = new Vault({ directory: liar.vault, log: nullLog, now: Date.now });
    const error = await failure(own.ensure(pinned, (...given) => reinstallNpm(request, ...given)));
    expect(error.message).toMatch(/leaf.*integrity check failed/);
    expect(existsSync(at)).toBe(false);
  } finally {
    await liar.close();
  }
});

test("what was moved aside by an earlier attempt is used", async () => {
  const pinned = await installed();
  const aside = join(scene.vault, ".damaged", pinned.directory.replaceAll("/", "+"));
  await mkdir(join(scene.vault, ".damaged"));
  await rename(join(scene.vault, pinned.directory), aside);
  await vault.ensure(pinned, reinstall);
  expect(await vault.verify(pinned)).toBe("ok");
  expect(existsSync(aside)).toBe(false);
});

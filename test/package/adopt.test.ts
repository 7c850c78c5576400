// A package that a request names: it has to be in the vault, whole, and for the command line that comes with it.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nullLog } from "../../src/log.ts";
import type { PinnedPackage, StdioSpec } from "../../src/model/server-spec.ts";
import { adoptPackage, isVaultPlace } from "../../src/package/adopt.ts";
import { keepManifest } from "../../src/package/manifest-file.ts";
import { Vault } from "../../src/package/vault.ts";
import { failure } from "./npm-scene.ts";

let directory: string;
let vault: Vault;
let pinned: PinnedPackage;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "toolcrib-adopt-"));
  vault = new Vault({ directory, log: nullLog, now: Date.now });
  const place = "npm/@acme+tool@1.0.0-0123456789ab";
  await mkdir(join(directory, place), { recursive: true });
  await writeFile(join(directory, place, "cli.js"), "");
  const tree = await keepManifest(join(directory, place));
  pinned = {
    ecosystem: "npm",
    name: "@acme/tool",
    version: "1.0.0",
    integrity: "",
    directory: place,
    entry: "cli.js",
    tree,
  };
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const spec = (line: string): StdioSpec => {
  const [command = "", ...args] = line.split(" ");
  return { kind: "stdio", command, args, env: {}, cage: { read: [], write: [], network: [] }, extra: {} };
};

test.each(["npx -y @acme/tool", "npx @acme/tool@^1 x", "npm exec -- @acme/tool@latest"])(
  "%s takes it",
  async (line) => {
    expect(await adoptPackage(vault, spec(line), pinned)).toEqual(pinned);
  },
);

test.each(["npx other", "uvx tool", "/bin/sh", "node ${__dirname}/cli.js"])("%s does not", async (line) => {
  expect((await failure(adoptPackage(vault, spec(line), pinned))).code).toBe("usage");
});

test.each<{ readonly directory?: string; readonly entry?: string }>([
  { directory: "../../etc" },
  { directory: "npm/../../etc" },
  { directory: "/etc" },
  { directory: "tools/uv" },
  { directory: "npm" },
  { directory: "npm/a/b" },
  { directory: "npm/x.tree" },
  { entry: "../cli.js" },
  { entry: "/bin/sh" },
])("%j is no place in a vault", async (wrong) => {
  const evil = { ...pinned, ...wrong };
  expect(isVaultPlace(evil)).toBe(false);
  expect((await failure(adoptPackage(vault, spec("npx @acme/tool"), evil))).code).toBe("usage");
});

test("one without the hash of its tree is none", () => {
  const { tree: _, ...without } = pinned;
  expect(isVaultPlace(without)).toBe(false);
});

test("one that is not there, or not what it says, is not taken", async () => {
  const absent = { ...pinned, directory: "npm/absent@1.0.0-0123456789ab" };
  expect((await failure(adoptPackage(vault, spec("npx @acme/tool"), absent))).code).toBe("blocked");
  const other = { ...pinned, tree: "a".repeat(64) };
  expect((await failure(adoptPackage(vault, spec("npx @acme/tool"), other))).code).toBe("blocked");
});

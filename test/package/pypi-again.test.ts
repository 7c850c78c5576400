// A damaged Python package is made again, byte for byte, from its own list of packages, or not at all.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { reinstallPypi } from "../../src/package/pypi-again.ts";
import { describeTree } from "../../src/package/tree-scan.ts";
import { treeHash } from "../../src/package/tree.ts";
import type { KnownPackage } from "../../src/package/vault.ts";
import { failure } from "./npm-scene.ts";
import { hostPython, NO_PYTHON, openPypiScene, type PypiScene } from "./pypi-scene.ts";

setDefaultTimeout(30_000);

const python = await hostPython();
const files = {
  "tool_main.py": "NAMES = {'a', 'b', 'c'}\ndef main(x=frozenset(('d', 'e', 'f'))):\n    pass\n",
};
const scripts = { tool: "tool_main:main" };

let scene: PypiScene;
let damaged: string;
let pinned: KnownPackage;

beforeAll(async () => {
  scene = await openPypiScene([
    { name: "tool", version: "1.0", scripts, files, requires: ["leaf"] },
    { name: "leaf", version: "1.0", files: { "leaf.py": "class Leaf: ...\n" } },
  ]);
});
afterEach(() => scene.clear());
afterAll(() => scene.close());

/** Installs the package and moves it out of the vault. */
async function damage(): Promise<void> {
  const made = await scene.install("tool");
  if (made.tree === undefined) throw new Error("no tree");
  pinned = { ...made, tree: made.tree };
  damaged = join(scene.home, "damaged");
  renameSync(join(scene.vault, made.directory), damaged);
}

function overwrite(file: string, text: string): void {
  chmodSync(join(damaged, file), 0o644);
  writeFileSync(join(damaged, file), text);
}

describe.skipIf(python === undefined)(`made again (${NO_PYTHON})`, () => {
  test("it is the same tree", async () => {
    await damage();
    overwrite("bin/tool", "print('changed')");
    await reinstallPypi(scene.request("tool"), pinned, damaged);
    const tree = await describeTree(join(scene.vault, pinned.directory));
    expect(treeHash(tree)).toBe(pinned.tree);
  });

  test.each([
    [
      "its list of packages names others",
      "requirements.txt",
      "leaf==1.0\n",
      /list of packages or its Python is lost/,
    ],
    ["its note is gone", "toolcrib.json", "{}", /list of packages or its Python is lost/],
  ])("not when %s", async (_, file, text, expected) => {
    await damage();
    overwrite(file, text);
    const asked = scene.index.asked.length;
    const error = await failure(reinstallPypi(scene.request("tool"), pinned, damaged));
    expect(error.message).toMatch(expected);
    expect(scene.index.asked.length).toBe(asked);
    expect(await scene.inVault()).toEqual([]);
  });

  test("not when it is lost, nor when its note says something else, nor without the index", async () => {
    await damage();
    expect((await failure(reinstallPypi(scene.request("tool"), pinned, undefined))).code).toBe(
      "install-failed",
    );
    scene.index.failWith = 503;
    const cold = scene.request("tool", { cacheDirectory: join(scene.home, "cold") });
    expect((await failure(reinstallPypi(cold, pinned, damaged))).message).toContain("HTTP 503");
    scene.index.failWith = undefined;
    const other = { ...pinned, tree: "0".repeat(64) };
    const error = await failure(reinstallPypi(scene.request("tool"), other, damaged));
    expect(error.message).toContain("not what was installed before");
    expect(await scene.inVault()).toEqual([]);
  });
});

// Installations from a Python index on a loopback port that are refused: each with a sentence that says why, with
// nothing left, and with nothing of the package run.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { lstat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECTS } from "./pypi-projects.ts";
import { failure } from "./npm-scene.ts";
import { hostPython, NO_PYTHON, openPypiScene, type PypiScene } from "./pypi-scene.ts";

setDefaultTimeout(30_000);

const python = await hostPython();

let scene: PypiScene;

beforeAll(async () => {
  scene = await openPypiScene(PROJECTS);
});
afterEach(() => scene.clear());
afterAll(() => scene.close());

describe.skipIf(python === undefined)(`with a Python of the host (${NO_PYTHON})`, () => {
  describe("refused, with nothing left and nothing built", () => {
    test.each([
      ["nowhere", "latest", undefined, /There is no package nowhere in the Python index/],
      ["tool", "==9.9", undefined, /tool has no version 9\.9/],
      ["tool", ">=9", undefined, /tool has only versions <=/],
      ["needy", "latest", undefined, /needy needs the package absent, which is not in the Python index/],
      [
        "source-only",
        "latest",
        undefined,
        /The package source-only has no ready-made archive.*would run its code/,
      ],
      [
        "needs-source",
        "latest",
        undefined,
        /The package source-only, which comes with needs-source==1\.0, has no ready-made/,
      ],
      [
        "elsewhere",
        "latest",
        undefined,
        /elsewhere has no ready-made archive \(wheel\) for the platform of this host/,
      ],
      [
        "unheard-of",
        "latest",
        undefined,
        /unheard-of needs another Python than this host has \(it has 3\..*install Python 3/,
      ],
      [
        "tampered",
        "latest",
        undefined,
        /The archive of the package tampered is not the one that its index promised/,
      ],
      ["corrupt", "latest", undefined, /The archive of the package corrupt is damaged/],
      ["addressed", "latest", undefined, /addressed needs x from an address.*cannot be pinned/],
      ["greedy", "latest", undefined, /greedy could not be installed: .*reserved name/],
      ["tool", "latest", 401, /refuses tool: put its address.*UV_DEFAULT_INDEX/],
      ["tool", "latest", 403, /refuses tool/],
      ["tool", "latest", 404, /There is no package tool/],
      ["tool", "latest", 503, /answered HTTP 503 for tool: try again later/],
    ] as const)("%s%s with the index answering %p", async (name, wanted, failWith, expected) => {
      scene.index.failWith = failWith;
      const error = await failure(scene.install(name, { packageSpec: { name, wanted } }));
      expect(error.code).toBe("install-failed");
      expect(error.message).toMatch(expected);
      expect(await scene.inVault()).toEqual([]);
      expect(scene.wasBuilt()).toBe(false);
    });

    test("a Python that this host does not have, and that cannot be had", async () => {
      const nowhere = { ...scene.request("x").host, UV_PYTHON_INSTALL_MIRROR: "http://127.0.0.1:1" };
      for (const [name, python_, expected] of [
        [
          "future",
          undefined,
          /future needs Python >=3\.99, which this host does not have \(it has 3\..*no build of it/,
        ],
        [
          "tool",
          "3.10.99",
          /tool needs Python 3\.10\.99, which this host does not have, and there is no build/,
        ],
      ] as const) {
        const error = await failure(scene.install(name, { python: python_, host: nowhere }));
        expect(error.code).toBe("install-failed");
        expect(error.message).toMatch(expected);
        expect(await scene.inVault()).toEqual([]);
      }
    });

    test("no index there, whose password is not told", async () => {
      const host = { ...scene.request("x").host, UV_DEFAULT_INDEX: "http://joe:sekret@127.0.0.1:1/simple" };
      const error = await failure(scene.install("tool", { host }));
      expect(error.code).toBe("install-failed");
      expect(error.message).toMatch(
        /The Python index 127\.0\.0\.1:1 cannot be reached for tool.*UV_DEFAULT_INDEX/,
      );
      expect(error.message).not.toContain("sekret");
      expect(await scene.inVault()).toEqual([]);
    });

    test.each([
      [
        "a full disk, as uv says it",
        "echo 'error: No space left on device (os error 28)' >&2; exit 2",
        "no-space",
      ],
      ["a uv that says very much", "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1", "install-failed"],
      ["a uv that makes no lock", "exit 0", "install-failed"],
    ] as const)("%s", async (_, script, code) => {
      const uv = join(scene.home, "uv");
      await writeFile(uv, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const error = await failure(scene.install("tool", { uv }));
      expect(error.code).toBe(code);
      expect(error.message.length).toBeLessThan(400);
      expect(await scene.inVault()).toEqual([]);
    });

    test("no uv", async () => {
      const error = await failure(scene.install("tool", { uv: join(scene.home, "none") }));
      expect(error.code).toBe("install-failed");
      expect(await scene.inVault()).toEqual([]);
    });
  });

  test("a package that may be built is built, and no other", async () => {
    // Its build needs setuptools, which this index does not have: that it is asked for shows that a build was begun.
    const error = await failure(scene.install("needs-source", { allowBuild: ["source-only"] }));
    expect(error.message).toMatch(/setuptools/);
    expect(scene.index.asked).toContain("/simple/setuptools/");
    scene.index.asked.length = 0;
    await failure(scene.install("needs-source", { allowBuild: ["leaf"] }));
    expect(scene.index.asked).not.toContain("/simple/setuptools/");
    expect(await scene.inVault()).toEqual([]);
  });

  test("a link of the host's Python is not written through", async () => {
    const path = python?.path ?? "";
    const before = (await lstat(path)).mtimeMs;
    await failure(scene.install("greedy"));
    expect((await lstat(path)).mtimeMs).toBe(before);
  });
});

// Installations from a Python index on a loopback port: what the vault holds afterwards, and what is chosen where there
// is a choice.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readlink, rename, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { resolvePypi } from "../../src/package/pypi.ts";
import { readTreeFiles } from "./tree-files.ts";
import { PROJECTS } from "./pypi-projects.ts";
import { failure } from "./npm-scene.ts";
import { HOST_PATH, hostPython, NO_PYTHON, openPypiScene, type PypiScene } from "./pypi-scene.ts";

setDefaultTimeout(30_000);

const python = await hostPython();

let scene: PypiScene;

beforeAll(async () => {
  scene = await openPypiScene(PROJECTS);
});
afterEach(() => scene.clear());
afterAll(() => scene.close());

describe.skipIf(python === undefined)(`with a Python of the host (${NO_PYTHON})`, () => {
  describe("an installation", () => {
    test("pins version, hash and entry; the tree is read-only, compiled and its own", async () => {
      const stages: string[] = [];
      const progress = (stage: string, detail: string): number => stages.push(`${stage} ${detail}`);
      const pinned = await scene.install("tool", { packageSpec: { name: "TOOL", wanted: ">=1" }, progress });

      expect(pinned).toEqual({
        ecosystem: "pypi",
        name: "tool",
        version: "1.1.0",
        integrity: expect.stringMatching(/^sha256-[A-Za-z0-9+/]{43}=$/),
        python: python?.version ?? "",
        directory: expect.stringMatching(/^pypi\/tool@1\.1\.0-[0-9a-f]{12}$/),
        entry: "bin/tool",
        tree: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(stages).toEqual([
        "resolving TOOL>=1",
        "downloading tool@1.1.0, 2 packages",
        "installed tool@1.1.0",
      ]);
      const at = join(scene.vault, pinned.directory);
      const requirements = readFileSync(join(at, "requirements.txt"), "utf8");
      expect(requirements).toMatch(
        /^leaf==1\.4 --hash=sha256:[0-9a-f]{64}\ntool==1\.1\.0 --hash=sha256:[0-9a-f]{64}\n$/,
      );
      expect(Buffer.from(pinned.integrity.slice(7), "base64").toString("hex")).toBe(
        /tool==.*sha256:(\w+)/.exec(requirements)?.[1] ?? "",
      );

      const files = readTreeFiles(at);
      for (const { path, mode, links } of files) expect([path, mode & 0o222, links]).toEqual([path, 0, 1]);
      const names = files.map(({ path }) => basename(path));
      expect(names.filter((name) => /^leaf.*\.pyc$|^tool_main.*\.pyc$/.test(name))).toHaveLength(2);
      // Neither what uv leaves for terminals, nor where the files were made.
      expect(names.filter((name) => /activate|\.lock|\.gitignore/.test(name))).toEqual([]);
      for (const { path } of files) expect(readFileSync(path, "latin1")).not.toContain(".staging-");
      expect(await scene.inVault()).toHaveLength(1);
    });

    test("runs, from wherever the vault is, and with the hosts' Python only", async () => {
      const pinned = await scene.install("tool");
      const moved = join(scene.home, "moved");
      await rename(scene.vault, moved);
      const at = join(moved, pinned.directory);
      expect(await readlink(join(at, "bin/python"))).toBe(python?.path ?? "");
      const byItself = Bun.spawnSync([join(at, pinned.entry), "a"], { env: { PATH: HOST_PATH } });
      expect(byItself.stdout.toString()).toBe("hello a\n");
      const read = Bun.spawnSync(
        [join(at, "bin/python"), "-c", "import sys; print(sys.prefix); import leaf"],
        { env: {} },
      );
      expect(read.stdout.toString()).toBe(`${at}\n`);
    });

    test("of an exact version that is there asks nobody and runs nothing", async () => {
      const first = await scene.install("tool");
      const asked = scene.index.asked.length;
      const again = await scene.install("tool", {
        packageSpec: { name: "Tool", wanted: "==1.1.0" },
        uv: "/nowhere",
      });
      expect(again).toEqual(first);
      expect(scene.index.asked.length).toBe(asked);
    });

    test.each([
      ["another index", { registry: "http://127.0.0.1:1/simple" }],
      ["more beside it", { with: ["leaf"] }],
      ["another Python", { python: "3.6" }],
    ])("of an exact version does not take what was made for %s", async (_, more) => {
      const packageSpec = { name: "tool", wanted: "==1.0.0" };
      await scene.install("tool", { packageSpec });
      const error = await failure(scene.install("tool", { packageSpec, ...more, uv: "/nowhere" }));
      expect(error.code).toBe("install-failed");
    });

    test("that means the same versions shares the directory, also at once", async () => {
      const [a, b] = await Promise.all([
        scene.install("tool"),
        scene.install("tool", { packageSpec: { name: "tool", wanted: "==1.1.0" } }),
      ]);
      expect(a).toEqual(b);
      expect(await scene.inVault()).toHaveLength(1);
    });

    test("takes extras, more packages, and versions that are not final, where they are asked for", async () => {
      const more = await scene.install("tool", { extras: ["more"], with: ["other-name==1.0"], bin: "serve" });
      expect(more.entry).toBe("bin/serve");
      const requirements = readFileSync(join(scene.vault, more.directory, "requirements.txt"), "utf8");
      expect(requirements.match(/^[^=]+/gm)).toEqual(["extra-leaf", "leaf", "other-name", "tool"]);
      expect(await scene.install("tool", { prereleases: true })).toMatchObject({ version: "2.0rc1" });
    });

    test("from an index that speaks HTML, or that names no hash", async () => {
      scene.index.html = true;
      expect(await scene.install("tool")).toMatchObject({ version: "1.1.0" });
      expect(await scene.install("hashless")).toMatchObject({ integrity: expect.stringMatching(/^sha256-/) });
    });

    test("with code in it that does not compile", async () => {
      expect(await scene.install("broken-code")).toMatchObject({ entry: "bin/tool" });
    });

    test("does not run what a package brings for every start of Python", async () => {
      const mark = join(scene.home, "mark");
      const pinned = await scene.install("hooked", { host: { ...scene.request("x").host, MARK: mark } });
      expect(
        readdirSync(
          join(
            scene.vault,
            pinned.directory,
            "lib",
            readdirSync(join(scene.vault, pinned.directory, "lib"))[0] ?? "",
            "site-packages",
          ),
        ),
      ).toContain("hook.pth");
      expect(existsSync(mark)).toBe(false);
    });

    test("leaves settings of the directories above alone", async () => {
      await writeFile(
        join(scene.home, "uv.toml"),
        'index-url = "http://127.0.0.1:1/simple"\n[pip]\nno-index = true\n',
      );
      await writeFile(
        join(scene.home, "pyproject.toml"),
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.99"\n',
      );
      expect(await scene.install("tool")).toMatchObject({ version: "1.1.0" });
    });

    test("sends the index's user name and password, and writes them nowhere", async () => {
      const url = scene.index.url.replace("://", "://joe:sekret@");
      const pinned = await scene.install("tool", { registry: url });
      expect(scene.index.authorized.at(-1)).toContain(`Basic ${btoa("joe:sekret")}`);
      for (const { path } of readTreeFiles(join(scene.vault, pinned.directory))) {
        expect(readFileSync(path, "latin1")).not.toContain("sekret");
      }
      expect(JSON.stringify(pinned)).not.toContain("sekret");
    });
  });

  test("what there is now is told without a download", async () => {
    const found = await resolvePypi(scene.request("tool"));
    expect(found).toEqual({ version: "1.1.0", directory: expect.stringMatching(/^pypi\/tool@1\.1\.0-/) });
    expect(await scene.inVault()).toEqual([]);
    expect(scene.index.asked.filter((path) => path.endsWith(".whl"))).toEqual([]);
    expect((await scene.install("tool")).directory).toBe(found.directory);
  });

  test("the newest version that is to be had is taken, and an older one with a word", async () => {
    const host = { ...scene.request("x").host, UV_PYTHON_INSTALL_MIRROR: "http://127.0.0.1:1" };
    const isOld = Bun.semver.order(python?.version ?? "", "3.13.0") < 0;
    const told: string[] = [];
    const progress = (_: string, detail: string): number => told.push(detail);
    expect(await scene.install("grown", { host, progress })).toMatchObject({
      version: isOld ? "1.0" : "2.0",
    });
    const word = "1.0, because 2.0 needs another Python than this host has";
    expect(told.filter((detail) => detail === word)).toHaveLength(isOld ? 1 : 0);
    // Who names a version or a Python has chosen, and nothing more is looked for.
    for (const chosen of [{ python: "3" }, { packageSpec: { name: "grown", wanted: "==1.0" } }]) {
      told.length = 0;
      await scene.install("grown", { host, progress, ...chosen });
      expect(told).not.toContain(word);
    }
  });

  test("an older version is no way out where the newest would have to be built, unless it is asked for", async () => {
    const error = await failure(scene.install("stale"));
    expect(error.message).toMatch(/The package source-only, which comes with stale==2\.0, has no ready-made/);
    const packageSpec = { name: "stale", wanted: "<2" };
    expect(await scene.install("stale", { packageSpec })).toMatchObject({ version: "1.0" });
  });

  test("an older version is taken where something else that was asked for allows no other", async () => {
    expect(await scene.install("picky", { with: ["tool<1.1"] })).toMatchObject({ version: "2.0" });
    expect(await scene.install("picky", { with: ["leaf==1.2"] })).toMatchObject({ version: "1.0" });
  });

  describe("the program of a package", () => {
    test.each([
      ["tool", undefined, "bin/tool"],
      ["tool", "tool", "bin/tool"],
      ["tool", "python", "bin/python"],
      ["many", "two", "bin/two"],
      ["other-name", undefined, "bin/serve"],
    ])("%s, asked for %s", async (name, bin, entry) => {
      const pinned = await scene.install(name, { bin });
      expect(pinned.entry).toBe(entry);
      expect((await stat(join(scene.vault, pinned.directory, entry))).mode & 0o111).not.toBe(0);
    });

    test.each([
      ["library", undefined, /library@1\.0 is not a program.*uvx --from library python -m/],
      ["many", undefined, /several programs \("one", "two"\).*uvx --from many one/],
      ["many", "twoo", /no program "twoo": did you mean "two"\?/],
      ["many", "../../../bin/sh", /no program "\.\.\/\.\.\/\.\.\/bin\/sh"/],
      ["library", "serve", /no program "serve": it has none/],
    ])("%s, asked for %s, is refused", async (name, bin, expected) => {
      const error = await failure(scene.install(name, { bin }));
      expect(error.code).toBe("install-failed");
      expect(error.message).toMatch(expected);
      expect(await scene.inVault()).toEqual([]);
    });
  });
});

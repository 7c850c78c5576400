// Installations from a Python index on a loopback port: what the vault holds afterwards, what is refused, and that a
// refusal leaves nothing and has run nothing.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { lstat, readlink, rename, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { resolvePypi } from "../../src/package/pypi.ts";
import { readTreeFiles } from "./tree-files.ts";
import type { FakeProject } from "./fake-pypi.ts";
import { failure } from "./npm-scene.ts";
import { HOST_PATH, hostPython, NO_PYTHON, openPypiScene, type PypiScene } from "./pypi-scene.ts";

setDefaultTimeout(30_000);

const python = await hostPython();
const MAIN = { "tool_main.py": "import sys\ndef main():\n    print('hello', *sys.argv[1:])\n" };
const SCRIPT = { tool: "tool_main:main" };

const PROJECTS: readonly FakeProject[] = [
  { name: "Tool", version: "1.0.0", scripts: SCRIPT, files: MAIN },
  {
    name: "tool",
    version: "1.1.0",
    scripts: SCRIPT,
    files: MAIN,
    requires: ["leaf>=1", 'extra-leaf; extra == "more"'],
    extras: ["more"],
  },
  { name: "tool", version: "2.0rc1", scripts: SCRIPT, files: MAIN },
  { name: "leaf", version: "1.4", files: { "leaf.py": "" } },
  {
    name: "extra-leaf",
    version: "1.0",
    files: { "extra_leaf.py": "" },
    scripts: { leafy: "extra_leaf:main" },
  },
  { name: "library", version: "1.0", files: { "library.py": "" } },
  { name: "many", version: "1.0", scripts: { one: "tool_main:main", two: "tool_main:main" }, files: MAIN },
  { name: "other-name", version: "1.0", scripts: { serve: "tool_main:main" }, files: MAIN },
  {
    name: "broken-code",
    version: "1.0",
    scripts: SCRIPT,
    files: { ...MAIN, "template.py": "def {{name}}(:\n" },
  },
  {
    name: "hooked",
    version: "1.0",
    scripts: SCRIPT,
    files: {
      ...MAIN,
      "hook.pth": "import os; os.environ['MARK'] and open(os.environ['MARK'], 'w').close()\n",
    },
  },
  { name: "greedy", version: "1.0", files: { "greedy-1.0.data/scripts/python": "#!/bin/sh\necho taken\n" } },
  { name: "source-only", version: "1.0", kind: "source" },
  { name: "needs-source", version: "1.0", requires: ["source-only"], scripts: SCRIPT, files: MAIN },
  { name: "needy", version: "1.0", requires: ["absent"] },
  { name: "future", version: "1.0", requiresPython: ">=3.99" },
  { name: "elsewhere", version: "1.0", tag: "py3-none-win_amd64" },
  { name: "unheard-of", version: "1.0", tag: "cp399-cp399-manylinux_2_17_x86_64" },
  { name: "tampered", version: "1.0", scripts: SCRIPT, files: MAIN, claims: "0".repeat(64) },
  { name: "hashless", version: "1.0", scripts: SCRIPT, files: MAIN, claims: "none" },
  { name: "corrupt", version: "1.0", body: new Uint8Array(Buffer.from("no archive at all")) },
  { name: "addressed", version: "1.0", requires: ["x @ git+https://127.0.0.1:1/x.git"] },
];

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
        /The package source-only, which comes with needs-source, has no ready-made/,
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
        /unheard-of has no ready-made archive \(wheel\) for the Python implementation/,
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

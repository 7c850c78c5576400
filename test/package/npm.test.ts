// Installations from a registry on a loopback port: what the vault holds afterwards, what is refused, and that a
// refusal leaves nothing.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installNpm } from "../../src/package/npm.ts";
import type { FakePackage } from "./fake-registry.ts";
import { failure, openScene, type Scene } from "./npm-scene.ts";

setDefaultTimeout(30_000);

const CLI = "#!/usr/bin/env node\nconsole.log('hello');\n";
const MARK = "scripts-ran";

const PACKAGES: readonly FakePackage[] = [
  { name: "tool", version: "1.0.0", manifest: { bin: "cli.js" }, files: { "cli.js": CLI } },
  {
    name: "@acme/tool",
    version: "1.2.3",
    manifest: {
      bin: { "acme-tool": "dist/cli.js" },
      dependencies: { leaf: "^1.0.0" },
      scripts: { preinstall: `touch ${MARK}`, install: `touch ${MARK}`, postinstall: `touch ${MARK}` },
    },
    files: { "dist/cli.js": CLI },
  },
  { name: "leaf", version: "1.4.0", manifest: { scripts: { postinstall: `touch ${MARK}` } } },
  { name: "library", version: "1.0.0", manifest: { main: "index.js" }, files: { "index.js": "" } },
  {
    name: "many",
    version: "1.0.0",
    manifest: { bin: { one: "1.js", two: "2.js" } },
    files: { "1.js": CLI, "2.js": CLI },
  },
  {
    name: "own",
    version: "1.0.0",
    manifest: { bin: { other: "2.js", own: "1.js" } },
    files: { "1.js": CLI, "2.js": CLI },
  },
  { name: "twins", version: "1.0.0", manifest: { bin: { a: "1.js", b: "1.js" } }, files: { "1.js": CLI } },
  { name: "hollow", version: "1.0.0", manifest: { bin: "dist/missing.js" } },
  {
    name: "outside",
    version: "1.0.0",
    manifest: { bin: { outside: "../../../../../../../../etc/hostname" } },
  },
  {
    name: "tampered",
    version: "1.0.0",
    manifest: { bin: "cli.js" },
    files: { "cli.js": CLI },
    claims: `sha512-${"A".repeat(86)}==`,
  },
  { name: "hashless", version: "1.0.0", manifest: { bin: "cli.js" }, files: { "cli.js": CLI }, claims: "" },
  {
    name: "needy",
    version: "1.0.0",
    manifest: { bin: "cli.js", dependencies: { absent: "1.0.0" } },
    files: { "cli.js": CLI },
  },
];

let scene: Scene;

beforeAll(async () => {
  scene = await openScene(PACKAGES);
});
afterEach(() => scene.clear());
afterAll(() => scene.close());

async function filesOf(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe("an installation", () => {
  test("pins version, hash and entry; the tree is read-only, complete and its own", async () => {
    const stages: string[] = [];
    const progress = (stage: string, detail: string): number => stages.push(`${stage} ${detail}`);
    const pinned = await installNpm(scene.request("@acme/tool", "^1.0.0", { progress }));

    expect(pinned).toEqual({
      ecosystem: "npm",
      name: "@acme/tool",
      version: "1.2.3",
      integrity: expect.stringMatching(/^sha512-/),
      directory: expect.stringMatching(/^npm\/@acme\+tool@1\.2\.3-[0-9a-f]{12}$/),
      entry: "node_modules/@acme/tool/dist/cli.js",
      tree: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(stages).toEqual([
      "resolving @acme/tool@^1.0.0",
      "downloading @acme/tool@1.2.3, 2 packages",
      "installed @acme/tool@1.2.3",
    ]);
    const at = join(scene.vault, pinned.directory);
    const lock = await readFile(join(at, "bun.lock"), "utf8");
    expect(lock).toContain(pinned.integrity);
    expect(lock.match(/"sha512-/g)).toHaveLength(2);

    const files = await filesOf(at);
    expect(files.some((path) => path.endsWith("node_modules/leaf/package.json"))).toBe(true);
    expect(files.filter((path) => path.endsWith(MARK))).toEqual([]);
    for (const path of files) {
      const { mode, nlink } = await stat(path);
      expect([path, mode & 0o222, nlink]).toEqual([path, 0, 1]);
    }
    expect((await stat(join(at, pinned.entry))).mode & 0o777).toBe(0o555);
    expect(await scene.inVault()).toHaveLength(1);
  });

  test("of an exact version that is there asks nobody", async () => {
    const first = await installNpm(scene.request("tool", "1.0.0"));
    const asked = scene.registry.asked.length;
    const again = await installNpm(scene.request("tool", "1.0.0", { self: "/nowhere", host: {} }));
    expect(again).toEqual(first);
    expect(scene.registry.asked.length).toBe(asked);
  });

  test("of a tag that means the same version shares the directory", async () => {
    const first = await installNpm(scene.request("tool", "1.0.0"));
    expect(await installNpm(scene.request("tool", "latest"))).toEqual(first);
    expect(await scene.inVault()).toHaveLength(1);
  });

  test("that goes on twice at once ends with one directory", async () => {
    const [a, b] = await Promise.all([installNpm(scene.request("tool")), installNpm(scene.request("tool"))]);
    expect(a).toEqual(b);
    expect(await scene.inVault()).toHaveLength(1);
  });

  test("from a named registry does not take what came from another", async () => {
    await installNpm(scene.request("tool", "1.0.0", { registry: scene.registry.url }));
    const error = await failure(
      installNpm(scene.request("tool", "1.0.0", { registry: "http://127.0.0.1:1" })),
    );
    expect(error.code).toBe("install-failed");
    const asked = scene.registry.asked.length;
    await installNpm(scene.request("tool", "1.0.0", { registry: scene.registry.url, self: "/nowhere" }));
    expect(scene.registry.asked.length).toBe(asked);
  });

  test("reads the registry and its token from the user's .npmrc", async () => {
    await writeFile(
      join(scene.home, ".npmrc"),
      `registry=${scene.registry.url}/\n//${new URL(scene.registry.url).host}/:_authToken=\${NPM_TOKEN}\n`,
    );
    const host = { HOME: scene.home, NPM_TOKEN: "sekret" };
    expect(await installNpm(scene.request("tool", "1.0.0", { host }))).toMatchObject({ version: "1.0.0" });
    expect(scene.registry.authorized).toContain("Bearer sekret");
  });

  test("hears no variable that would run code in it", async () => {
    const preload = join(scene.home, "preload.ts");
    await writeFile(preload, `await Bun.write(${JSON.stringify(join(scene.home, MARK))}, "");`);
    const options = `--preload=${preload}`;
    const host = {
      HOME: scene.home,
      NPM_CONFIG_REGISTRY: scene.registry.url,
      BUN_OPTIONS: options,
      NODE_OPTIONS: options,
    };
    await installNpm(scene.request("tool", "1.0.0", { host }));
    expect(await readdir(scene.home)).not.toContain(MARK);
  });
});

describe("the program of a package", () => {
  test.each([
    ["tool", undefined, "cli.js"],
    ["tool", "tool", "cli.js"],
    ["many", "two", "2.js"],
    ["own", undefined, "1.js"],
    ["twins", undefined, "1.js"],
    ["@acme/tool", "acme-tool", "dist/cli.js"],
  ])("%s, asked for %s", async (name, bin, file) => {
    const pinned = await installNpm(scene.request(name, "latest", { bin }));
    expect(pinned.entry).toBe(join("node_modules", name, file));
  });

  test.each([
    ["library", undefined, /library@1\.0\.0 is not a program: its package\.json has no "bin"/],
    ["many", undefined, /several programs \("one", "two"\).*npx -p many one/],
    ["many", "twoo", /no program "twoo": did you mean "two"\?/],
    ["many", "sh", /no program "sh": it has "one", "two"/],
    ["hollow", undefined, /names "dist\/missing\.js".*does not contain/],
    ["outside", undefined, /does not contain that file/],
  ])("%s, asked for %s, is refused", async (name, bin, expected) => {
    const error = await failure(installNpm(scene.request(name, "latest", { bin })));
    expect(error.code).toBe("install-failed");
    expect(error.message).toMatch(expected);
    expect(await scene.inVault()).toEqual([]);
  });
});

describe("refused, with nothing left", () => {
  test.each([
    ["nowhere", "latest", undefined, /There is no package nowhere/],
    ["tool", "9.9.9", undefined, /tool has no version 9\.9\.9/],
    ["tool", "nightly", undefined, /tool has no tag nightly/],
    ["needy", "latest", undefined, /needs the package absent, which is not in the registry/],
    ["tampered", "latest", undefined, /integrity check failed/],
    ["hashless", "latest", undefined, /no integrity hash for hashless/],
    ["tool", "latest", 401, /refuses tool \(HTTP 401\).*\.npmrc/],
    ["tool", "latest", 403, /refuses tool \(HTTP 403\)/],
    ["tool", "latest", 404, /There is no package tool/],
  ] as const)("%s@%s with the registry answering %p", async (name, wanted, failWith, expected) => {
    scene.registry.failWith = failWith;
    const error = await failure(installNpm(scene.request(name, wanted)));
    expect(error.code).toBe("install-failed");
    expect(error.message).toMatch(expected);
    expect(await scene.inVault()).toEqual([]);
  });

  test("no registry there", async () => {
    const host = { HOME: scene.home, NPM_CONFIG_REGISTRY: "http://joe:sekret@127.0.0.1:1/" };
    const error = await failure(installNpm(scene.request("tool", "latest", { host })));
    expect(error.code).toBe("install-failed");
    expect(error.message).toContain("cannot be reached");
    expect(error.message).not.toContain("sekret");
    expect(await scene.inVault()).toEqual([]);
  });

  test("a full disk, as the installer says it", async () => {
    const self = join(scene.home, "full");
    await writeFile(self, "#!/bin/sh\necho 'ENOSPC: copying file dist/index.js' >&2\nexit 1\n", {
      mode: 0o755,
    });
    const error = await failure(installNpm(scene.request("tool", "latest", { self })));
    expect(error.code).toBe("no-space");
    expect(await scene.inVault()).toEqual([]);
  });

  test("an installer that says very much", async () => {
    const self = join(scene.home, "chatty");
    await writeFile(self, "#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x >&2\nexit 1\n", { mode: 0o755 });
    const error = await failure(installNpm(scene.request("tool", "latest", { self })));
    expect(error.message.length).toBeLessThan(400);
  });

  test("no installer", async () => {
    const error = await failure(
      installNpm(scene.request("tool", "latest", { self: join(scene.home, "none") })),
    );
    expect(error.code).toBe("install-failed");
    expect(await scene.inVault()).toEqual([]);
  });
});

// A bundle from one vault to another: the same packages, or nothing; and what hostile archives get.

import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { nullLog } from "../../src/log.ts";
import type { PinnedPackage, StdioSpec } from "../../src/model/server-spec.ts";
import { BUNDLE_FILE, type BundleHead } from "../../src/package/bundle-format.ts";
import { type LoadedBundle, loadBundle, type LoadOptions } from "../../src/package/bundle-load.ts";
import { writeBundle } from "../../src/package/bundle-write.ts";
import { installNpm } from "../../src/package/npm.ts";
import { tarEnd, tarHeader, tarPadding } from "../../src/package/tar.ts";
import { lineOf, type TreeEntry, treeHash, TREE_HEADER } from "../../src/package/tree.ts";
import { Vault } from "../../src/package/vault.ts";
import { failure, openScene, type Scene } from "./npm-scene.ts";

setDefaultTimeout(30_000);

const PLATFORM = { os: "linux", arch: "x64" };
const SPEC: StdioSpec = {
  kind: "stdio",
  command: "npx",
  args: ["tool"],
  env: {},
  cage: { read: [], write: [], network: [] },
  extra: {},
};

let scene: Scene;
let pinned: PinnedPackage;
let target: string;

beforeAll(async () => {
  const deep = `${"deep/".repeat(40)}x.js`;
  scene = await openScene([
    {
      name: "tool",
      version: "1.0.0",
      manifest: { bin: "cli.js", dependencies: { leaf: "1.0.0" } },
      files: {
        "cli.js": "#!/usr/bin/env node\n",
        "empty.js": "",
        [deep]: "1",
        "big.js": "x".repeat(300_000),
      },
    },
    { name: "leaf", version: "1.0.0", manifest: { bin: "leaf.js" }, files: { "leaf.js": "1" } },
  ]);
  pinned = await installNpm(scene.request("tool"));
});
afterAll(() => scene.close());
beforeEach(async () => {
  target = await mkdtemp(join(tmpdir(), "toolcrib-bundle-"));
});
afterEach(() => rm(target, { recursive: true, force: true }));

function head(more: Partial<BundleHead> = {}): BundleHead {
  return {
    format: "toolcrib bundle 1",
    madeAt: "2026-11-23T00:00:00.000Z",
    madeBy: "test",
    platform: PLATFORM,
    servers: [{ name: "tool", spec: SPEC, package: 0, missing: { env: ["KEY"], broker: [] } }],
    packages: [pinned],
    ...more,
  };
}

function load(archive: Uint8Array, more: Partial<LoadOptions> = {}): Promise<LoadedBundle> {
  return loadBundle({
    vaultDirectory: target,
    archive: new Blob([new Uint8Array(archive)]).stream(),
    maxBytes: 100_000_000,
    platform: PLATFORM,
    hasPython: () => Promise.resolve(false),
    signal: new AbortController().signal,
    ...more,
  });
}

/** Also that no half-made directory is left. */
async function isEmpty(): Promise<boolean> {
  const left = await readdir(target);
  return left.filter((name) => name !== "npm").length === 0 && (await list(join(target, "npm"))).length === 0;
}

async function list(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => []);
}

async function written(more: Partial<BundleHead> = {}): Promise<Uint8Array> {
  return new Response(writeBundle(scene.vault, head(more))).bytes();
}

describe("a bundle", () => {
  test("carries a package from vault to vault: the same tree, verified", async () => {
    const loaded = await load(await written());
    expect(loaded).toEqual({ head: head(), placed: [pinned.directory] });
    const vault = new Vault({ directory: target, log: nullLog, now: Date.now });
    expect(await vault.verify(pinned)).toBe("ok");
    expect((await lstat(join(target, pinned.directory, pinned.entry))).mode & 0o777).toBe(0o555);
    expect((await lstat(join(target, pinned.directory, "node_modules/.bin/tool"))).isSymbolicLink()).toBe(
      true,
    );
    expect(await list(target)).toEqual(["npm"]);
  });

  test("is one that tar(1) lists, and begins with what it is", async () => {
    const path = join(target, "bundle.tgz");
    await writeFile(path, await written());
    const listed = Bun.spawnSync(["tar", "-tzf", path]);
    const [first, second, ...files] = listed.stdout.toString().trim().split("\n");
    expect([first, second]).toEqual([BUNDLE_FILE, "packages/0.tree"]);
    expect(files).toContain("packages/0/node_modules/tool/cli.js");
    const shown = Bun.spawnSync(["tar", "-xzOf", path, BUNDLE_FILE]);
    expect(JSON.parse(shown.stdout.toString())).toEqual(head());
  });

  test("that is loaded twice changes nothing the second time", async () => {
    const archive = await written();
    await load(archive);
    expect((await load(archive)).placed).toEqual([]);
    expect(await list(target)).toEqual(["npm"]);
  });

  test("of a package that was changed in the vault breaks off", async () => {
    const path = join(scene.vault, pinned.directory, "node_modules/leaf/leaf.js");
    await chmod(path, 0o644);
    await writeFile(path, "");
    try {
      await expect(written()).rejects.toThrow();
    } finally {
      await writeFile(path, "1");
      await chmod(path, 0o444);
    }
  });

  test("for another platform is refused by its name", async () => {
    const error = await failure(load(await written({ platform: { os: "linux", arch: "arm64" } })));
    expect(error.code).toBe("conflict");
    expect(error.message).toContain("linux on arm64");
    expect(await isEmpty()).toBe(true);
  });

  test("that is larger than the vault may be is refused before a file of it is written", async () => {
    const error = await failure(load(await written(), { maxBytes: 100_000 }));
    expect(error.code).toBe("too-large");
    expect(await isEmpty()).toBe(true);
  });

  test("that nobody waits for any more leaves nothing", async () => {
    const controller = new AbortController();
    const archive = await written();
    const half = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (stream) => stream.enqueue(new Uint8Array(archive.subarray(0, archive.length / 2))),
      pull: () => controller.abort(),
    });
    const error = await failure(load(archive, { archive: half, signal: controller.signal }));
    expect(error.code).toBe("interrupted");
    expect(await isEmpty()).toBe(true);
  });

  test("finds another package in its place: refused, and that one stays", async () => {
    await load(await written());
    const path = join(target, `${pinned.directory}.tree`);
    await rm(path);
    await writeFile(path, `${TREE_HEADER}d 755 "other"\n`);
    const error = await failure(load(await written()));
    expect(error.message).toContain("the vault has another one in its place");
    expect(existsSync(join(target, pinned.directory))).toBe(true);
  });
});

describe("damaged", () => {
  test.each([0.1, 0.5, 0.99])("cut after %d of it", async (part) => {
    const archive = await written();
    const error = await failure(load(archive.subarray(0, Math.floor(archive.length * part))));
    expect(error.code).toBe("bad-answer");
    expect(await isEmpty()).toBe(true);
  });

  test.each([0.3, 0.6, 0.9])("with another byte at %d of it", async (part) => {
    const archive = await written();
    const at = Math.floor(archive.length * part);
    archive[at] = (archive[at] ?? 0) ^ 0xff;
    expect((await failure(load(archive))).code).toBe("bad-answer");
    expect(await isEmpty()).toBe(true);
  });

  test.each([
    ["nothing", new Uint8Array()],
    ["no gzip", new TextEncoder().encode("hello")],
    ["gzip of nothing", new Uint8Array(gzipSync(""))],
    ["gzip of something else", new Uint8Array(gzipSync("x".repeat(10_000)))],
  ])("%s", async (_, archive) => {
    expect((await failure(load(archive))).code).toBe("bad-answer");
    expect(await isEmpty()).toBe(true);
  });
});

describe("hostile", () => {
  type Part = readonly [path: string, content: string];

  function archiveOf(parts: readonly Part[]): Uint8Array {
    const pieces = parts.flatMap(([path, text]) => {
      const content = Buffer.from(text);
      return [tarHeader({ path, bytes: content.length }), content, tarPadding(content.length)];
    });
    return gzipSync(Buffer.concat([...pieces, tarEnd()]));
  }

  const headPart = (value: unknown): Part => [BUNDLE_FILE, JSON.stringify(value)];
  const file = (path: string, text: string, mode = 0o444): TreeEntry => ({
    kind: "file",
    path,
    mode,
    bytes: Buffer.byteLength(text),
    sha256: new Bun.CryptoHasher("sha256").update(text).digest("hex"),
  });
  const manifestOf = (...entries: readonly TreeEntry[]): string => TREE_HEADER + entries.map(lineOf).join("");

  /** A whole bundle of one package with these files, whose hashes are all right. */
  function bundleOf(
    entries: readonly TreeEntry[],
    parts: readonly Part[],
    more: Partial<Extract<PinnedPackage, { ecosystem: "npm" }>> = {},
  ): Uint8Array {
    const manifest = manifestOf(...entries);
    const own = { ...pinned, entry: "x.js", tree: treeHash(manifest), ...more };
    return archiveOf([headPart(head({ packages: [own] })), ["packages/0.tree", manifest], ...parts]);
  }

  const X = file("x.js", "1", 0o555);
  const rows: readonly (readonly [string, () => Uint8Array, RegExp])[] = [
    [
      "a package under another one's name",
      () => bundleOf([X], [["packages/0/x.js", "1"]]),
      /cannot be understood|not one that|not what the bundle says/,
    ],
    [
      "another content than its hash",
      () => bundleOf([X], [["packages/0/x.js", "2"]]),
      /another content or mode/,
    ],
    ["another size", () => bundleOf([X], [["packages/0/x.js", "11"]]), /not one that/],
    ["another file first", () => bundleOf([X], [["packages/0/y.js", "1"]]), /not one that/],
    ["a file that climbs", () => bundleOf([X], [["packages/0/../../x.js", "1"]]), /not one that/],
    ["a file that is missing", () => bundleOf([X], []), /not one that/],
    [
      "a file more",
      () =>
        bundleOf(
          [X],
          [
            ["packages/0/x.js", "1"],
            ["packages/0/y.js", "1"],
          ],
        ),
      /not what the bundle says|not one that/,
    ],
    [
      "a mode that sets the user",
      () => bundleOf([file("x.js", "1", 0o4555)], [["packages/0/x.js", "1"]]),
      /another content or mode/,
    ],
    [
      "a path that climbs",
      () => bundleOf([file("../x.js", "1")], [["packages/0/../x.js", "1"]]),
      /at line 2/,
    ],
    ["an absolute path", () => bundleOf([file("/x.js", "1")], []), /at line 2/],
    [
      "a link out",
      () => bundleOf([{ kind: "link", path: "l", target: "/etc/passwd" }, X], [["packages/0/x.js", "1"]]),
      /at line 2/,
    ],
    [
      "a link out by way of another link",
      () =>
        bundleOf(
          [
            { kind: "directory", path: "d", mode: 0o755 },
            { kind: "link", path: "d/up", target: "../e" },
            { kind: "directory", path: "e", mode: 0o755 },
            { kind: "link", path: "e/out", target: "../d/up/../../../etc" },
            X,
          ],
          [["packages/0/x.js", "1"]],
        ),
      /at line 5|leads out/,
    ],
    [
      "a file through a link",
      () => bundleOf([{ kind: "link", path: "d", target: "e" }, file("d/x.js", "1"), X], []),
      /at line 3/,
    ],
    [
      "no program",
      () => bundleOf([file("y.js", "1")], [["packages/0/y.js", "1"]]),
      /its program is not in it/,
    ],
    [
      "another manifest than its hash",
      () => archiveOf([headPart(head()), ["packages/0.tree", manifestOf(X)]]),
      /its list of files is another one/,
    ],
    [
      "a size that nobody has room for",
      () =>
        bundleOf(
          [{ ...X, kind: "file", path: "x.js", mode: 0o555, bytes: 8 ** 11 - 1, sha256: "a".repeat(64) }],
          [],
        ),
      /more than 100000000 bytes/,
    ],
    ["no description", () => archiveOf([["packages/0.tree", manifestOf(X)]]), /not one that/],
    ["a description that is no JSON", () => archiveOf([[BUNDLE_FILE, "{"]]), /cannot be understood/],
    [
      "a description with a key more",
      () => archiveOf([headPart({ ...head(), run: "rm -rf /" })]),
      /cannot be understood at run/,
    ],
    [
      "a place outside of the vault",
      () => archiveOf([headPart(head({ packages: [{ ...pinned, directory: "npm/../../x" }] }))]),
      /cannot be understood at packages\.0/,
    ],
    [
      "a place of another kind",
      () => archiveOf([headPart(head({ packages: [{ ...pinned, directory: "tools/uv" }] }))]),
      /cannot be understood at packages\.0/,
    ],
    [
      "a program outside of its package",
      () => archiveOf([headPart(head({ packages: [{ ...pinned, entry: "../../x" }] }))]),
      /cannot be understood at packages\.0/,
    ],
    [
      "no hash of its tree",
      () => {
        const { tree: _, ...without } = pinned;
        return archiveOf([headPart(head({ packages: [without] }))]);
      },
      /cannot be understood at packages\.0/,
    ],
    [
      "two packages in one place",
      () => archiveOf([headPart(head({ packages: [pinned, pinned] }))]),
      /cannot be understood/,
    ],
    [
      "a server without its package",
      () =>
        archiveOf([
          headPart(
            head({
              packages: [pinned],
              servers: [
                { ...head().servers[0], name: "x", spec: SPEC, missing: { env: [], broker: [] }, package: 7 },
              ],
            }),
          ),
        ]),
      /cannot be understood/,
    ],
    [
      "a description of 5 MB",
      () => archiveOf([[BUNDLE_FILE, " ".repeat(5_000_000)]]),
      /more than 4194304 bytes/,
    ],
  ];
  test.each(rows)("%s", async (_, make, expected) => {
    const error = await failure(load(make()));
    expect(["bad-answer", "too-large", "install-failed"]).toContain(error.code);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toMatch(/[\x00-\x1f]/);
    expect(await isEmpty()).toBe(true);
  });

  test("a megabyte that unfolds to a gigabyte is read no further than its first header", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1_048_576), { level: 9 });
    const before = process.memoryUsage().rss;
    const many = new Blob(Array.from({ length: 16 }, () => new Uint8Array(bomb))).stream();
    expect((await failure(load(new Uint8Array(), { archive: many }))).code).toBe("bad-answer");
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1_048_576);
    expect(await isEmpty()).toBe(true);
  });
});

test("the lockfile of a loaded package is the one it came with", async () => {
  await load(await written());
  const read = (vault: string): Promise<string> =>
    readFile(join(vault, pinned.directory, "bun.lock"), "utf8");
  expect(await read(target)).toBe(await read(scene.vault));
});

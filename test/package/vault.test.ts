// A package before its start: right, damaged in every way, made again, or blocked, and never run while it is damaged.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import { nullLog } from "../../src/log.ts";
import type { PinnedPackage } from "../../src/model/server-spec.ts";
import { keepManifest } from "../../src/package/manifest-file.ts";
import { seal } from "../../src/package/seal.ts";
import { makeStaging, publish } from "../../src/package/staging.ts";
import { Vault } from "../../src/package/vault.ts";

let directory: string;
let vault: Vault;
let pinned: PinnedPackage & { tree: string };
let at: string;
const warnings: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "toolcrib-vault-"));
  warnings.length = 0;
  vault = newVault();
  const tree = await install("content");
  pinned = {
    ecosystem: "npm",
    name: "tool",
    version: "1.0.0",
    integrity: "sha512-x",
    directory: "npm/tool@1.0.0-abc",
    entry: "lib/entry.js",
    tree,
  };
  at = join(directory, pinned.directory);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function newVault(): Vault {
  const log = {
    ...nullLog,
    warn: (message: string, fields: object = {}) =>
      void warnings.push(`${message} ${JSON.stringify(fields)}`),
  };
  return new Vault({ directory, log, now: () => 1_700_000_000_000 });
}

async function install(content: string, directoryOf = "npm/tool@1.0.0-abc"): Promise<string> {
  const staging = await makeStaging(directory);
  await mkdir(join(staging, "lib"));
  await writeFile(join(staging, "lib/entry.js"), content);
  await writeFile(join(staging, "bun.lock"), "{}");
  await symlink("entry.js", join(staging, "lib/link"));
  await seal(staging, "lib/entry.js");
  return publish(staging, join(directory, directoryOf));
}

/** In place, as a bit that turns or a hand that slips. */
async function overwrite(path: string, content: string): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, content);
  await chmod(path, 0o555);
}

const DAMAGES: readonly (readonly [string, () => Promise<unknown>, string])[] = [
  ["a changed file", () => overwrite(join(at, "lib/entry.js"), "other"), '"lib/entry.js" was changed'],
  [
    "a file of the same size",
    () => overwrite(join(at, "lib/entry.js"), "CONTENT"),
    '"lib/entry.js" was changed',
  ],
  ["a missing file", () => rm(join(at, "bun.lock")), '"bun.lock" is missing'],
  ["an added file", () => writeFile(join(at, "lib/x.js"), ""), '"lib/x.js" was added'],
  ["another mode", () => chmod(join(at, "bun.lock"), 0o666), '"bun.lock" was changed'],
  [
    "another link",
    async () => {
      await rm(join(at, "lib/link"));
      await symlink("../../../../etc/passwd", join(at, "lib/link"));
    },
    '"lib/link" was changed',
  ],
  [
    "a file for a directory",
    async () => {
      await rm(join(at, "lib"), { recursive: true });
      await writeFile(join(at, "lib"), "");
    },
    '"lib" was changed, and 2 more',
  ],
  [
    "a pipe",
    () => Bun.spawn(["mkfifo", join(at, "pipe")]).exited,
    '"pipe" is neither a file nor a directory.',
  ],
  ["nothing", () => rm(at, { recursive: true }), "it is not in the vault"],
];

describe("a damage", () => {
  test.each(DAMAGES)("%s is found at the first look", async (_, damage, problem) => {
    await damage();
    expect(await vault.verify(pinned)).toEqual({ problem });
  });

  test.each(DAMAGES)("%s is found after a good look", async (_, damage, problem) => {
    expect(await vault.verify(pinned)).toBe("ok");
    await damage();
    expect(await vault.verify(pinned)).toEqual({ problem });
  });

  test("that hides its time is found all the same", async () => {
    expect(await vault.verify(pinned)).toBe("ok");
    const path = join(at, "lib/entry.js");
    await overwrite(path, "CONTENT");
    await utimes(path, 1, 1);
    expect(await vault.verify(pinned)).toEqual({ problem: '"lib/entry.js" was changed' });
  });

  test("of the manifest beside it changes nothing, where the tree was pinned", async () => {
    await rm(`${at}.tree`);
    await writeFile(`${at}.tree`, "toolcrib tree 1\nlies\n");
    expect(await vault.verify(pinned)).toBe("ok");
    await overwrite(join(at, "lib/entry.js"), "other");
    expect(await vault.verify(pinned)).toEqual({ problem: "its files are not those that were installed" });
  });
});

describe("a package without a pinned tree", () => {
  test("has the one that was written down", async () => {
    const { tree: _, ...older } = pinned;
    expect(await vault.verify(older)).toBe("ok");
    await overwrite(join(at, "lib/entry.js"), "other");
    expect(await vault.verify(older)).toEqual({ problem: '"lib/entry.js" was changed' });
  });

  test("gets one at its first look", async () => {
    const { tree, ...older } = pinned;
    await rm(`${at}.tree`);
    expect(await vault.verify(older)).toBe("ok");
    expect(existsSync(`${at}.tree`)).toBe(true);
    expect(await keepManifest(at)).toBe(tree);
    await appendFile(join(at, "lib/entry.js"), "more");
    expect(await newVault().verify(older)).toEqual({ problem: '"lib/entry.js" was changed' });
  });
});

test("the second look reads no file", async () => {
  const tree = await install("x".repeat(4_000_000), "npm/large@1.0.0-abc");
  const large = { ...pinned, name: "large", directory: "npm/large@1.0.0-abc", tree };
  const before = await bytesRead();
  expect(await vault.verify(large)).toBe("ok");
  const between = await bytesRead();
  expect(await vault.verify(large)).toBe("ok");
  expect(between - before).toBeGreaterThan(4_000_000);
  expect((await bytesRead()) - between).toBeLessThan(1_000_000);
});

/** By this process, since its start (proc(5)). */
async function bytesRead(): Promise<number> {
  return Number(/^rchar: (\d+)/.exec(await readFile("/proc/self/io", "utf8"))?.[1]);
}

describe("before a start", () => {
  test("a right package is left alone, and its time is noted", async () => {
    await vault.ensure(pinned, () => Promise.reject(new Error("nobody asked")));
    expect((await Bun.file(`${at}.tree`).stat()).mtimeMs).toBe(1_700_000_000_000);
    expect(warnings).toEqual([]);
  });

  test("a damaged one is made again, and nothing of the old one is left", async () => {
    await overwrite(join(at, "lib/entry.js"), "evil");
    const asked: (string | undefined)[] = [];
    await vault.ensure(pinned, async (wanted, damaged) => {
      expect(wanted).toEqual(pinned);
      expect(existsSync(at)).toBe(false);
      asked.push(damaged);
      expect(await readFile(join(damaged ?? "", "lib/entry.js"), "utf8")).toBe("evil");
      await install("content");
    });
    expect(asked).toHaveLength(1);
    expect(await readFile(join(at, "lib/entry.js"), "utf8")).toBe("content");
    expect(existsSync(asked[0] ?? "")).toBe(false);
    expect(warnings).toEqual([
      'package damaged {"package":"tool@1.0.0","problem":"\\"lib/entry.js\\" was changed"}',
    ]);
  });

  test("servers that share it and start at once look once", async () => {
    await rm(join(at, "bun.lock"));
    let made = 0;
    const reinstall = async (): Promise<void> => {
      made++;
      await install("content");
    };
    await Promise.all([vault.ensure(pinned, reinstall), vault.ensure(pinned, reinstall)]);
    expect(made).toBe(1);
  });

  test.each([
    ["nothing can make it again", undefined, /add it again with `toolcrib add --replace`/],
    [
      "the registry does not answer",
      () => Promise.reject(new AppError("install-failed", "no network.")),
      /no network\./,
    ],
    [
      "it comes different",
      async () => void (await install("different")),
      /once more, its files are not those/,
    ],
    ["nothing comes", () => Promise.resolve(), /once more, it is not in the vault/],
  ])("blocked where %s, and out of its place", async (_, reinstall, reason) => {
    await overwrite(join(at, "lib/entry.js"), "evil");
    const thrown: unknown = await vault.ensure(pinned, reinstall).catch((error: unknown) => error);
    if (!(thrown instanceof AppError)) throw thrown;
    expect(thrown.code).toBe("blocked");
    expect(thrown.message).toMatch(reason);
    expect(thrown.message).toContain('The package tool@1.0.0 is not run: "lib/entry.js" was changed.');
    expect(existsSync(at)).toBe(false);
    expect(existsSync(join(directory, ".damaged", "npm+tool@1.0.0-abc"))).toBe(true);
    // The next attempt finds the damaged one where it was put.
    await vault.ensure(pinned, async (__, damaged) => {
      expect(damaged).toBe(join(directory, ".damaged", "npm+tool@1.0.0-abc"));
      await install("content");
    });
    expect(await vault.verify(pinned)).toBe("ok");
  });
});

// Archives of others: what comes out of a good one, and that nothing comes out of a bad one.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import { unzip, type ZipLimits } from "../../src/package/zip.ts";
import { makeZip, type ZipPart } from "./make-zip.ts";

const LIMITS: ZipLimits = { maxEntries: 100, maxBytes: 50_000_000, maxRatio: 200 };

const LARGE = Buffer.alloc(10_000, "abcdefghij");

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "toolcrib-zip-"));
  await mkdir(join(directory, "out"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const out = (path = ""): string => join(directory, "out", path);

async function unpack(
  bytes: Uint8Array,
  limits: Partial<ZipLimits> = {},
  signal?: AbortSignal,
): Promise<void> {
  await Bun.write(join(directory, "x.zip"), bytes);
  await unzip(
    join(directory, "x.zip"),
    out(),
    { ...LIMITS, ...limits },
    signal ?? new AbortController().signal,
  );
}

describe("a good archive", () => {
  test("comes out: files packed and stored, directories named and implied, programs", async () => {
    await unpack(
      makeZip([
        { name: "manifest.json", content: "{}" },
        { name: "empty/", mode: 0o040755 },
        { name: "server/", mode: 0 },
        { name: "server/index.js", content: "x".repeat(100_000) },
        { name: "deep/er/ü.txt", content: "ü", store: true },
        { name: "bin/tool", content: "#!/bin/sh\n", mode: 0o100755 },
        { name: "nothing", mode: 0 },
      ]),
    );
    expect((await readdir(out(), { recursive: true })).toSorted()).toEqual([
      "bin",
      "bin/tool",
      "deep",
      "deep/er",
      "deep/er/ü.txt",
      "empty",
      "manifest.json",
      "nothing",
      "server",
      "server/index.js",
    ]);
    expect(await readFile(out("server/index.js"), "utf8")).toHaveLength(100_000);
    expect(await readFile(out("deep/er/ü.txt"), "utf8")).toBe("ü");
    expect((await stat(out("bin/tool"))).mode & 0o111).not.toBe(0);
    expect((await stat(out("manifest.json"))).mode & 0o111).toBe(0);
  });

  test("may have a comment", async () => {
    await unpack(makeZip([{ name: "a" }], "hello"));
    expect(await readdir(out())).toEqual(["a"]);
  });
});

describe("refused, and nothing comes out", () => {
  const bad: readonly (readonly [string, readonly ZipPart[], RegExp])[] = [
    ["a path that climbs", [{ name: "../x" }], /damaged|plain path/],
    ["a path that climbs inside", [{ name: "a/../../x" }], /damaged|plain path/],
    ["a path that climbs and stays", [{ name: "a/../x" }], /damaged|plain path/],
    ["an absolute path", [{ name: "/etc/x" }], /damaged|plain path/],
    ["a drive", [{ name: "C:\\x" }], /damaged|plain path/],
    ["a backslash", [{ name: "a\\..\\..\\x" }], /damaged|plain path/],
    ["a dot", [{ name: "./x" }], /plain path/],
    ["an empty part", [{ name: "a//x" }], /plain path/],
    ["an empty name", [{ name: "" }], /plain path/],
    ["a NUL", [{ name: "a\0.js" }], /plain path/],
    ["a long path", [{ name: "x/".repeat(4000) }], /plain path/],
    ["a link", [{ name: "l", content: "/etc/passwd", mode: 0o120777 }], /link or a device/],
    ["a device", [{ name: "d", mode: 0o020666 }], /link or a device/],
    ["a socket", [{ name: "s", mode: 0o140666 }], /link or a device/],
    ["a directory that is a file", [{ name: "d/", mode: 0o100644 }], /link or a device/],
    ["a directory with content", [{ name: "d/", content: "x", mode: 0o040755 }], /directory with content/],
    ["a program that runs as another user", [{ name: "s", mode: 0o104755 }], /as another user/],
    ["the same name twice", [{ name: "a" }, { name: "a" }], /"a" stands in it twice/],
    ["the same name in another case", [{ name: "a.js" }, { name: "A.js" }], /stands in it twice/],
    ["the same name in another form", [{ name: "\u00fc" }, { name: "u\u0308" }], /stands in it twice/],
    [
      "a file and a directory of one name",
      [{ name: "a" }, { name: "a/", mode: 0o040755 }],
      /stands in it twice/,
    ],
    ["encryption", [{ name: "a", claims: { flags: 1 } }], /is encrypted/],
    ["another method", [{ name: "a", claims: { method: 12 } }], /packed in a way/],
    [
      "more files than allowed",
      Array.from({ length: 101 }, (_, at) => ({ name: `${at}` })),
      /more than 100 files/,
    ],
    ["more bytes than allowed", [{ name: "a", claims: { bytes: 50_000_001 } }], /more than 50000000 bytes/],
    ["a bomb", [{ name: "a", content: Buffer.alloc(20_000_000) }], /in good faith/],
    [
      "files that overlap",
      [
        { name: "a", content: LARGE, store: true },
        ...Array.from({ length: 20 }, (_, at) => ({
          name: `b${at}`,
          content: LARGE,
          store: true,
          sameAs: 1,
        })),
      ],
      /overlaps/,
    ],
  ];
  test.each(bad)("%s", async (_, parts, expected) => {
    const good = { name: "good.js", content: "1" };
    const thrown: unknown = await unpack(makeZip([good, ...parts])).catch((error: unknown) => error);
    if (!(thrown instanceof AppError)) throw thrown;
    expect(["bad-answer", "too-large"]).toContain(thrown.code);
    expect(thrown.message).toMatch(expected);
    expect(thrown.message).not.toMatch(/[\x00-\x1f]/);
    expect(await readdir(out())).toEqual([]);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["no archive", Buffer.from("hello".repeat(100))],
    ["half of one", makeZip([{ name: "a", content: "x".repeat(1000), store: true }]).subarray(0, 500)],
    ["only its end", makeZip([{ name: "a" }]).subarray(-40)],
    ["something behind its end", Buffer.concat([makeZip([{ name: "a" }]), Buffer.from("more")])],
  ])("%s", async (_, bytes) => {
    await expect(unpack(bytes)).rejects.toMatchObject({ code: "bad-answer" });
    expect(await readdir(out())).toEqual([]);
  });
});

describe("what is found out while it unpacks ends it", () => {
  const rows: readonly (readonly [string, ZipPart])[] = [
    ["another content than its sum", { name: "a", content: "hello", claims: { crc: 1 } }],
    ["more than it says", { name: "a", content: "x".repeat(1000), claims: { bytes: 10 } }],
    ["less than it says", { name: "a", content: "x", claims: { bytes: 10 } }],
    ["a file in the place of a directory", { name: "good.js/a", content: "x" }],
  ];
  test.each(rows)("%s", async (_, part) => {
    const good = { name: "good.js", content: "1" };
    await expect(unpack(makeZip([good, part]))).rejects.toMatchObject({ code: "bad-answer" });
    expect((await readdir(directory)).toSorted()).toEqual(["out", "x.zip"]);
  });

  test("and so does a signal", async () => {
    const aborted = unpack(makeZip([{ name: "a" }]), {}, AbortSignal.abort());
    await expect(aborted).rejects.toMatchObject({ code: "interrupted" });
  });
});

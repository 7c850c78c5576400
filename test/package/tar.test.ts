// The archive format: other programs read what is written, and nothing but that is read.

import { describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { AppError } from "../../src/errors.ts";
import { ByteReader } from "../../src/package/byte-reader.ts";
import { readTarHeader, skipPadding, tarEnd, tarHeader, tarPadding } from "../../src/package/tar.ts";

type Files = readonly (readonly [path: string, content: string])[];

const LONG = `${"deep/".repeat(60)}file-ü.js`;
const FILES: Files = [
  ["a.txt", "hello"],
  ["empty", ""],
  ["x".repeat(100), "just fits"],
  [`${"x".repeat(99)}ü`, "does not"],
  [LONG, "y".repeat(1000)],
  ["block", "z".repeat(512)],
  ["line\nbreak", "1"],
];

function pack(files: Files): Buffer {
  const encoder = new TextEncoder();
  const parts = files.flatMap(([path, text]) => {
    const content = encoder.encode(text);
    return [tarHeader({ path, bytes: content.length }), content, tarPadding(content.length)];
  });
  return Buffer.concat([...parts, tarEnd()]);
}

/** In chunks of this size, so that no boundary is where the reader would like it. */
async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpack(bytes: Uint8Array, chunkBytes = 333): Promise<Files> {
  const reader = new ByteReader(chunks(bytes, chunkBytes));
  const files: [string, string][] = [];
  for (;;) {
    const entry = await readTarHeader(reader);
    if (entry === undefined) return files;
    files.push([entry.path, new TextDecoder().decode(await reader.take(entry.bytes))]);
    await skipPadding(reader, entry.bytes);
  }
}

test.each([1, 511, 512, 513, 100_000])("what is written is what is read, in chunks of %d", async (size) => {
  expect(await unpack(pack(FILES), size)).toEqual(FILES);
  expect(await unpack(pack([]), size)).toEqual([]);
});

test("tar(1) reads it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "toolcrib-tar-"));
  try {
    await Bun.write(join(directory, "x.tar"), pack(FILES));
    const listed = Bun.spawnSync(["tar", "-xvf", "x.tar"], { cwd: directory });
    expect(listed.stderr.toString()).toBe("");
    for (const [path, content] of FILES) {
      expect(await readFile(join(directory, path), "utf8")).toBe(content);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("other programs' archives are refused, links and devices among them", async () => {
  const directory = await mkdtemp(join(tmpdir(), "toolcrib-tar-"));
  try {
    const made = Bun.spawnSync(["sh", "-c", "ln -s /etc/passwd link && mkdir d && tar -cf x.tar link d"], {
      cwd: directory,
    });
    expect(made.success).toBe(true);
    await expect(unpack(await Bun.file(join(directory, "x.tar")).bytes())).rejects.toThrow("not one that");
  } finally {
    await rm(directory, { recursive: true });
  }
});

describe("refused", () => {
  const one = (): Buffer => pack([["a", "hello"]]);
  const edited = (at: number, text: string): Buffer => {
    const bytes = one();
    bytes.write(text, at, "latin1");
    return bytes;
  };
  const summed = (at: number, text: string): Buffer => {
    const bytes = edited(at, text);
    bytes.write(" ".repeat(8), 148, "latin1");
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    return bytes;
  };
  const rows: readonly (readonly [string, Buffer])[] = [
    ["a wrong checksum", edited(0, "b")],
    ["a link", summed(156, "2")],
    ["a directory", summed(156, "5")],
    ["a device", summed(156, "3")],
    ["a prefix before the name", summed(345, "/etc/")],
    ["a negative size", summed(124, "-0000000005")],
    ["a size in base 256", summed(124, "\x80\0\0\0")],
    ["a name that is no UTF-8", summed(0, "\xff\xfe")],
    ["another magic", summed(257, "ustar  \0")],
    ["padding that is not zero", edited(600, "x")],
    ["something behind the end", Buffer.concat([one(), Buffer.alloc(512)])],
    [
      "one block of zeros only",
      Buffer.concat([one().subarray(0, 1024), Buffer.alloc(512), Buffer.alloc(512, 1)]),
    ],
    ["an end in the middle of a header", one().subarray(0, 300)],
    ["an end in the middle of a file", one().subarray(0, 515)],
    ["no end", one().subarray(0, 1024)],
    ["nothing", Buffer.alloc(0)],
  ];
  test.each(rows)("%s", async (_, bytes) => {
    await expect(unpack(bytes)).rejects.toMatchObject({ code: "bad-answer" });
  });

  const pax = (record: string): Buffer => {
    const bytes = pack([
      ["././@PaxHeader", record],
      ["a", "hello"],
    ]);
    bytes.write("x", 156, "latin1");
    bytes.write(" ".repeat(8), 148, "latin1");
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    return bytes;
  };
  test.each([
    ["another key", "19 linkpath=/etc/x\n"],
    ["two keys", "11 path=ab\n9 size=1\n"],
    ["a wrong length", "99 path=ab\n"],
    ["a very long path", `9012 path=${"x".repeat(9000)}\n`],
    ["nothing", ""],
  ])("a pax record with %s", async (_, record) => {
    await expect(unpack(pax(record))).rejects.toMatchObject({ code: "bad-answer" });
  });

  test("whatever else it may be, it ends with an AppError", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(2047), fc.nat(255), async (at, byte) => {
        const bytes = one();
        bytes[at] = byte;
        const read = await unpack(bytes).catch((thrown: unknown) => thrown);
        if (!(read instanceof AppError)) expect(Array.isArray(read)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

test("a file of 8 GiB is not written", () => {
  expect(() => tarHeader({ path: "a", bytes: 8 ** 11 })).toThrow("8 GiB");
});

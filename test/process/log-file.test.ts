// The log file of a server: what a line becomes, what is dropped and told, what survives.

import { afterEach, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogFile, type LogFileOptions } from "../../src/process/log-file.ts";
import { rotate } from "../../src/process/log-file-rotation.ts";
import { until } from "../e2e/wait.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "log-file-"));
  directories.push(directory);
  return directory;
}

interface Lab {
  readonly file: LogFile;
  readonly path: string;
  readonly troubles: string[];
  /** What the clock says. */
  now: number;
}

const NOON = Date.UTC(2026, 0, 2, 12);

function lab(options: Partial<LogFileOptions> = {}): Lab {
  const path = options.path ?? join(temporary(), "logs", "files.log");
  const troubles: string[] = [];
  const made: Lab = {
    path,
    troubles,
    now: NOON,
    file: new LogFile({
      mask: (line) => line,
      onTrouble: (sentence) => troubles.push(sentence),
      now: () => made.now,
      ...options,
      path,
    }),
  };
  return made;
}

/** Lines of a file without their times. */
function linesOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, ""));
}

async function fill(made: Lab, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number++) {
    made.file.push(bytes(`line ${String(number).padStart(3, "0")}\n`));
    // Waits until it is written: a batch is never split.
    await made.file.tailOf(1);
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("a line", () => {
  test("has its time, in UTC, and is for its owner alone", async () => {
    const { file, path, troubles } = lab();
    file.push(bytes("hello\n"));
    await file.close();
    expect(readFileSync(path, "utf8")).toBe("2026-01-02T12:00:00.000Z hello\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
    expect(troubles).toEqual([]);
  });

  test.each([
    ["several at once", "a\nb\n", ["a", "b"]],
    ["an empty one stays", "a\n\nb\n", ["a", "", "b"]],
    ["one without an end gets one", "a\nb", ["a", "b"]],
    ["CRLF", "a\r\nb\r\n", ["a", "b"]],
    [
      "a carriage return forges no line",
      "good\r2026-01-01T00:00:00.000Z bad\n",
      ["good\\x0d2026-01-01T00:00:00.000Z bad"],
    ],
    ["NUL", "a\0b\n", ["a\\x00b"]],
    ["a tab stays", "a\tb\n", ["a\tb"]],
    ["colours go", "\u001b[1;31mred\u001b[0m\n", ["red"]],
    ["other sequences are shown", "\u001b]0;title\u0007\u001b[2J\n", ["\\x1b]0;title\\x07\\x1b[2J"]],
    [
      "what turns text around is shown",
      "a\u202eb\u2066c\u2028d\u009be\n",
      ["a\\u202eb\\u2066c\\u2028d\\x9be"],
    ],
    ["characters of several bytes", "é😀と\n", ["é😀と"]],
  ] as const)("%s", async (_about, written, wanted) => {
    const { file, path } = lab();
    file.push(bytes(written));
    await file.close();
    expect(linesOf(path)).toEqual([...wanted]);
  });

  test("that is no UTF-8 is written as UTF-8 all the same", async () => {
    const { file, path } = lab();
    file.push(Uint8Array.of(0x61, 0xff, 0xc3, 0x0a, 0xf0, 0x9f, 0x0a));
    await file.close();
    expect(linesOf(path)).toEqual(["a\ufffd\ufffd", "\ufffd"]);
  });

  test("is cut at its bound, between characters, and says so", async () => {
    const { file, path } = lab({ limits: { maxLineBytes: 10 } });
    file.push(bytes(`${"x".repeat(10)}\n${"x".repeat(11)}\n${"é".repeat(6)}\nnext\n`));
    await file.close();
    expect(linesOf(path)).toEqual(["xxxxxxxxxx", "xxxxxxxxxx … [cut]", "ééééé … [cut]", "next"]);
  });

  test("that never ends is one line, and little is kept of it", async () => {
    const { file, path } = lab();
    const chunk = Buffer.alloc(65_536, 0x61);
    for (let index = 0; index < 320; index++) file.push(chunk);
    // At once, not at its end: there may be none.
    await until("the begin of it is there", () => existsSync(path) && linesOf(path).length === 1);
    file.push(bytes("\nnext\n"));
    await file.close();
    expect(linesOf(path)).toEqual([`${"a".repeat(16_384)} … [cut]`, "next"]);
  });

  test("comes however its bytes come", async () => {
    const { file, path } = lab();
    for (const byte of bytes("first é\nsecond\n")) file.push(Uint8Array.of(byte));
    await file.close();
    expect(linesOf(path)).toEqual(["first é", "second"]);
  });

  test("of one process ends before those of the next and before the appliance's own", async () => {
    const { file, path } = lab();
    file.push(bytes("half"));
    file.endLine();
    file.push(bytes("other"));
    file.note("The server exited with code 1\nforged");
    file.push(bytes("third\n"));
    await file.close();
    expect(linesOf(path)).toEqual([
      "half",
      "other",
      "[toolcrib] The server exited with code 1\\x0aforged",
      "third",
    ]);
  });
});

describe("secrets", () => {
  const SECRET = "s3cr3t-value";
  const mask = (line: string): string => line.replaceAll(SECRET, "[secret]");

  test("are found however their bytes come", async () => {
    const pieces = fc.array(fc.constantFrom(SECRET, "words", " ", "\n", "s3cr3t", "-value"), {
      maxLength: 40,
    });
    const cuts = fc.array(fc.nat(400), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pieces, cuts, async (words, places) => {
        const { file, path } = lab({ mask, limits: { maxLineBytes: 24 } });
        const whole = bytes(words.join(""));
        const sorted = [
          0,
          ...places.filter((at) => at < whole.length).toSorted((a, b) => a - b),
          whole.length,
        ];
        sorted.forEach((at, index) => file.push(whole.subarray(at, sorted[index + 1] ?? whole.length)));
        await file.close();
        if (existsSync(path)) expect(readFileSync(path, "utf8")).not.toContain(SECRET);
      }),
      { numRuns: 100 },
    );
  });

  test("are not shown in part where a line is cut", async () => {
    const parts = ["s3c", "r3t", "cr3", "val"];
    for (const length of [16_380, 49_140, 49_150, 200_000]) {
      const { file, path } = lab({ mask });
      // Many of them, so that masking brings what was far behind into what is shown.
      const line = SECRET.repeat(Math.ceil(length / SECRET.length));
      file.push(bytes(`${"x".repeat(length % 7)}${line}\n`));
      await file.close();
      const [shown = ""] = linesOf(path);
      for (const part of parts) expect(shown.replaceAll("[secret]", "")).not.toContain(part);
    }
  });

  test("nor in the appliance's own words", async () => {
    const { file, path } = lab({ mask });
    file.note(`it said ${SECRET}`);
    await file.close();
    expect(linesOf(path)).toEqual(["[toolcrib] it said [secret]"]);
  });
});

describe("a flood", () => {
  const limits = { linesPerWindow: 3, windowMs: 30_000 };

  test("is counted and told once for each window", async () => {
    const made = lab({ limits });
    made.file.push(bytes("1\n2\n3\n4\n5\n"));
    made.now += 29_999;
    made.file.push(bytes("6\n"));
    made.now += 1;
    made.file.push(bytes("7\n8\n9\n10\n"));
    made.now += 90_000;
    made.file.push(bytes("11\n"));
    await made.file.close();
    expect(linesOf(made.path)).toEqual([
      "1",
      "2",
      "3",
      "[toolcrib] dropped 3 lines",
      "7",
      "8",
      "9",
      "[toolcrib] dropped 1 line",
      "11",
    ]);
  });

  test("is told when nothing comes after it, too", async () => {
    const { file, path } = lab({ now: Date.now, limits: { linesPerWindow: 1, windowMs: 50 } });
    file.push(bytes("1\n2\n3\n"));
    await until("it is told", () => existsSync(path) && linesOf(path).includes("[toolcrib] dropped 2 lines"));
    await file.close();
    expect(linesOf(path)).toEqual(["1", "[toolcrib] dropped 2 lines"]);
  });

  test("does not keep out the appliance's own words", async () => {
    const { file, path } = lab({ limits });
    file.push(bytes("1\n2\n3\n4\n"));
    file.note("It ended.");
    await file.close();
    expect(linesOf(path)).toEqual(["1", "2", "3", "[toolcrib] It ended.", "[toolcrib] dropped 1 line"]);
  });

  test("does not last because the clock was set back", async () => {
    const made = lab({ limits });
    made.file.push(bytes("1\n2\n3\n4\n"));
    made.now -= 86_400_000;
    made.file.push(bytes("5\n"));
    await made.file.close();
    expect(linesOf(made.path)).toEqual(["1", "2", "3", "[toolcrib] dropped 1 line", "5"]);
  });

  test("faster than the disk takes no more memory than its bound", async () => {
    const { file, path } = lab({ limits: { linesPerWindow: 1e9, maxQueuedBytes: 100_000 } });
    // One turn of the event loop: nothing can be written in between.
    for (let index = 0; index < 5_000; index++) file.push(bytes(`${index} ${"x".repeat(90)}\n`));
    await file.close();
    const lines = linesOf(path);
    expect(statSync(path).size).toBeLessThan(100_100);
    const [, dropped] = /dropped (\d+) lines/.exec(lines.at(-1) ?? "") ?? [];
    expect(lines.length - 1 + Number(dropped)).toBe(5_000);
  });
});

describe("rotation", () => {
  const limits = { maxFileBytes: 100, files: 3, linesPerWindow: 1e9 };
  const names = (path: string): string[] => readdirSync(join(path, "..")).toSorted();

  test("keeps so many files of such a size, and the last lines in order", async () => {
    const made = lab({ limits });
    await fill(made, 1, 20);
    await made.file.close();
    expect(names(made.path)).toEqual(["files.log", "files.log.1", "files.log.2"]);
    for (const name of names(made.path)) {
      const path = join(made.path, "..", name);
      expect(statSync(path).size).toBeLessThanOrEqual(100);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
    const kept = [`${made.path}.2`, `${made.path}.1`, made.path].flatMap(linesOf);
    expect(kept.at(-1)).toBe("line 020");
    expect(kept).toEqual(
      kept.map((_, index) => `line ${String(20 - kept.length + 1 + index).padStart(3, "0")}`),
    );
  });

  test("goes on with what is there after a restart", async () => {
    const first = lab({ limits });
    await fill(first, 1, 2);
    await first.file.close();
    const second = lab({ limits, path: first.path });
    await fill(second, 3, 3);
    await second.file.close();
    expect(linesOf(`${first.path}.1`)).toEqual(["line 001", "line 002"]);
    expect(linesOf(first.path)).toEqual(["line 003"]);
  });

  test("loses nothing but the oldest, wherever it was interrupted", async () => {
    // Every state that a kill can leave behind: the renames go from the oldest to the youngest.
    for (const missing of [".1", ".2", ".3", ".4"]) {
      const directory = temporary();
      const path = join(directory, "x.log");
      const suffixes = ["", ".1", ".2", ".3", ".4"].filter((suffix) => suffix !== missing);
      for (const suffix of suffixes) writeFileSync(path + suffix, suffix);
      await rotate(path, 5);
      expect(existsSync(path)).toBe(false);
      const left = readdirSync(directory).toSorted();
      expect(left).toHaveLength(4);
      expect(left.map((name) => readFileSync(join(directory, name), "utf8"))).toEqual(suffixes);
    }
  });

  test("half a line that a killed appliance left stays apart from the next", async () => {
    const { file, path } = lab();
    mkdirSync(join(path, ".."));
    writeFileSync(path, "2026-01-02T11:00:00.000Z half a li");
    file.push(bytes("next\n"));
    await file.close();
    expect(linesOf(path)).toEqual(["half a li", "next"]);
  });

  test("a file that somebody moved away is made again", async () => {
    const { file, path } = lab();
    file.push(bytes("one\n"));
    await file.tailOf(1);
    renameSync(path, `${path}.old`);
    file.push(bytes("two\n"));
    await file.close();
    expect(linesOf(path)).toEqual(["two"]);
    expect(linesOf(`${path}.old`)).toEqual(["one"]);
  });
});

describe("what cannot be written", () => {
  test("is told once, waits, and is written when it can be", async () => {
    const made = lab({ limits: { maxQueuedBytes: 100 } });
    const { file, path, troubles } = made;
    writeFileSync(join(path, ".."), "not a directory");
    file.push(bytes("one\n"));
    await until("it is told", () => troubles.length > 0);
    for (let number = 0; number < 10; number++) file.push(bytes("more than fits\n"));
    expect(await file.tailOf(100)).toBe("");
    rmSync(join(path, ".."));
    made.now += 1_000;
    file.push(bytes("dropped too, but now it is tried again\n"));
    await until("it is written", () => existsSync(path));
    made.now += 30_000;
    file.push(bytes("well\n"));
    await file.close();
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toContain(path);
    expect(troubles[0]).toContain("ENOTDIR");
    expect(linesOf(path)).toEqual(["one", "more than fits", "[toolcrib] dropped 10 lines", "well"]);
  });

  test("does not follow a link, and does not wait for a reader", async () => {
    const outside = join(temporary(), "outside");
    writeFileSync(outside, "mine");
    const { file, path, troubles } = lab();
    mkdirSync(join(path, ".."));
    symlinkSync(outside, path);
    file.push(bytes("one\n"));
    await file.close();
    expect(troubles[0]).toContain("ELOOP");
    expect(readFileSync(outside, "utf8")).toBe("mine");
  });

  test("ends nothing: closing resolves", async () => {
    const { file, path, troubles } = lab();
    mkdirSync(join(path, ".."));
    mkdirSync(path);
    file.push(bytes("one\n"));
    await file.close();
    await file.close();
    file.push(bytes("after\n"));
    expect(troubles).toHaveLength(1);
    expect(readdirSync(path)).toEqual([]);
  });
});

describe("its end", () => {
  // Each line has 30 bytes, and a file of its own.
  test.each([
    ["all of it, from several files", 10_000, ["aaaa", "bbbb", "cccc"]],
    ["exactly two", 60, ["bbbb", "cccc"]],
    ["whole lines", 59, ["cccc"]],
  ] as const)("%s", async (_about, maxBytes, wanted) => {
    const { file } = lab({ limits: { maxFileBytes: 40, files: 4 } });
    for (const line of ["aaaa\n", "bbbb\n", "cccc\n"]) {
      file.push(bytes(line));
      await file.tailOf(1);
    }
    const lines = (await file.tailOf(maxBytes)).split("\n").slice(0, -1);
    expect(lines.map((line) => line.slice(25))).toEqual([...wanted]);
    await file.close();
  });

  test("of a log that is not there is empty", async () => {
    const { file, path } = lab();
    expect(await file.tailOf(100)).toBe("");
    await file.close();
    expect(existsSync(path)).toBe(false);
  });

  test("goes with a server that is removed", async () => {
    const { file, path } = lab({ limits: { maxFileBytes: 40, files: 4 } });
    file.push(bytes("aaaa\n"));
    await file.tailOf(1);
    file.push(bytes("bbbb\n"));
    await file.remove();
    expect(readdirSync(join(path, ".."))).toEqual([]);
  });
});

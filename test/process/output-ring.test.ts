// The ring of a server's stderr: what it keeps, what it forgets, and what it shows to whom.

import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { OutputRing } from "../../src/process/output-ring.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("bounds", () => {
  test.each([
    ["nothing", [], ""],
    ["less than the bound", ["ab", "cd"], "abcd"],
    ["exactly the bound", ["abcde", "fghij"], "abcdefghij"],
    ["the oldest bytes go first", ["abcde", "fghij", "XY"], "cdefghijXY"],
    ["whole chunks go", ["a", "b", "c", "0123456789"], "0123456789"],
    ["a chunk over the bound keeps its end", ["before", "0123456789abc"], "3456789abc"],
  ] as const)("%s", (_about, chunks, kept) => {
    const ring = new OutputRing(10);
    for (const chunk of chunks) ring.push(bytes(chunk));
    expect(ring.text()).toBe(kept);
  });

  test("are those of one long string, whatever the chunks", () => {
    const input = fc.tuple(
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.string({ maxLength: 80 }), { maxLength: 400 }),
    );
    fc.assert(
      fc.property(input, ([maxBytes, chunks]) => {
        const ring = new OutputRing(maxBytes);
        const ascii = chunks.map((chunk) => chunk.replaceAll(/[^ -~]/g, "?"));
        for (const chunk of ascii) ring.push(bytes(chunk));
        const wanted = ascii.join("").slice(-maxBytes);
        expect(ring.text()).toBe(wanted);
        expect(ring.tail(17)).toBe(wanted.slice(-17));
      }),
    );
  });

  test("hold for the number of pieces too, when a server writes byte by byte", () => {
    const ring = new OutputRing(256 * 1024);
    for (let index = 0; index < 600_000; index++) ring.push(Uint8Array.of(0x61 + (index % 26)));
    Bun.gc(true);
    expect(heapStats().objectTypeCounts["Uint8Array"] ?? 0).toBeLessThan(20_000);
    expect(ring.text()).toHaveLength(256 * 1024);
  });

  test("a chunk is copied: its buffer may be used again", () => {
    const ring = new OutputRing(100);
    const chunk = bytes("kept");
    ring.push(chunk);
    chunk.fill(0x21);
    expect(ring.text()).toBe("kept");
  });
});

describe("the tail of the current process", () => {
  test("begins where the process began", () => {
    const ring = new OutputRing(100);
    ring.push(bytes("of the first\n"));
    expect(ring.tail(64)).toBe("of the first\n");
    ring.begin();
    expect(ring.tail(64)).toBe("");
    expect(ring.lastLine()).toBeUndefined();
    ring.push(bytes("of the second\n"));
    expect(ring.tail(64)).toBe("of the second\n");
    expect(ring.tail(7)).toBe("second\n");
    expect(ring.text()).toBe("of the first\nof the second\n");
  });

  test("is never more than what is kept", () => {
    const ring = new OutputRing(10);
    ring.begin();
    ring.push(bytes("0123456789abc"));
    expect(ring.tail(1000)).toBe("3456789abc");
  });
});

describe("the last line", () => {
  test.each([
    ["none", "", undefined],
    ["blank lines do not count", "why\n\n  \n", "why"],
    ["without a line break at its end", "first\nwhy", "why"],
    ["of CRLF", "why\r\n", "why"],
    ["the appliance's own words do not count", "why\n[toolcrib] skipped a line\n", "why"],
    ["control characters do not reach the reader", "\u001b[31mred\u0007\u001b[0m\n", "[31mred [0m"],
    ["nor what turns text around", "a\u202eb\u2066c\n", "a b c"],
    ["a line of nothing but these is blank", "why\n\u001b\u0007\n", "why"],
  ] as const)("%s", (_about, text, wanted) => {
    const ring = new OutputRing(1000);
    ring.push(bytes(text));
    expect(ring.lastLine()).toBe(wanted);
  });

  test("is cut", () => {
    const ring = new OutputRing(10_000);
    ring.push(bytes(`${"x".repeat(5000)}\n`));
    expect(ring.lastLine()).toBe(`${"x".repeat(300)}…`);
  });
});

describe("a note", () => {
  test("is a line of its own", () => {
    const ring = new OutputRing(1000);
    ring.note("first");
    ring.push(bytes("no break"));
    ring.note("second");
    ring.push(bytes("break\n"));
    ring.note("third");
    expect(ring.text()).toBe("[toolcrib] first\nno break\n[toolcrib] second\nbreak\n[toolcrib] third\n");
    expect(ring.lastLine()).toBe("break");
  });
});

describe("who follows", () => {
  test("hears what comes after, until it leaves, and nothing of before", () => {
    const ring = new OutputRing(1000);
    const [first, second]: [string[], string[]] = [[], []];
    ring.push(bytes("before\n"));
    const leaveFirst = ring.follow((text) => first.push(text));
    const leaveSecond = ring.follow((text) => second.push(text));
    ring.push(bytes("one\n"));
    leaveFirst();
    leaveFirst();
    ring.push(bytes("two\n"));
    leaveSecond();
    ring.push(bytes("three\n"));
    expect(first.join("")).toBe("one\n");
    expect(second.join("")).toBe("one\ntwo\n");
  });

  test("gets whole characters, however they are cut", () => {
    const ring = new OutputRing(1000);
    const heard: string[] = [];
    ring.follow((text) => heard.push(text));
    for (const byte of bytes("é😀と\n")) ring.push(Uint8Array.of(byte));
    expect(heard.join("")).toBe("é😀と\n");
  });
});

describe("secrets", () => {
  const SECRET = "s3cr3t-value";
  const mask = (text: string): string => text.replaceAll(SECRET, "[secret]");

  test("are shown to nobody, however their bytes come", () => {
    const ring = new OutputRing(1000, { mask });
    const heard: string[] = [];
    ring.follow((text) => heard.push(text));
    for (const byte of bytes(`before ${SECRET} after\n`)) ring.push(Uint8Array.of(byte));
    ring.note(`it said ${SECRET}`);
    expect(ring.text()).toBe("before [secret] after\n[toolcrib] it said [secret]\n");
    expect(heard.join("")).toBe(ring.text());
    expect(ring.tail(1000)).toBe(ring.text());
    expect(ring.lastLine()).toBe("before [secret] after");
  });

  test("are shown in part neither where the ring forgot nor where a tail is cut", () => {
    const words = `a ${SECRET} b\n`;
    for (let maxBytes = 1; maxBytes < 60; maxBytes++) {
      const ring = new OutputRing(maxBytes + 20, { mask });
      ring.begin();
      for (let round = 0; round < 10; round++) ring.push(bytes(words));
      for (const shown of [ring.text(), ring.tail(maxBytes)]) {
        // A tail may begin within the mask.
        const rest = shown.replaceAll("[secret]", "").replace(/^[secret]*\]/, "");
        expect(rest).not.toMatch(/s3|cr|r3|3t-|value/);
        expect(shown.length).toBeLessThanOrEqual(maxBytes + 20);
      }
    }
  });

  test("a line that never ends is held for followers up to a bound", () => {
    const ring = new OutputRing(1000, { mask });
    const heard: string[] = [];
    ring.follow((text) => heard.push(text));
    for (let round = 0; round < 100; round++) ring.push(bytes("x".repeat(1024)));
    expect(heard.join("").length).toBeGreaterThan(30_000);
    expect(heard.join("").length).toBeLessThanOrEqual(102_400);
  });
});

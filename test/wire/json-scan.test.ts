// Where values end and members stand: tables of what is broken, and JSON.parse as the judge of what is not.
// The scanner reads hostile text: it must stay inside any bytes, and take linear time.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  decodeString,
  elementRanges,
  findMember,
  NOT_FOUND,
  ObjectScan,
  skipSpace,
  skipValue,
  textOf,
} from "../../src/wire/json-scan.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const slice = (text: string, at: { start: number; end: number } | undefined): string | undefined =>
  at === undefined ? undefined : textOf(bytesOf(text), at.start, at.end);

/** Any JSON value as text, with space between the tokens. */
const jsonText = fc
  .tuple(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(0, 1, 3), fc.constantFrom("\n", "\r\n", "\t"))
  .map(([value, indent, newline]) => JSON.stringify(value, undefined, indent).replaceAll("\n", newline));

describe("skipValue", () => {
  test.each([
    ['"a"', 3],
    ['""', 2],
    ['"\\""', 4],
    ['"\\\\"', 4],
    ['"\\\\\\""', 6],
    ['"\\ud83d\\ude00"', 14],
    ["12", 2],
    ["-1.50e+400", 10],
    ["true", 4],
    ["null", 4],
    ["{}", 2],
    ['{"a":[1,{"b":"}"}]}', 19],
    ["[]", 2],
    ['["]"]', 5],
  ])("%s is %d bytes long, whatever follows", (text, length) => {
    for (const tail of ["", ",", " ", "}", "]", "\n"]) {
      expect(skipValue(bytesOf(text + tail), 0)).toBe(length);
    }
  });

  test.each([
    "",
    " ",
    ",",
    "}",
    "]",
    ":",
    '"',
    '"a',
    '"a\\"',
    '"\\',
    "{",
    "[",
    '{"a":1',
    "[1,",
    '["a]',
    '{"a":"}',
  ])("%p has no end", (text) => expect(skipValue(bytesOf(text), 0)).toBe(NOT_FOUND));

  test("finds the end of a long string with the quote at every place around the change of method", () => {
    for (let length = 50; length < 80; length++) {
      const plain = `"${"x".repeat(length)}"`;
      expect(skipValue(bytesOf(`${plain},"`), 0)).toBe(plain.length);
      const escaped = `"${"x".repeat(length)}\\"${"\\\\".repeat(40)}"`;
      expect(skipValue(bytesOf(`${escaped},"`), 0)).toBe(escaped.length);
      const onlySlashes = `"${"\\\\".repeat(length)}"`;
      expect(skipValue(bytesOf(`${onlySlashes},"`), 0)).toBe(onlySlashes.length);
    }
  });

  test("agrees with JSON.parse on where any value ends", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const bytes = bytesOf(text);
        expect(skipValue(bytes, 0)).toBe(bytes.length);
        expect(skipValue(bytesOf(`${text},1`), 0)).toBe(bytes.length);
      }),
    );
  });

  test("no prefix of an object, array or string has an end", () => {
    fc.assert(
      fc.property(jsonText, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (text, where) => {
        const bytes = bytesOf(text);
        fc.pre(["{", "[", '"'].includes(text.charAt(0)));
        expect(skipValue(bytes.subarray(0, Math.floor(where * bytes.length)), 0)).toBe(NOT_FOUND);
      }),
    );
  });

  test("stays inside any bytes at all", () => {
    const soup = fc.array(fc.constantFrom(...bytesOf('{}[]",:\\ 1a\n'), 0, 0xff), { maxLength: 200 });
    fc.assert(
      fc.property(soup, (values) => {
        const bytes = Uint8Array.from(values);
        const end = skipValue(bytes, 0);
        expect(end === NOT_FOUND || (end > 0 && end <= bytes.length)).toBe(true);
        expect(skipSpace(bytes, 0)).toBeLessThanOrEqual(bytes.length);
        const scan = new ObjectScan(bytes, 0);
        while (scan.next()) expect(scan.valueEnd).toBeLessThanOrEqual(bytes.length);
        expect(scan.failed || scan.end <= bytes.length).toBe(true);
      }),
    );
  });
});

describe("findMember", () => {
  test.each([
    ['{"a":1,"b":2}', "b", "2"],
    ['{ "a" : { "b" : 1 } , "b" : [2] }', "b", "[2]"],
    ['{"a":{"b":1}}', "b", undefined],
    ['{"\\u0062":3}', "b", "3"],
    ['{"b":1,"b":9007199254740993}', "b", "9007199254740993"],
    ['{"é😀":1.0,"b":2}', "b", "2"],
    ['{"c":1,"bb":2,"":3}', "b", undefined],
    [`{"${"k".repeat(50)}":1}`, "k".repeat(50), "1"],
    ["{}", "b", undefined],
    ['["b",1]', "b", undefined],
    ['{"b":1', "b", undefined],
    ['{"b":1,}', "b", undefined],
    ['{"b":1 "c":2}', "b", undefined],
    ['{"b" 1}', "b", undefined],
    ["{b:1}", "b", undefined],
    ['{,"b":1}', "b", undefined],
  ])("in %s of %s: %p", (text, name, wanted) => {
    expect(slice(text, findMember(bytesOf(text), 0, name))).toBe(wanted);
  });

  test("finds what JSON.parse finds", () => {
    const object = fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(object, (value) => {
        const text = JSON.stringify(value);
        for (const key of Object.keys(value)) {
          const found = slice(text, findMember(bytesOf(text), 0, key));
          expect(found).toBe(JSON.stringify(value[key]));
        }
      }),
    );
  });

  test("takes time in proportion to the object, not to its square", () => {
    // A search of the rest for each key would make this 10^11 steps and run into the time limit of the test.
    const bytes = bytesOf(`{"b":1${',"a":1'.repeat(300_000)}}`);
    expect(findMember(bytes, 0, "b")).toEqual({ start: 5, end: 6 });
  });
});

describe("the key of a member", () => {
  /** Each unit plain or escaped, in turn. */
  const spelled = (key: string): string => `{"${key.split("").map(escapeUnit).join("")}":1}`;
  const scanOf = (text: string): ObjectScan => {
    const scan = new ObjectScan(bytesOf(text), 0);
    expect(scan.next()).toBe(true);
    return scan;
  };

  test("is what JSON.parse reads, however it is written", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (key) => {
        fc.pre(key.isWellFormed());
        expect(scanOf(spelled(key)).key()).toBe(key);
      }),
    );
  });

  test("is compared as it is read", () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9/_.-]{1,20}$/);
    fc.assert(
      fc.property(word, fc.oneof(word, fc.string({ maxLength: 30 })), (own, other) => {
        expect(scanOf(spelled(own)).keyIs(own)).toBe(true);
        expect(scanOf(`{"${own}":1}`).keyIs(own)).toBe(true);
        expect(scanOf(spelled(other)).keyIs(own)).toBe(other === own);
        expect(scanOf(`{${JSON.stringify(other)}:1}`).keyIs(own)).toBe(other === own);
      }),
    );
  });
});

describe("elementRanges", () => {
  test.each(["", "{}", "[", "[1", "[1,", "[1 2]", "[,1]", "[1,]", '["]'])("%p is broken", (text) => {
    expect(elementRanges(bytesOf(text), 0)).toBeUndefined();
  });

  test("cuts an array where JSON.parse does", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 2 })), fc.constantFrom(0, 2), (values, indent) => {
        const text = JSON.stringify(values, undefined, indent);
        const bytes = bytesOf(text);
        const ranges = elementRanges(bytes, 0) ?? [];
        const elements = values.map((_, index) =>
          JSON.parse(textOf(bytes, ranges[2 * index] ?? 0, ranges[2 * index + 1] ?? 0)),
        );
        expect(ranges).toHaveLength(2 * values.length);
        expect(JSON.stringify(elements)).toBe(JSON.stringify(values));
      }),
    );
  });
});

describe("decodeString", () => {
  test.each([
    ['"a\\u00e9\\n"', "aé\n"],
    ['"😀"', "😀"],
    ['"\\ud83d\\ude00"', "😀"],
    ["1", undefined],
    ['"\\x"', undefined],
    ['"a\nb"', undefined],
  ])("%s", (text, wanted) => {
    const bytes = bytesOf(text);
    expect(decodeString(bytes, 0, bytes.length)).toBe(wanted);
  });
});

function escapeUnit(unit: string, index: number): string {
  const code = unit.charCodeAt(0);
  const plain = code >= 0x20 && code < 0xd800 && unit !== '"' && unit !== "\\";
  return plain && index % 2 === 0 ? unit : `\\u${code.toString(16).padStart(4, "0")}`;
}

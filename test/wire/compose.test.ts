// Messages put together from slices: bytes in, the same bytes out.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { asciiJson, compose, encodeJson, onOneLine, splice } from "../../src/wire/compose.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test("compose puts text and bytes behind each other and copies them", () => {
  const bytes = bytesOf("é😀");
  const whole = compose('{"a":', bytes, "", new Uint8Array(0), "}");
  bytes.fill(0);
  expect(whole.toString()).toBe('{"a":é😀}');
});

test("compose is concatenation", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.uint8Array(), fc.string({ unit: "binary-ascii" }))), (pieces) => {
      const wanted = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
      expect(compose(...pieces).equals(wanted)).toBe(true);
    }),
  );
});

test("splice replaces one range and leaves the original alone", () => {
  const original = bytesOf('{"progressToken":"mine","x":1.0}');
  expect(splice(original, { start: 17, end: 23 }, "42").toString()).toBe('{"progressToken":42,"x":1.0}');
  expect(splice(original, { start: 0, end: 0 }, bytesOf("é")).toString()).toBe(
    'é{"progressToken":"mine","x":1.0}',
  );
  expect(Buffer.from(original).toString()).toBe('{"progressToken":"mine","x":1.0}');
});

describe("onOneLine", () => {
  test("keeps the value of any JSON, and its bytes where there is nothing to do", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom("\n", "\r", "\r\n"), (value, newline) => {
        const pretty = bytesOf(JSON.stringify(value, undefined, 2).replaceAll("\n", newline));
        const before = Uint8Array.from(pretty);
        const line = onOneLine(pretty);
        expect(line.some((byte) => byte === 0x0a || byte === 0x0d)).toBe(false);
        expect(JSON.stringify(JSON.parse(new TextDecoder().decode(line)))).toBe(JSON.stringify(value));
        expect(pretty).toEqual(before);
      }),
    );
  });

  test("does not copy what is on one line", () => {
    const line = bytesOf('{"a":"\\n"}');
    expect(onOneLine(line)).toBe(line);
  });
});

test("asciiJson is ASCII, on one line, and the same string to JSON.parse", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const json = asciiJson(text);
      expect(json).toMatch(/^[\x20-\x7e]*$/);
      expect(JSON.parse(json)).toBe(text);
    }),
  );
});

test("encodeJson is UTF-8", () => {
  expect(Buffer.from(encodeJson({ a: "é😀" })).toString()).toBe('{"a":"é😀"}');
});

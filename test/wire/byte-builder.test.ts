// Pieces in, one message out: bounded, and never a write into bytes that are somebody else's.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { ByteBuilder } from "../../src/wire/byte-builder.ts";

const MAX_BYTES = 10_000;

test("gives back what was added, over and over", () => {
  const rounds = fc.array(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 4 }), { maxLength: 5 });
  fc.assert(
    fc.property(rounds, (pieceLists) => {
      const builder = new ByteBuilder(20_000);
      for (const pieces of pieceLists) {
        for (const piece of pieces) expect(builder.append(piece)).toBe(true);
        const whole = Buffer.concat(pieces);
        expect(builder.length).toBe(whole.length);
        expect(whole.equals(builder.take())).toBe(true);
        expect(builder.length).toBe(0);
      }
    }),
  );
});

test("refuses what is over the bound and keeps what it has", () => {
  const builder = new ByteBuilder(MAX_BYTES);
  expect(builder.append(new Uint8Array(MAX_BYTES + 1))).toBe(false);
  expect(builder.append(new Uint8Array(MAX_BYTES).fill(1))).toBe(true);
  expect(builder.append(Uint8Array.of(2))).toBe(false);
  expect(builder.append(new Uint8Array(0))).toBe(true);
  expect(builder.take()).toEqual(new Uint8Array(MAX_BYTES).fill(1));
});

test("does not copy a single piece, and never writes to a piece or to what was taken", () => {
  const builder = new ByteBuilder(MAX_BYTES);
  const first = Uint8Array.of(1, 2, 3);
  builder.append(first);
  const taken = builder.take();
  expect(taken.buffer).toBe(first.buffer);
  builder.append(first);
  builder.append(Uint8Array.of(9));
  const both = builder.take();
  builder.append(Uint8Array.of(7));
  builder.append(Uint8Array.of(7));
  expect(first).toEqual(Uint8Array.of(1, 2, 3));
  expect(taken).toEqual(Uint8Array.of(1, 2, 3));
  expect(both).toEqual(Uint8Array.of(1, 2, 3, 9));
});

test("clear forgets", () => {
  const builder = new ByteBuilder(MAX_BYTES);
  builder.append(Uint8Array.of(1));
  builder.append(Uint8Array.of(2));
  builder.clear();
  expect(builder.length).toBe(0);
  builder.append(Uint8Array.of(3));
  expect(builder.take()).toEqual(Uint8Array.of(3));
});

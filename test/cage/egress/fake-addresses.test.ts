// Stand-ins: one for each name, for as long as anybody uses it.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { FakeAddresses } from "../../../src/cage/egress/fake-addresses.ts";

const BASE = 198 * 2 ** 24 + 18 * 2 ** 16;

test("a name keeps its address, and the address its name", () => {
  const fakes = new FakeAddresses();
  expect(fakes.addressOf("a.test")).toBe("28.0.0.1");
  expect(fakes.addressOf("b.test")).toBe("28.0.0.2");
  expect(fakes.addressOf("a.test")).toBe("28.0.0.1");
  expect(fakes.nameOf("28.0.0.2")).toBe("b.test");
  expect(fakes.nameOf("28.0.0.3")).toBeUndefined();
});

test("covers its range and nothing else", () => {
  const fakes = new FakeAddresses();
  for (const address of ["28.0.0.0", "28.0.0.1", "28.1.255.255"]) expect(fakes.covers(address)).toBe(true);
  for (const address of ["27.255.255.255", "28.2.0.0", "1.1.1.1", "::1", "2001:db8::1"]) {
    expect(fakes.covers(address)).toBe(false);
  }
});

test("the name that was not used for the longest gives way, and its address stays away", () => {
  const fakes = new FakeAddresses({ maxNames: 2 });
  const a = fakes.addressOf("a.test");
  const b = fakes.addressOf("b.test");
  fakes.addressOf("a.test");
  const c = fakes.addressOf("c.test");
  expect(fakes.nameOf(b)).toBeUndefined();
  expect(fakes.nameOf(a)).toBe("a.test");
  expect([a, b]).not.toContain(c);
  expect(fakes.addressOf("b.test")).not.toBe(b);
});

test("a name with connections does not give way", () => {
  const fakes = new FakeAddresses({ maxNames: 2 });
  const a = fakes.addressOf("a.test");
  const [first, second] = [fakes.hold("a.test"), fakes.hold("a.test")];
  for (let index = 0; index < 10; index++) fakes.addressOf(`x${index}.test`);
  expect(fakes.nameOf(a)).toBe("a.test");
  first();
  // A second time it means nothing.
  first();
  for (let index = 0; index < 10; index++) fakes.addressOf(`y${index}.test`);
  expect(fakes.nameOf(a)).toBe("a.test");
  second();
  for (let index = 0; index < 10; index++) fakes.addressOf(`z${index}.test`);
  expect(fakes.nameOf(a)).toBeUndefined();
});

test("to hold what has no address does nothing", () => {
  expect(() => new FakeAddresses().hold("a.test")()).not.toThrow();
});

test("thousands of names stay within the bound, and a small range is used again", () => {
  const fakes = new FakeAddresses({ maxNames: 8, size: 10 });
  const held = fakes.addressOf("held.test");
  fakes.hold("held.test");
  const seen = new Set<string>();
  for (let index = 0; index < 1000; index++) {
    const address = fakes.addressOf(`n${index}.test`);
    expect(address).not.toBe(held);
    seen.add(address);
  }
  expect(seen.size).toBe(9);
});

test("whatever is asked, two names never share an address and a connection never loses its name", () => {
  const step = fc.tuple(fc.nat(30), fc.constantFrom("ask", "hold", "release"));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const fakes = new FakeAddresses({ maxNames: 5, base: BASE, size: 40 });
      const held = new Map<string, { readonly address: string; readonly releases: (() => void)[] }>();
      for (const [number, action] of steps) {
        const name = `n${number}.test`;
        if (action === "release") {
          held.get(name)?.releases.pop()?.();
          if (held.get(name)?.releases.length === 0) held.delete(name);
          continue;
        }
        const address = fakes.addressOf(name);
        expect(fakes.nameOf(address)).toBe(name);
        expect(fakes.covers(address)).toBe(true);
        if (action === "ask" || held.size >= 5) continue;
        const holding = held.get(name) ?? { address, releases: [] };
        holding.releases.push(fakes.hold(name));
        held.set(name, holding);
      }
      for (const [name, { address }] of held) expect(fakes.nameOf(address)).toBe(name);
    }),
  );
});

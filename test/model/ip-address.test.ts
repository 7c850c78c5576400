// Addresses as text and as bytes.

import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import * as fc from "fast-check";
import { ipAddress, ipBytes } from "../../src/model/ip-address.ts";

describe("ipAddress", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::FFFF:7f00:1", "127.0.0.1"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["0:0:0:0:0:ffff:127.0.0.1", "127.0.0.1"],
    ["::127.0.0.1", "::7f00:1"],
    // What new URL() of Bun 1.4.5 throws for.
    ["::2:3:4:5:1.2.3.4", "::2:3:4:5:102:304"],
    ["::0:0:0:0:0.0.0.0", "::"],
    ["2001:0DB8::0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1::", "1::"],
    ["::1", "::1"],
    ["::", "::"],
    ["fe80::1%eth0", undefined],
    ["127.1", undefined],
    ["127.0.0.01", undefined],
    ["[::1]", undefined],
    ["::1/128", undefined],
    ["1:2:3:4:5:6:7", undefined],
    ["1:2:3:4:5:6:7:8:9", undefined],
    ["", undefined],
  ])("%s", (text, address) => expect(ipAddress(text)).toBe(address));
});

test("the short form has the same bytes, and is its own short form", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const short = ipAddress(text);
      if (short === undefined) throw new Error("is no address");
      expect(ipAddress(short)).toBe(short);
      const bytes = ipBytes(text);
      expect(bytes).toHaveLength(text.includes(":") ? 16 : 4);
      expect(ipBytes(short)?.slice(-4)).toEqual(bytes?.slice(-4));
      if (short.includes(":")) expect(ipBytes(short)).toEqual(bytes);
    }),
    { numRuns: 500 },
  );
});

test("bytes make an address again", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const groups = Array.from({ length: 8 }, (_, index) => bytes.slice(2 * index, 2 * index + 2).toHex());
      expect(ipBytes(groups.join(":"))).toEqual(bytes);
    }),
  );
});

test("any text is an address exactly where the platform says so", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:.]{0,45}$/)), (text) => {
      expect(ipBytes(text) !== undefined).toBe(isIP(text) > 0 && !text.includes("%"));
    }),
    { numRuns: 2000 },
  );
});

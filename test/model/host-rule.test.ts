// Rules as text: what is one, what it means, and that whatever is compared with one is read the same way.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import * as v from "valibot";
import { hostName, HostRuleText, hostRuleText, parseHostRule } from "../../src/model/host-rule.ts";

const LABEL_63 = "a".repeat(63);
const NAME_253 = [LABEL_63, LABEL_63, LABEL_63, "a".repeat(61)].join(".");

describe("a rule", () => {
  const cases: readonly [text: string, canonical: string, kind: string][] = [
    ["api.example.com:443", "api.example.com:443", "name"],
    ["API.Example.COM.:443", "api.example.com:443", "name"],
    ["localhost:5432", "localhost:5432", "name"],
    ["_dmarc.my_host.example:1", "_dmarc.my_host.example:1", "name"],
    ["xn--bcher-kva.example:65535", "xn--bcher-kva.example:65535", "name"],
    ["1.2.3.4.example:80", "1.2.3.4.example:80", "name"],
    ["0x7f.example:80", "0x7f.example:80", "name"],
    [`${NAME_253}:443`, `${NAME_253}:443`, "name"],
    ["*.example.com:443", "*.example.com:443", "wildcard"],
    ["*.Internal.:8080", "*.internal:8080", "wildcard"],
    ["10.0.0.7:5432", "10.0.0.7:5432", "address"],
    ["10.0.0.7.:5432", "10.0.0.7:5432", "address"],
    ["[2001:DB8:0:0::1]:443", "[2001:db8::1]:443", "address"],
    ["[0:0:0:0:0:0:0:1]:22", "[::1]:22", "address"],
    ["[::ffff:10.0.0.7]:5432", "10.0.0.7:5432", "address"],
    ["[0:0:0:0:0:FFFF:0a00:0007]:5432", "10.0.0.7:5432", "address"],
  ];
  test.each(cases)("%s", (text, canonical, kind) => {
    const rule = parseHostRule(text);
    expect(rule?.kind as string | undefined).toBe(kind);
    expect(rule === undefined ? undefined : hostRuleText(rule)).toBe(canonical);
    expect(v.is(HostRuleText, text)).toBe(true);
  });
});

describe("no rule", () => {
  const texts: readonly string[] = [
    "",
    "example.com",
    ":443",
    "example.com:",
    "example.com:0",
    "example.com:0443",
    "example.com:65536",
    "example.com:123456",
    "example.com:-1",
    "example.com: 443",
    "example.com:443 ",
    "example.com:443\n",
    "exa mple.com:443",
    "https://example.com:443",
    "user@example.com:443",
    "example.com/path:443",
    "example..com:443",
    ".example.com:443",
    "example.com..:443",
    "-a.example:443",
    "a-.example:443",
    "bücher.example:443",
    "ex%61mple.com:443",
    "a\0.example:443",
    `${LABEL_63}a.example:443`,
    `${NAME_253}a:443`,
    `${"a.".repeat(127)}aa:443`,
    "*:443",
    "*.:443",
    "**.example.com:443",
    "a.*.example.com:443",
    "*example.com:443",
    "*.10.0.0.7:443",
    "*.[::1]:443",
    // What some resolvers take for an address.
    "127.1:80",
    "2130706433:80",
    "0x7f000001:80",
    "0x7f.1:80",
    "127.0.0.0x1:80",
    "127.0.0.01:80",
    "1.2.3.4.5:80",
    "256.1.1.1:80",
    "::1:80",
    "[::1]",
    "[::1:80",
    "[fe80::1%eth0]:80",
    "[1::2::3]:80",
    "[10.0.0.1]:80",
    "[example.com]:80",
  ];
  test.each(texts)("%j", (text) => {
    expect(parseHostRule(text)).toBeUndefined();
    expect(v.is(HostRuleText, text)).toBe(false);
  });
});

test("what is written as text is read as the same rule", () => {
  const label = fc.stringMatching(/^[a-z_]([a-z0-9_-]{0,10}[a-z0-9_])?$/);
  const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
  const host = fc.oneof(
    name,
    name.map((text) => `*.${text}`),
    fc.ipV4(),
    fc.ipV6().map((text) => `[${text}]`),
  );
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), (text, port) => {
      const rule = parseHostRule(`${text}:${port}`);
      if (rule === undefined) throw new Error("is no rule");
      expect(rule.port).toBe(port);
      expect(parseHostRule(hostRuleText(rule))).toEqual(rule);
      expect(hostRuleText(rule)).toBe(hostRuleText(rule).toLowerCase());
    }),
  );
});

test("any text is a rule or none, and never an error", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-f0-9.:[\]*x]{0,40}:[0-9]{0,6}$/)),
      (text) => {
        const rule = parseHostRule(text);
        if (rule !== undefined) expect(parseHostRule(hostRuleText(rule))).toEqual(rule);
      },
    ),
    { numRuns: 1000 },
  );
});

describe("hostName", () => {
  test.each([
    ["Example.COM.", "example.com"],
    ["10.0.0.1", undefined],
    ["example.com..", undefined],
    ["", undefined],
    [".", undefined],
    [`${NAME_253}.`, NAME_253],
    [`${NAME_253}a`, undefined],
  ])("%j", (text, name) => expect(hostName(text)).toBe(name));
});

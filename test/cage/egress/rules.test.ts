// Which rule lets a connection through.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { ruleBook } from "../../../src/cage/egress/rules.ts";
import { type HostRule, hostRuleText, parseHostRule } from "../../../src/model/host-rule.ts";

const RULES = [
  "api.example.com:443",
  "api.example.com:8443",
  "*.example.com:443",
  "*.eu.example.com:443",
  "*.example.com:80",
  "db.internal:5432",
  "10.0.0.7:5432",
  "[2001:db8::7]:443",
];
const book = ruleBook(RULES.map(rule));

describe("a name", () => {
  const cases: readonly [name: string, port: number, rule: string | undefined][] = [
    ["api.example.com", 443, "api.example.com:443"],
    ["api.example.com", 8443, "api.example.com:8443"],
    ["api.example.com", 80, "*.example.com:80"],
    ["api.example.com", 22, undefined],
    ["www.example.com", 443, "*.example.com:443"],
    ["a.b.c.example.com", 443, "*.example.com:443"],
    ["a.eu.example.com", 443, "*.eu.example.com:443"],
    ["eu.example.com", 443, "*.example.com:443"],
    ["a.eu.example.com", 80, "*.example.com:80"],
    // A wildcard is not the name below which it stands, and no end of a word.
    ["example.com", 443, undefined],
    ["badexample.com", 443, undefined],
    ["example.com.evil.test", 443, undefined],
    ["com", 443, undefined],
    ["db.internal", 5432, "db.internal:5432"],
    ["x.db.internal", 5432, undefined],
    // A name that looks like an address is still none.
    ["10.0.0.7", 5432, undefined],
  ];
  test.each(cases)("%s port %d", (name, port, wanted) => {
    const found = book.forName(name, port);
    expect(found === undefined ? undefined : hostRuleText(found)).toBe(wanted);
  });
});

test("an address is matched by its own rule alone", () => {
  expect(book.forAddress("10.0.0.7", 5432)?.kind).toBe("address");
  expect(book.forAddress("2001:db8::7", 443)?.kind).toBe("address");
  expect(book.forAddress("10.0.0.7", 443)).toBeUndefined();
  expect(book.forAddress("10.0.0.8", 5432)).toBeUndefined();
  expect(book.forAddress("db.internal", 5432)).toBeUndefined();
});

test("knows names on whatever port", () => {
  expect(book.knows("db.internal")).toBe(true);
  expect(book.knows("new.example.com")).toBe(true);
  expect(book.knows("example.com")).toBe(false);
  expect(book.knows("10.0.0.7")).toBe(false);
});

test("tells the ports", () => {
  expect(book.ports).toEqual([80, 443, 5432, 8443]);
  expect(book.portsOf("api.example.com")).toEqual([443, 8443, 80]);
  expect(book.portsOf("10.0.0.7")).toEqual([5432]);
  expect(book.portsOf("example.org")).toEqual([]);
});

test("without rules nothing matches", () => {
  const empty = ruleBook([]);
  expect(empty.ports).toEqual([]);
  expect(empty.knows("a.b")).toBe(false);
  expect(empty.forName("a.b", 443)).toBeUndefined();
});

test("matches exactly what a plain comparison does", () => {
  const label = fc.constantFrom("a", "b", "c");
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
  const rules = fc.array(
    fc.record({
      host: name,
      kind: fc.constantFrom<HostRule["kind"]>("name", "wildcard"),
      port: fc.constantFrom<number>(80, 443),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(rules, name, fc.constantFrom(80, 443), (all, asked, port) => {
      const fits = ({ host, kind }: HostRule): boolean =>
        kind === "name" ? asked === host : asked.endsWith(`.${host}`);
      const found = ruleBook(all).forName(asked, port);
      const matching = all.filter((one) => one.port === port && fits(one));
      expect(found !== undefined).toBe(matching.length > 0);
      if (found !== undefined) expect(matching).toContain(found);
      if (matching.some(({ kind }) => kind === "name")) expect(found?.kind).toBe("name");
      expect(ruleBook(all).knows(asked)).toBe(all.some(fits));
    }),
  );
});

function rule(text: string): HostRule {
  const parsed = parseHostRule(text);
  if (parsed === undefined) throw new Error(`not a rule: ${text}`);
  return parsed;
}

// Whether a destination is let through, and the words when it is not.

import { describe, expect, test } from "bun:test";
import { addressKind } from "../../../src/cage/egress/addresses.ts";
import { type Destination, judge, type Judgement } from "../../../src/cage/egress/destination.ts";
import { ruleBook } from "../../../src/cage/egress/rules.ts";
import { hostRule } from "./stand-in.ts";

const book = ruleBook(
  ["api.example.com:443", "*.example.com:443", "10.0.0.7:5432", "localhost:6379", "[2001:db8::7]:443"].map(
    hostRule,
  ),
);
const kindOf = (address: string): ReturnType<typeof addressKind> =>
  addressKind(address, new Set(["8.8.4.4"]));

function destination(host: string, port: number): Destination {
  return { host, port, kind: /^[\d.]+$|:/.test(host) ? "address" : "name" };
}
function judged(host: string, port: number, learn = false): Judgement {
  return judge(destination(host, port), book, learn, kindOf);
}

describe("let through", () => {
  const cases: readonly [host: string, port: number, rule: string, literal: boolean][] = [
    ["api.example.com", 443, "api.example.com:443", true],
    ["www.example.com", 443, "*.example.com:443", false],
    ["10.0.0.7", 5432, "10.0.0.7:5432", true],
    ["2001:db8::7", 443, "[2001:db8::7]:443", true],
    ["localhost", 6379, "localhost:6379", true],
  ];
  test.each(cases)("%s port %d", (host, port, rule, literal) => {
    const permission = { destination: destination(host, port), rule, literal, learned: false };
    expect(judged(host, port)).toEqual({ permission });
    // A rule counts for what it is while learning as well.
    expect(judged(host, port, true)).toEqual({ permission });
  });

  test("the loopback address, by the rule for its name", () => {
    expect(judged("127.0.0.1", 6379)).toEqual({
      permission: {
        destination: destination("localhost", 6379),
        rule: "localhost:6379",
        literal: true,
        learned: false,
      },
    });
  });
});

describe("refused", () => {
  const metadata =
    "a cloud metadata address, which hands out credentials, and only a grant of that address itself opens it";
  const cases: readonly [host: string, port: number, reason: string, grant: string | undefined][] = [
    ["example.com", 443, "no grant covers this name", "example.com:443"],
    ["api.example.com", 80, "granted on port 443 only", "api.example.com:80"],
    ["10.0.0.8", 5432, "no grant names this address", "10.0.0.8:5432"],
    ["10.0.0.7", 80, "granted on port 5432 only", "10.0.0.7:80"],
    ["2001:db8::8", 443, "no grant names this address", "[2001:db8::8]:443"],
    ["127.0.0.1", 22, "no grant names this address", "127.0.0.1:22"],
    ["127.0.0.2", 6379, "no grant names this address", "127.0.0.2:6379"],
    ["169.254.169.254", 80, metadata, undefined],
    ["fd00:ec2::254", 80, metadata, undefined],
  ];
  test.each(cases)("%s port %d", (host, port, reason, grant) => {
    expect(judged(host, port)).toEqual({ refusal: { reason, grant } });
  });
});

describe("while learning", () => {
  test("every name and every public address is let through, as what its grant would be", () => {
    for (const [host, rule] of [
      ["new.test", "new.test:22"],
      ["1.1.1.1", "1.1.1.1:22"],
      ["2606:4700::1", "[2606:4700::1]:22"],
    ] as const) {
      const permission = { destination: destination(host, 22), rule, literal: false, learned: true };
      expect(judged(host, 22, true)).toEqual({ permission });
    }
  });

  const kept: readonly [host: string, words: string, grant: string | undefined][] = [
    [
      "10.0.0.8",
      "an address of a private network, and only a grant of 10.0.0.8 itself opens it",
      "10.0.0.8:22",
    ],
    ["127.0.0.1", "a loopback address, and only a grant of 127.0.0.1 itself opens it", "127.0.0.1:22"],
    ["8.8.4.4", "an address of this host, and only a grant of 8.8.4.4 itself opens it", "8.8.4.4:22"],
    [
      "169.254.0.1",
      "a link-local address, and only a grant of 169.254.0.1 itself opens it",
      "169.254.0.1:22",
    ],
    [
      "100.100.100.200",
      "a cloud metadata address, which hands out credentials, and only a grant of that address itself opens it",
      undefined,
    ],
  ];
  test.each(kept)("%s is not", (host, reason, grant) => {
    expect(judged(host, 22, true)).toEqual({ refusal: { reason, grant } });
  });
});

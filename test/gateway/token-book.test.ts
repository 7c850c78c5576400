// Tokens in memory: who presents one, until when, and what nobody learns from a wrong one.

import { describe, expect, test } from "bun:test";
import { mayUseServer } from "../../src/gateway/policy.ts";
import { hashToken, newToken, TokenBook } from "../../src/gateway/token-book.ts";
import type { TokenRecord } from "../../src/model/token.ts";

function record(token: string, more: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id: `id of ${more.name ?? "ci"}`,
    name: "ci",
    hash: hashToken(token),
    servers: undefined,
    createdAt: 0,
    expiresAt: undefined,
    lastUsedAt: undefined,
    ...more,
  };
}

function open(...records: readonly TokenRecord[]): { book: TokenBook; clock: { now: number } } {
  const clock = { now: 1_000 };
  const book = new TokenBook(() => clock.now);
  book.replace(records);
  return { book, clock };
}

describe("a token", () => {
  test("has 256 random bits, and its hash does not have it", () => {
    const tokens = Array.from({ length: 200 }, newToken);
    expect(new Set(tokens).size).toBe(200);
    for (const token of tokens) {
      expect(token).toMatch(/^tc_[A-Za-z0-9_-]{43}$/);
      expect(Buffer.from(token.slice(3), "base64url")).toHaveLength(32);
      expect(hashToken(token)).toMatch(/^[A-Za-z0-9_-]{43}$/);
      expect(hashToken(token)).not.toContain(token.slice(3, 10));
    }
    // SHA-256("abc"), base64url.
    expect(hashToken("abc")).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  });

  test("says who presents it, with its servers in one order", () => {
    const token = newToken();
    const { book } = open(record(token, { servers: ["b", "a"] }));
    expect(book.caller(token)).toEqual({ id: "id of ci", name: "ci", servers: ["a", "b"] });
    expect(book.callerNamed("ci")).toEqual(book.caller(token));
    expect(book.callerNamed("other")).toBeUndefined();
  });

  test("that is not the very one is nobody's", () => {
    const token = newToken();
    const { book } = open(record(token));
    for (const wrong of [
      "",
      "tc_",
      newToken(),
      token.slice(0, -1),
      `${token}A`,
      ` ${token}`,
      token.replace("tc_", "TC_"),
      token.slice(3),
      hashToken(token),
      `tc_${hashToken(token)}`,
      `tc_${"é".repeat(43)}`,
      "x".repeat(1_000_000),
    ]) {
      expect(book.caller(wrong)).toBeUndefined();
    }
    expect(book.takeUsed().size).toBe(0);
  });

  test("expires at its time", () => {
    const token = newToken();
    const { book, clock } = open(record(token, { expiresAt: 2_000 }));
    clock.now = 1_999;
    expect(book.caller(token)).toBeDefined();
    clock.now = 2_000;
    expect(book.caller(token)).toBeUndefined();
  });

  test("whose time is over is named, so that what it opened can end", () => {
    const { book, clock } = open(
      record(newToken(), { expiresAt: 2_000 }),
      record(newToken(), { name: "other", expiresAt: 3_000 }),
      record(newToken(), { name: "forever" }),
    );
    expect(book.expired()).toEqual([]);
    clock.now = 2_000;
    expect(book.expired()).toEqual(["id of ci"]);
    clock.now = 9_000;
    expect(book.expired()).toEqual(["id of ci", "id of other"]);
  });

  test("that is revoked is nobody's at once", () => {
    const [first, second] = [newToken(), newToken()];
    const { book } = open(record(first), record(second, { name: "other" }));
    book.replace([record(second, { name: "other" })]);
    expect(book.caller(first)).toBeUndefined();
    expect(book.caller(second)?.name).toBe("other");
  });
});

test("last uses are handed out once, the latest of each", () => {
  const [first, second] = [newToken(), newToken()];
  const { book, clock } = open(record(first), record(second, { name: "other" }));
  book.caller(first);
  clock.now = 1_500;
  book.caller(first);
  book.caller(second);
  expect([...book.takeUsed()]).toEqual([
    ["id of ci", 1_500],
    ["id of other", 1_500],
  ]);
  expect(book.takeUsed().size).toBe(0);
  book.caller(first);
  expect(book.takeUsed().size).toBe(1);
});

test("last uses that could not be saved are handed out again, later ones instead of earlier ones", () => {
  const [first, second] = [newToken(), newToken()];
  const { book, clock } = open(record(first), record(second, { name: "other" }));
  book.caller(first);
  book.caller(second);
  const used = book.takeUsed();
  clock.now = 1_500;
  book.caller(second);
  book.putBack(used);
  expect(Object.fromEntries(book.takeUsed())).toEqual({ "id of ci": 1_000, "id of other": 1_500 });
});

describe("a server may be used", () => {
  test.each([
    [undefined, "a", true],
    [["a", "b"], "a", true],
    [["a", "b"], "c", false],
    [["a"], "A", false],
    [["a"], "", false],
    [[], "a", false],
  ] as const)("with servers %p: %s → %p", (servers, server, allowed) => {
    const decision = mayUseServer({ id: "1", name: "ci", servers }, server);
    expect(decision.allowed).toBe(allowed);
    if (!decision.allowed) expect(decision.reason).toContain('"ci"');
  });
});

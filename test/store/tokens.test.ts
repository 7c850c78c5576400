import { expect, test } from "bun:test";
import { failure, place, token } from "./fixture.ts";

test("what was written is read again, by name, also after a restart", () => {
  using at = place();
  const store = at.open();
  const all = [
    token("a"),
    token("b", { servers: ["files", "fetch"], expiresAt: 2000, lastUsedAt: 1500 }),
    token("c", { servers: [] }),
  ];
  for (const each of all.toReversed()) store.insertToken(each);
  expect(store.listTokens()).toEqual(all);
  store.close();
  expect(at.open().listTokens()).toEqual(all);
});

test("a name, a hash and an id are used once", () => {
  using at = place();
  const store = at.open();
  store.insertToken(token("a"));
  for (const taken of [
    token("a", { id: "other", hash: "x".repeat(43) }),
    token("b", { hash: token("a").hash }),
    token("b", { id: token("a").id }),
  ]) {
    expect(failure(() => store.insertToken(taken))).toMatchObject({ code: "conflict" });
  }
  expect(store.listTokens()).toEqual([token("a")]);
});

test("only the one that was named is removed", () => {
  using at = place();
  const store = at.open();
  store.insertToken(token("a"));
  store.insertToken(token("b"));
  store.deleteToken("id-a");
  expect(store.listTokens()).toEqual([token("b")]);
  expect(failure(() => store.deleteToken("id-a"))).toMatchObject({ code: "not-found" });
  expect(failure(() => store.deleteToken("b"))).toMatchObject({ code: "not-found" });
});

test("last use only goes on, and unknown ids are passed over", () => {
  using at = place();
  const store = at.open();
  store.insertToken(token("a"));
  store.insertToken(token("b", { lastUsedAt: 3000 }));
  store.touchTokens(new Map());
  store.touchTokens(
    new Map([
      ["id-a", 2000],
      ["id-b", 2500],
      ["id-gone", 9],
    ]),
  );
  expect(store.listTokens().map(({ lastUsedAt }) => lastUsedAt)).toEqual([2000, 3000]);
  expect(at.sql("SELECT count(*) AS n FROM tokens")).toEqual([{ n: 2 }]);
});

test("a damaged row is refused, and not shown", () => {
  using at = place();
  const store = at.open();
  store.insertToken(token("a"));
  at.sql("UPDATE tokens SET hash = 'tiny'");
  const error = failure(() => store.listTokens());
  expect(error).toMatchObject({ code: "bad-configuration" });
  expect(error.message).not.toContain("tiny");
});

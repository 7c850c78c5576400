import { expect, test } from "bun:test";
import { CHANGE, failure, place, server, token } from "./fixture.ts";

test("a change and its row are one", () => {
  using at = place();
  const store = at.open();
  const revision = store.transaction(() => {
    store.insertServer(server("files"));
    return store.recordChange(CHANGE);
  });
  expect(revision).toBe(1);
  expect(at.sql("SELECT * FROM changes")).toEqual([{ ...CHANGE, detail: '{"a":[1]}', revision: 1 }]);
});

test("what throws leaves nothing behind; a committed number is never used again", () => {
  using at = place();
  const store = at.open();
  store.insertServer(server("a"));
  const act = () =>
    store.transaction(() => {
      store.recordChange(CHANGE);
      store.insertToken(token("t"));
      store.deleteServer("a");
      store.insertServer(server("b"));
      throw new Error("half way");
    });
  expect(act).toThrow("half way");
  expect(store.listServers()).toEqual([server("a")]);
  expect(store.listTokens()).toEqual([]);
  expect(at.sql("SELECT * FROM changes")).toEqual([]);

  expect(store.recordChange(CHANGE)).toBe(1);
  at.sql("DELETE FROM changes");
  expect(store.recordChange(CHANGE)).toBe(2);
});

test("an expected failure inside keeps its code", () => {
  using at = place();
  const store = at.open();
  const error = failure(() =>
    store.transaction(() => {
      store.recordChange(CHANGE);
      store.deleteServer("a");
    }),
  );
  expect(error.code).toBe("not-found");
  expect(at.sql("SELECT * FROM changes")).toEqual([]);
});

test("nested transactions end with the outer one", () => {
  using at = place();
  const store = at.open();
  const act = () =>
    store.transaction(() => {
      store.transaction(() => store.insertServer(server("a")));
      store.insertToken(token("t"));
      store.touchTokens(new Map([["id-t", 5]]));
      throw new Error("outer");
    });
  expect(act).toThrow("outer");
  expect(store.listServers()).toEqual([]);
  expect(store.listTokens()).toEqual([]);
});

import { expect, test } from "bun:test";
import { offer, place, server } from "./fixture.ts";

test("bytes come back as they were, also after a restart", () => {
  using at = place();
  const store = at.open({ now: () => 4242 });
  const tools = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256);
  const first = offer({ tools, instructions: "read ü me" });
  store.insertServer(server("a"));
  store.insertServer(server("b"));
  store.saveOffer("a", server("a").specHash, first);
  store.saveOffer("b", server("b").specHash, offer());
  const expected = new Map([
    ["a", first],
    ["b", offer()],
  ]);
  expect(store.loadOffers()).toEqual(expected);
  expect(at.sql("SELECT DISTINCT read_at FROM offers")).toEqual([{ read_at: 4242 }]);
  store.close();
  expect(at.open().loadOffers()).toEqual(expected);
});

test("the last offer counts", () => {
  using at = place();
  const store = at.open();
  store.insertServer(server("a"));
  store.saveOffer("a", server("a").specHash, offer({ instructions: "old" }));
  store.saveOffer("a", server("a").specHash, offer({ instructions: "new" }));
  expect(store.loadOffers().get("a")?.instructions).toBe("new");
});

test("what another specification offered is neither saved nor shown", () => {
  using at = place();
  const store = at.open();
  const other = "0".repeat(64);
  store.insertServer(server("a"));
  store.saveOffer("a", other, offer());
  store.saveOffer("gone", server("a").specHash, offer());
  expect(store.loadOffers()).toEqual(new Map());
  expect(at.sql("SELECT server FROM offers")).toEqual([]);

  store.saveOffer("a", server("a").specHash, offer());
  store.updateServer(server("a", { specHash: other }));
  expect(store.loadOffers()).toEqual(new Map());
  store.updateServer(server("a", { enabled: false }));
  expect([...store.loadOffers().keys()]).toEqual(["a"]);
});

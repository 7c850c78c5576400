import { describe, expect, test } from "bun:test";
import { failure, offer, place, server } from "./fixture.ts";

const pinned = {
  ecosystem: "npm",
  name: "@scope/server",
  version: "1.2.3",
  integrity: "sha512-x",
  directory: "npm/x",
  entry: "dist/index.js",
} as const;

test("what was written is read again, by name, also after a restart", () => {
  using at = place();
  const store = at.open();
  const remote = server("b", {
    spec: { kind: "http", url: "https://example.com/mcp", headers: { "X-Key": "v" }, extra: {} },
    enabled: false,
  });
  const all = [server("a"), remote, server("c", { package: pinned })];
  for (const each of all.toReversed()) store.insertServer(each);
  expect(store.listServers()).toEqual(all);
  store.close();
  expect(at.open().listServers()).toEqual(all);
});

test("an update changes everything but the name, and no other server", () => {
  using at = place();
  const store = at.open();
  store.insertServer(server("a"));
  store.insertServer(server("b"));
  const next = server("a", { package: pinned, enabled: false, specHash: "0".repeat(64), createdAt: 2000 });
  store.updateServer(next);
  expect(store.listServers()).toEqual([next, server("b")]);
  store.setServerEnabled("a", true);
  expect(store.listServers()).toEqual([{ ...next, enabled: true }, server("b")]);
});

test("a removed server takes what is known of its lists along", () => {
  using at = place();
  const store = at.open();
  store.insertServer(server("a"));
  store.saveOffer("a", server("a").specHash, offer());
  store.deleteServer("a");
  expect(store.listServers()).toEqual([]);
  expect(at.sql("SELECT server FROM offers")).toEqual([]);
});

describe("refused", () => {
  const rows: [string, (store: ReturnType<ReturnType<typeof place>["open"]>) => void, string, string][] = [
    [
      "a name that is taken",
      (store) => store.insertServer(server("a", { enabled: false })),
      "conflict",
      "There is a server a already.",
    ],
    [
      "an update of nothing",
      (store) => store.updateServer(server("b")),
      "not-found",
      'There is no server "b".',
    ],
    ["a removal of nothing", (store) => store.deleteServer("b"), "not-found", 'There is no server "b".'],
    [
      "a switch of nothing",
      (store) => store.setServerEnabled("b", false),
      "not-found",
      'There is no server "b".',
    ],
  ];
  test.each(rows)("%s", (_, act, code, message) => {
    using at = place();
    const store = at.open();
    store.insertServer(server("a"));
    expect(failure(() => act(store))).toMatchObject({ code, message });
    expect(store.listServers()).toEqual([server("a")]);
  });
});

describe("a row that cannot be understood is named, and not shown", () => {
  const rows: [string, string, string][] = [
    ["no JSON", `spec = '{"env":{"KEY":"hunter2"'`, "spec"],
    ["an unknown kind", `spec = '{"kind":"hunter2"}'`, "spec.kind"],
    ["a wrong value inside", `spec = json_set(spec, '$.env.KEY', 5)`, "spec.env.KEY"],
    ["an unknown key", `spec = json_set(spec, '$.hunter2', 5)`, "spec.hunter2"],
    ["a wrong package", `package = '{"ecosystem":"hunter2"}'`, "package."],
    ["a wrong hash", `spec_hash = 'hunter2'`, "spec_hash"],
    ["a wrong time", "created_at = -1", "created_at"],
  ];
  test.each(rows)("%s", (_, assignment, column) => {
    using at = place();
    const store = at.open();
    store.insertServer(server("a"));
    store.insertServer(server("b"));
    at.sql(`UPDATE servers SET ${assignment} WHERE name = 'b'`);
    const error = failure(() => store.listServers());
    expect(error).toMatchObject({ code: "bad-configuration", exitCode: 78 });
    expect(error.message).toStartWith(`In ${at.path}, the server "b" cannot be understood (at ${column}`);
    expect(JSON.stringify(error.details)).not.toContain('"hunter2"');
  });
});

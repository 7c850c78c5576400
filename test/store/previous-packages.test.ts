import { expect, test } from "bun:test";
import type { PinnedPackage } from "../../src/model/server-spec.ts";
import type { PreviousPackage } from "../../src/store/previous-packages.ts";
import { failure, place, server } from "./fixture.ts";

const PINNED: PinnedPackage = {
  ecosystem: "npm",
  name: "@acme/tool",
  version: "1.0.0",
  integrity: "sha512-x",
  directory: "npm/@acme+tool@1.0.0-0123456789ab",
  entry: "cli.js",
  tree: "a".repeat(64),
};
const previous = (name: string, changed: Partial<PreviousPackage> = {}): PreviousPackage => ({
  server: name,
  package: PINNED,
  spec: { command: "npx", args: ["-y", "@acme/tool"] },
  replacedAt: 4242,
  ...changed,
});

test("one for each server, the last one counts, also after a restart", () => {
  using at = place();
  const store = at.open();
  for (const name of ["b", "a"]) {
    store.insertServer(server(name));
    store.savePreviousPackage(previous(name));
  }
  const later = previous("a", { package: { ...PINNED, version: "1.1.0" }, replacedAt: 5000 });
  store.savePreviousPackage(later);
  store.close();
  expect(at.open().listPreviousPackages()).toEqual([later, previous("b")]);
});

test("it is gone with its server, and when it is taken away", () => {
  using at = place();
  const store = at.open();
  for (const name of ["a", "b"]) {
    store.insertServer(server(name));
    store.savePreviousPackage(previous(name));
  }
  store.deleteServer("a");
  store.deletePreviousPackage("b");
  store.deletePreviousPackage("b");
  expect(store.listPreviousPackages()).toEqual([]);
});

test("there is none for a server that is not there, and none of a transaction that fails", () => {
  using at = place();
  const store = at.open();
  store.insertServer(server("a"));
  expect(() => store.savePreviousPackage(previous("absent"))).toThrow("FOREIGN KEY");
  failure(() =>
    store.transaction(() => {
      store.savePreviousPackage(previous("a"));
      store.deleteServer("absent");
    }),
  );
  expect(store.listPreviousPackages()).toEqual([]);
});

test("a row that was edited by hand is refused by name, without what it holds", () => {
  using at = place();
  const store = at.open();
  store.insertServer(server("a"));
  store.savePreviousPackage(previous("a"));
  at.sql(`UPDATE previous_packages SET package = '{"ecosystem":"hunter2"}'`);
  const error = failure(() => store.listPreviousPackages());
  expect(error.code).toBe("bad-configuration");
  expect(error.message).toContain("a package to go back to cannot be understood");
  expect(error.message).not.toContain("hunter2");
});

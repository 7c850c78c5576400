import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Migration, MIGRATIONS } from "../../src/store/migrations.ts";
import { failure, place, server } from "./fixture.ts";

const known = MIGRATIONS.length;
const next: Migration = {
  version: known + 1,
  name: "next",
  sql: "CREATE TABLE more (a TEXT) STRICT; INSERT INTO more VALUES ('x');",
};
const broken: Migration = {
  version: known + 2,
  name: "broken",
  sql: "CREATE TABLE half (a TEXT) STRICT; INSERT INTO nowhere VALUES (1);",
};

test("every file is embedded, in order, under its name", () => {
  const directory = join(import.meta.dir, "../../migrations");
  const files = readdirSync(directory).toSorted();
  expect(MIGRATIONS.map(({ version, name }) => `${String(version).padStart(4, "0")}_${name}.sql`)).toEqual(
    files,
  );
  expect(MIGRATIONS.map(({ version }) => version)).toEqual(files.map((_, index) => index + 1));
  for (const [index, file] of files.entries()) {
    expect(MIGRATIONS[index]?.sql).toBe(readFileSync(join(directory, file), "utf8"));
    expect(MIGRATIONS[index]?.sql).toStartWith("-- ");
  }
});

test("what is missing is applied once and recorded; what is there stays", () => {
  using at = place();
  const store = at.open({ now: () => 1 });
  store.insertServer(server("a"));
  store.close();
  for (const now of [2, 3]) at.open({ migrations: [...MIGRATIONS, next], now: () => now }).close();
  expect(at.sql("SELECT version, name, applied_at FROM migrations")).toEqual([
    ...MIGRATIONS.map(({ version, name }) => ({ version, name, applied_at: 1 })),
    { version: next.version, name: "next", applied_at: 2 },
  ]);
  expect(at.sql("SELECT a FROM more")).toEqual([{ a: "x" }]);
  expect(at.sql("SELECT name FROM servers")).toEqual([{ name: "a" }]);
});

describe("a migration that fails leaves nothing of itself", () => {
  const migrations = [...MIGRATIONS, next, broken];
  test("in a new database", () => {
    using at = place();
    expect(failure(() => at.open({ migrations })).message).toContain("no such table: nowhere");
    expect(readdirSync(at.directory)).toEqual(["lock.db"]);
    expect(at.open().listServers()).toEqual([]);
  });

  test("in one with data: those before it stay, and it can be tried again", () => {
    using at = place();
    at.open().close();
    for (let round = 0; round < 2; round++) {
      expect(failure(() => at.open({ migrations })).message).toContain("no such table: nowhere");
    }
    expect(at.sql("SELECT max(version) AS v FROM migrations")).toEqual([{ v: next.version }]);
    expect(at.sql("SELECT name FROM sqlite_schema WHERE name = 'half'")).toEqual([]);
    const mended = { ...broken, sql: "CREATE TABLE half (a TEXT) STRICT" };
    at.open({ migrations: [...MIGRATIONS, next, mended] });
    expect(at.sql("SELECT max(version) AS v FROM migrations")).toEqual([{ v: broken.version }]);
  });
});

describe("refused, and left as it is", () => {
  const edited = MIGRATIONS.map((migration) => ({ ...migration, sql: `${migration.sql} ` }));
  const renamed = MIGRATIONS.map((migration) => ({ ...migration, name: "other" }));
  const rows: [string, readonly Migration[], string, string][] = [
    [
      "a newer database",
      MIGRATIONS,
      `UPDATE migrations SET version = 99 WHERE version = ${known}`,
      `was made by a newer Toolcrib (schema 99, this one knows ${known})`,
    ],
    [
      "an edited migration",
      edited,
      "SELECT 1",
      "was made with another migration 1 (initial) than this program has",
    ],
    ["a renamed migration", renamed, "SELECT 1", "was made with another migration 1 (initial)"],
    [
      "a gap",
      [...MIGRATIONS, next],
      `UPDATE migrations SET version = ${known + 1} WHERE version = ${known}`,
      `was made with another migration ${known + 1} (`,
    ],
  ];
  test.each(rows)("%s", (_, migrations, change, sentence) => {
    using at = place();
    at.open().close();
    at.sql(change);
    const before = readFileSync(at.path);
    const error = failure(() => at.open({ migrations }));
    expect(error).toMatchObject({ code: "bad-configuration", exitCode: 78, details: { path: at.path } });
    expect(error.message).toContain(sentence);
    expect(error.message).toStartWith(at.path);
    expect(readFileSync(at.path).equals(before)).toBe(true);
  });
});

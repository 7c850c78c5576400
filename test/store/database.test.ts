import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CHANGE, failure, offer, type Place, place, server } from "./fixture.ts";

/** A database with several pages of every table, closed. */
function filled(at: Place): Buffer {
  const store = at.open();
  store.transaction(() => {
    for (let index = 0; index < 40; index++) {
      store.insertServer(server(`s${index}`, { createdAt: index }));
      store.saveOffer(`s${index}`, server("x").specHash, offer({ tools: new Uint8Array(3000).fill(index) }));
      store.recordChange(CHANGE);
    }
  });
  store.close();
  return readFileSync(at.path);
}

test("a new database is closed to others, whole and durable", () => {
  using at = place();
  at.open();
  expect((statSync(at.path).mode & 0o777).toString(8)).toBe("600");
  expect(readdirSync(at.directory).filter((name) => name.includes(".new"))).toEqual([]);
  expect(at.sql("PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }]);
  expect(at.sql("PRAGMA application_id")).toEqual([{ application_id: 0x746f6f6c }]);
  expect(
    at.sql("SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 ORDER BY name"),
  ).toEqual([{ name: "sqlite_schema" }, { name: "sqlite_sequence" }]);
});

test("closing writes the log back, twice is once", () => {
  using at = place();
  const store = at.open();
  store.insertServer(server("a"));
  expect(readdirSync(at.directory)).toContain("toolcrib.db-wal");
  store.close();
  store.close();
  expect(readdirSync(at.directory).toSorted()).toEqual(["lock.db", "toolcrib.db"]);
  expect(at.sql("SELECT name FROM servers")).toEqual([{ name: "a" }]);
});

test("what an interrupted creation left is no obstacle", () => {
  using at = place();
  writeFileSync(`${at.path}.new`, "half");
  writeFileSync(`${at.path}.new-journal`, "half");
  expect(at.open().listServers()).toEqual([]);
  expect(readdirSync(at.directory).filter((name) => name.includes(".new"))).toEqual([]);
});

describe("a file that cannot be trusted is refused and stays as it is", () => {
  const overwrite = (at: Place, offset: number, bytes: Uint8Array) => {
    const content = readFileSync(at.path);
    content.set(bytes, offset);
    writeFileSync(at.path, content);
  };
  const noise = Uint8Array.from({ length: 4096 }, (_, index) => (index * 167 + 13) % 256);
  const rows: [string, (at: Place) => void][] = [
    ["empty", (at) => truncateSync(at.path, 0)],
    ["only a header", (at) => truncateSync(at.path, 100)],
    ["cut in the middle", (at) => truncateSync(at.path, Math.floor(statSync(at.path).size / 2))],
    ["cut by a page", (at) => truncateSync(at.path, statSync(at.path).size - 4096)],
    ["cut inside a page", (at) => truncateSync(at.path, statSync(at.path).size - 100)],
    ["a header of noise", (at) => overwrite(at, 0, noise.subarray(0, 100))],
    ["no database", (at) => writeFileSync(at.path, "servers:\n  files: {}\n".repeat(1000))],
    ["a first page of noise", (at) => overwrite(at, 100, noise.subarray(100))],
    ["a page of noise", (at) => overwrite(at, 4096 * 3, noise)],
    ["a page of zeros", (at) => overwrite(at, 4096 * 3, new Uint8Array(4096))],
    [
      "two pages exchanged",
      (at) => {
        const content = readFileSync(at.path);
        const page = Uint8Array.from(content.subarray(4096 * 2, 4096 * 3));
        overwrite(at, 4096 * 2, Uint8Array.from(content.subarray(4096 * 3, 4096 * 4)));
        overwrite(at, 4096 * 3, page);
      },
    ],
    [
      "another program's database",
      (at) => {
        rmSync(at.path);
        const other = new Database(at.path);
        other.run("CREATE TABLE servers (name TEXT)");
        other.close(true);
      },
    ],
    ["a database without migrations", (at) => at.sql("DROP TABLE migrations")],
    ["a database without tokens", (at) => at.sql("DROP TABLE tokens")],
  ];
  test.each(rows)("%s", (_, damage) => {
    using at = place();
    filled(at);
    damage(at);
    const before = readFileSync(at.path);
    const error = failure(() => at.open());
    expect(error).toMatchObject({ code: "bad-configuration", exitCode: 78, details: { path: at.path } });
    expect(error.message).toStartWith(`${at.path} is damaged, or no database of Toolcrib (`);
    expect(error.message).toContain("Put a backup in its place");
    expect(readFileSync(at.path).equals(before)).toBe(true);
    expect(readdirSync(at.directory).filter((name) => name.endsWith(".new"))).toEqual([]);
    // And the refusal holds nothing: a backup can be put in its place at once.
    rmSync(at.directory, { recursive: true });
    mkdirSync(at.directory);
    expect(at.open().listServers()).toEqual([]);
  });

  test("a log without its database", () => {
    using at = place();
    writeFileSync(`${at.path}-wal`, "log");
    const error = failure(() => at.open());
    expect(error.message).toContain("the file is missing, but its -wal file is there");
    expect(readdirSync(at.directory).toSorted()).toEqual(["lock.db", "toolcrib.db-wal"]);
  });

  test("a link to a disk that is not there", () => {
    using at = place();
    symlinkSync(join(at.directory, "disk", "toolcrib.db"), at.path);
    expect(failure(() => at.open())).toMatchObject({ code: "bad-configuration" });
    expect(readlinkSync(at.path)).toBe(join(at.directory, "disk", "toolcrib.db"));
  });

  test("a directory in its place", () => {
    using at = place();
    mkdirSync(at.path);
    expect(failure(() => at.open())).toMatchObject({ code: "bad-configuration" });
  });

  test("a directory that is not there", () => {
    using at = place();
    rmSync(at.directory, { recursive: true });
    expect(failure(() => at.open())).toMatchObject({ code: "bad-configuration" });
  });
});

test("an undamaged copy opens", () => {
  using at = place();
  const content = filled(at);
  writeFileSync(at.path, content);
  const store = at.open();
  expect(store.listServers()).toHaveLength(40);
  expect(store.loadOffers().size).toBe(40);
});

test("a program that writes for long is named as the reason", () => {
  using at = place();
  const store = at.open({ busyTimeoutMs: 1 });
  const other = new Database(at.path);
  other.run("BEGIN IMMEDIATE");
  expect(failure(() => store.insertServer(server("a")))).toMatchObject({ code: "conflict" });
  expect(failure(() => store.transaction(() => store.insertServer(server("a"))))).toMatchObject({
    code: "conflict",
  });
  other.run("ROLLBACK");
  other.close(true);
  expect(store.listServers()).toEqual([]);
  store.insertServer(server("a"));
});

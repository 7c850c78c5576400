// The store, from outside: a database that cannot be used is refused and left as it is, a home has one appliance,
// and what is in the way is named.

import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { Crib } from "./appliance.ts";
import { small } from "./servers.ts";
import { serverNamesOf } from "./views.ts";

setDefaultTimeout(60_000);

const SERVE = ["serve", "--listen", "127.0.0.1:0"];
const PAGE_BYTES = 4096;

let crib: Crib;
beforeEach(async () => {
  crib = await Crib.create();
});
afterEach(async () => {
  await crib.nothingRuns();
  await crib.remove();
});

/** A database with something in it, closed in good order. */
async function usedDatabase(): Promise<string> {
  const appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "kept", ...small());
  await crib.ok("token", "create", "kept");
  expect(await appliance.stop()).toBe(0);
  return crib.databaseFile();
}

describe("a database that cannot be used", () => {
  test("of a newer version: exit 78, a sentence, the file as it was", async () => {
    const path = await usedDatabase();
    const database = new Database(path);
    const [migrations = ""] = database
      .query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%migration%'")
      .values()
      .map(([name]) => String(name));
    const Column = v.object({ name: v.string(), type: v.string() });
    const columns = v.parse(v.array(Column), database.query(`PRAGMA table_info(${migrations})`).all());
    const values = columns.map(({ type }) => (type === "INTEGER" ? 9999 : "9999_from_the_future"));
    database.run(
      `INSERT INTO ${migrations} (${columns.map(({ name }) => name).join()}) VALUES (${columns.map(() => "?").join()})`,
      values,
    );
    database.close();
    const before = await readFile(path);

    const refused = await crib.run(SERVE);

    expect(refused.code).toBe(78);
    expect(refused.stderr).toMatch(/newer/i);
    expect(refused.stderr).not.toMatch(/^\s+at /m);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    "not a database at all": () => Buffer.from("these are not the tables you are looking for\n".repeat(400)),
    "the pages after the first overwritten": (bytes) =>
      Buffer.concat([bytes.subarray(0, PAGE_BYTES), Buffer.alloc(bytes.length - PAGE_BYTES, 0xa5)]),
    "cut in the middle": (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2 / PAGE_BYTES) * PAGE_BYTES),
    "the first page overwritten": (bytes) =>
      Buffer.concat([Buffer.alloc(PAGE_BYTES, 0x5a), bytes.subarray(PAGE_BYTES)]),
  };
  for (const [damage, apply] of Object.entries(damages)) {
    test(`${damage}: exit 78, a sentence that names the file, and not a byte changed`, async () => {
      const path = await usedDatabase();
      const damaged = apply(await readFile(path));
      await writeFile(path, damaged);

      const refused = await crib.run(SERVE);

      expect(refused.code).toBe(78);
      expect(refused.stderr).toContain(path);
      expect(refused.stderr).not.toMatch(/^\s+at /m);
      expect((await readFile(path)).equals(damaged)).toBe(true);
    });
  }
});

/** Nobody else reads or lists it; servers of root, with uids of their own, pass through to what they run. */
const CLOSED = process.getuid?.() === 0 ? 0o711 : 0o700;

describe("the data directory", () => {
  test("is for its owner only, whatever the umask", async () => {
    const path = await usedDatabase();
    expect((await stat(dirname(path))).mode & 0o777).toBe(CLOSED);
    expect((await stat(path)).mode & 0o077).toBe(0);
  });

  test("that is open to others is closed or refused", async () => {
    const path = await usedDatabase();
    await chmod(dirname(path), 0o755);
    const appliance = await crib.serve();
    expect((await stat(dirname(path))).mode & 0o777).toBe(CLOSED);
    await appliance.stop();
  });

  test("that cannot be made: a sentence that names it", async () => {
    const file = crib.file("a-file");
    await writeFile(file, "");
    const home = join(file, "home");

    const refused = await crib.run(SERVE, { env: { TOOLCRIB_HOME: home } });

    expect([1, 78]).toContain(refused.code);
    expect(refused.stderr).toContain(home);
    expect(refused.stderr).not.toMatch(/^\s+at /m);
  });

  test("that cannot be written: a sentence that names it", async () => {
    // Root writes through every mode: /proc refuses root too.
    const root = process.getuid?.() === 0;
    const home = root ? "/proc/toolcrib-home" : join(crib.work, "closed");
    if (!root) await mkdir(home, { mode: 0o500 });

    const refused = await crib.run(SERVE, { env: { TOOLCRIB_HOME: home } });

    expect([1, 78]).toContain(refused.code);
    expect(refused.stderr).toContain(home);
    expect(refused.stderr).not.toMatch(/^\s+at /m);
  });
});

describe("one home, one appliance", () => {
  test("a second one is refused, and the first goes on", async () => {
    const first = await crib.serve();
    await crib.ok("add", "--yes", "--name", "kept", ...small());

    const second = await crib.run(SERVE);

    expect([1, 5, 78]).toContain(second.code);
    expect(second.stderr).toContain(crib.home);
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
    expect(await serverNamesOf(crib)).toEqual(["kept"]);
    expect(await crib.ok("call", "kept__pong")).toStartWith("pong ");
    await first.stop();
  });

  test("a port in use is named, and the home can be served at another", async () => {
    const taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("mine") });
    const listen = `127.0.0.1:${taken.port}`;

    const refused = await crib.run(["serve", "--listen", listen]);

    expect([1, 78]).toContain(refused.code);
    expect(refused.stderr).toContain(listen);
    expect(refused.stderr).not.toMatch(/^\s+at /m);
    expect(await (await fetch(taken.url)).text()).toBe("mine");
    expect((await crib.run(["ls"])).code).toBe(3);
    await taken.stop(true);

    const appliance = await crib.serve({ args: ["--listen", listen] });
    expect(appliance.url).toBe(`http://${listen}`);
    await appliance.stop();
  });

  test("the socket that a killed appliance left behind is in nobody's way", async () => {
    const first = await crib.serve();
    await first.stop("SIGKILL");
    expect((await crib.run(["ls"])).code).toBe(3);
    const second = await crib.serve();
    expect(await serverNamesOf(crib)).toEqual([]);
    await second.stop();
  });
});

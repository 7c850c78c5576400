import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../src/errors.ts";
import { closeFiles, paths, prepare, socketCandidates } from "../src/paths.ts";

const root = mkdtempSync(join(tmpdir(), "paths-"));
afterAll(() => rmSync(root, { recursive: true }));

function failure(act: () => unknown): AppError {
  try {
    act();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function mode(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

describe("layouts", () => {
  const home = { config: "/h", data: "/h/data", cache: "/h/cache", run: "/h/run" };
  const service = {
    config: "/etc/toolcrib",
    data: "/var/lib/toolcrib",
    cache: "/var/cache/toolcrib",
    run: "/run/toolcrib",
  };
  const user = {
    config: "/u/.config/toolcrib",
    data: "/u/.local/share/toolcrib",
    cache: "/u/.cache/toolcrib",
    run: "/u/.local/share/toolcrib/run",
  };
  const rows: [string, Record<string, string>, number, string | undefined, object][] = [
    ["a flag", {}, 1000, "/h", home],
    ["a variable", { TOOLCRIB_HOME: "/h" }, 1000, undefined, home],
    ["a flag before a variable", { TOOLCRIB_HOME: "/other" }, 1000, "/h", home],
    ["a home before the service", { TOOLCRIB_SERVICE: "1" }, 0, "/h", home],
    ["a relative home", {}, 1000, "h/../x", { config: join(process.cwd(), "x") }],
    ["an empty variable", { TOOLCRIB_HOME: "", HOME: "/u" }, 1000, undefined, user],
    ["root", { HOME: "/root" }, 0, undefined, service],
    ["a service's own user", { HOME: "/nonexistent", TOOLCRIB_SERVICE: "1" }, 999, undefined, service],
    ["a user", { HOME: "/u" }, 1000, undefined, user],
    ["a user without HOME", {}, 1000, undefined, { layout: "user" }],
    [
      "relative XDG directories are ignored",
      { HOME: "/u", XDG_DATA_HOME: "data", XDG_RUNTIME_DIR: "." },
      1000,
      undefined,
      user,
    ],
    [
      "XDG directories",
      { HOME: "/u", XDG_CONFIG_HOME: "/c", XDG_DATA_HOME: "/d", XDG_CACHE_HOME: "/k", XDG_RUNTIME_DIR: "/r" },
      1000,
      undefined,
      {
        config: "/c/toolcrib",
        data: "/d/toolcrib",
        cache: "/k/toolcrib",
        run: "/r/toolcrib",
        layout: "user",
      },
    ],
  ];
  test.each(rows)("%s", (_, env, uid, flag, expected) => {
    expect(paths(env, uid, flag)).toMatchObject(expected);
  });

  test("all of it", () => {
    expect(paths({}, 1000, "/h")).toEqual({
      layout: "home",
      ...home,
      settingsFile: "/h/toolcrib.toml",
      database: "/h/data/toolcrib.db",
      vault: "/h/data/vault",
      work: "/h/data/work",
      logs: "/h/data/logs",
      launcher: "/h/data/launcher",
      socket: "/h/run/admin.sock",
    });
  });
});

describe("the socket", () => {
  test("a user's own appliance first, then the service", () => {
    expect(socketCandidates(paths({ HOME: "/u", XDG_RUNTIME_DIR: "/r" }, 1000))).toEqual([
      "/r/toolcrib/admin.sock",
      "/run/toolcrib/admin.sock",
    ]);
  });

  test("nobody else's when a home was asked for", () => {
    expect(socketCandidates(paths({ TOOLCRIB_HOME: "/h" }, 1000))).toEqual(["/h/run/admin.sock"]);
    expect(socketCandidates(paths({}, 0))).toEqual(["/run/toolcrib/admin.sock"]);
  });

  test("a path that is too long for one is refused, in bytes", () => {
    const fits = `/${"h".repeat(107 - "//run/admin.sock".length)}`;
    expect(Buffer.byteLength(paths({}, 1000, fits).socket)).toBe(107);
    for (const home of [`${fits}h`, `/${"ü".repeat(50)}`]) {
      const error = failure(() => paths({}, 1000, home));
      expect(error).toMatchObject({ code: "bad-configuration", exitCode: 78 });
      expect(error.message).toContain(`the system allows 107: ${home}/run/admin.sock.`);
      expect(error.message).toContain("--home");
    }
  });
});

/** Servers of root have uids of their own, which pass through and see nothing. */
const PASSED = process.getuid?.() === 0 ? "711" : "700";

describe("prepare", () => {
  let home = "";
  beforeEach(() => {
    home = mkdtempSync(join(root, "home-"));
  });
  test("makes every directory, closed to others, and nothing else", () => {
    const where = paths({}, 1000, join(home, "new"));
    prepare(where);
    prepare(where);
    expect(readdirSync(join(home, "new"), { recursive: true }).toSorted()).toEqual([
      "cache",
      "data",
      "data/launcher",
      "data/vault",
      "data/work",
      "run",
    ]);
    for (const path of [where.data, where.vault, where.work, where.launcher]) {
      expect(mode(path)).toBe(PASSED);
    }
    for (const path of [where.cache, where.run]) expect(mode(path)).toBe("700");
  });

  test("closes what stood open, and leaves what is inside", () => {
    const where = paths({}, 1000, home);
    mkdirSync(where.data);
    chmodSync(where.data, 0o755);
    writeFileSync(where.database, "kept");
    chmodSync(where.database, 0o640);
    prepare(where);
    expect(mode(where.data)).toBe(PASSED);
    expect(mode(where.database)).toBe("640");
  });

  test("files are closed one by one, and only those that lie in it directly", () => {
    const where = paths({}, 1000, home);
    prepare(where);
    const inside = join(where.vault, "file");
    for (const path of [where.database, inside]) writeFileSync(path, "", { mode: 0o644 });
    closeFiles(where.data);
    expect([mode(where.database), mode(inside)]).toEqual(["600", "644"]);
  });

  test("follows a link to another disk", () => {
    const where = paths({}, 1000, home);
    mkdirSync(join(home, "disk"), { mode: 0o750 });
    symlinkSync(join(home, "disk"), where.data);
    prepare(where);
    expect(mode(join(home, "disk"))).toBe(PASSED);
    expect(existsSync(join(home, "disk", "vault"))).toBe(true);
  });

  test("something else in its place", () => {
    const where = paths({}, 1000, home);
    writeFileSync(where.data, "");
    const error = failure(() => prepare(where));
    expect(error).toMatchObject({ code: "bad-configuration", exitCode: 78, details: { path: where.data } });
    expect(error.message).toContain(
      `${where.data} cannot be used by uid ${process.getuid?.()}, which runs this`,
    );
    expect(error.message).toContain(`"ls -ld ${where.data}"`);
  });

  const asRoot = process.getuid?.() === 0;
  // Only root can make what belongs to somebody else.
  test.skipIf(!asRoot)("a directory that somebody else owns is refused, and so is a link of theirs", () => {
    const where = paths({}, 1000, home);
    mkdirSync(where.data);
    chownSync(where.data, 12_345, 12_345);
    const owned = failure(() => prepare(where));
    expect(owned).toMatchObject({ code: "bad-configuration", details: { path: where.data, owner: 12_345 } });
    chownSync(where.data, 0, 0);

    const victim = join(home, "victim");
    mkdirSync(victim, { mode: 0o755 });
    symlinkSync(victim, where.cache);
    lchownSync(where.cache, 12_345, 12_345);
    expect(failure(() => prepare(where)).message).toContain(`${where.cache} belongs to uid 12345`);
    expect(mode(victim)).toBe("755");
  });

  // Root may write anywhere: as root, a child gives the rights up first.
  test("a directory of somebody else", async () => {
    const spare = join(home, "it's closed");
    mkdirSync(spare);
    chmodSync(spare, 0o555);
    for (const directory of [root, home]) chmodSync(directory, 0o755);
    const script = `
      import { paths, prepare } from ${JSON.stringify(join(import.meta.dir, "../src/paths.ts"))};
      if (${asRoot}) process.setuid(65534);
      try { prepare(paths({}, 1000, ${JSON.stringify(spare)})); console.log("{}"); }
      catch (error) { console.log(JSON.stringify({ exit: error.exitCode, message: error.message })); }`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    const { exit, message } = JSON.parse(await child.stdout.text());
    const uid = asRoot ? 65534 : process.getuid?.();
    expect(exit).toBe(78);
    expect(message).toBe(
      `${spare}/data cannot be used by uid ${uid}, which runs this: permission is missing (EACCES). ` +
        `Run "sudo install -d -m 0700 -o ${uid} '${home}/it'\\''s closed/data'", or choose another place with --home.`,
    );
    expect(readdirSync(spare)).toEqual([]);
  });
});

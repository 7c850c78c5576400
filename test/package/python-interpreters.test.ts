// The Pythons of a host, from programs that answer as one would.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findInterpreters } from "../../src/package/python-interpreters.ts";

const hosts = (await findInterpreters({ PATH: "" }, "3", [])).map(({ path }) => path);
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "toolcrib-pythons-"));
  put("a/bin/python3.12", "cpython\nfinal\n3.12.4", "a/bin/python3.12");
  put("b/bin/python3.13", "cpython\nfinal\n3.13.1", "b/bin/python3.13");
  put("old/bin/python3.9", "cpython\nfinal\n3.9.1", "old/bin/python3.9");
  put("odd/bin/python3.14", "cpython\nbeta\n3.14.0", "odd/bin/python3.14");
  put("odd/bin/python3.13", "free-threaded\nfinal\n3.13.0", "odd/bin/python3.13");
  put("odd/bin/python3.11", "pypy\nfinal\n3.11.0", "odd/bin/python3.11");
  put("odd/bin/python3.10", "hello", "");
  put("odd/bin/python2.7", "cpython\nfinal\n2.7.18", "odd/bin/python2.7");
  put("odd/bin/python3-config", "cpython\nfinal\n3.12.9", "odd/bin/python3-config");
  // A shim of a version manager, and a link: the same interpreter, found twice more.
  put("shims/python3", "cpython\nfinal\n3.12.4", "a/bin/python3.12");
  symlinkSync("python3.12", join(home, "a/bin/python3"));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function put(path: string, answer: string, program: string): void {
  const file = join(home, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(
    file,
    `#!/bin/sh\ncat <<'END'\n${answer}\n${program === "" ? "" : join(home, program)}\nEND\n`,
  );
  chmodSync(file, 0o755);
}

async function found(path: readonly string[], wanted: string | undefined, more: readonly string[] = []) {
  const host = { PATH: [...path.map((folder) => join(home, folder)), "/usr/bin", "/bin"].join(":") };
  const all = await findInterpreters(
    host,
    wanted,
    more.map((folder) => join(home, folder)),
  );
  return all.filter(({ path: program }) => !hosts.includes(program));
}

test("the newest first, each once, and no more than is known to work", async () => {
  expect(await found(["odd/bin", "shims", "old/bin", "a/bin", "none"], undefined, ["b/bin"])).toEqual([
    { path: join(home, "b/bin/python3.13"), version: "3.13.1", home: join(home, "b") },
    { path: join(home, "a/bin/python3.12"), version: "3.12.4", home: join(home, "a") },
  ]);
});

test.each([
  ["3", ["b/bin/python3.13", "a/bin/python3.12", "old/bin/python3.9"]],
  ["3.12", ["a/bin/python3.12"]],
  ["3.1", []],
  ["3.12.4", ["a/bin/python3.12"]],
  ["3.12.5", []],
  ["3.9", ["old/bin/python3.9"]],
])("as %s", async (wanted, expected) => {
  const all = await found(["a/bin", "b/bin", "old/bin"], wanted);
  expect(all.map(({ path }) => path)).toEqual(expected.map((path) => join(home, path)));
});

test("a relative PATH is not looked at", async () => {
  const all = await findInterpreters({ PATH: "a/bin:." }, undefined, []);
  expect(all.map(({ path }) => path).filter((path) => path.startsWith(home))).toEqual([]);
});

test.skipIf(hosts.length === 0)("those of the system come first (needs a Python in /usr/bin)", async () => {
  const all = await findInterpreters({ PATH: join(home, "b/bin") }, "3", []);
  expect(hosts).toContain(all[0]?.path ?? "");
});

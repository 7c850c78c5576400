// What a program needs to be seen at all, from a plain binary to a script with a package around it.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { runtimePaths } from "../../src/cage/runtime.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "tc-runtime-")));
afterAll(() => rmSync(root, { recursive: true }));
function file(path: string): string {
  const full = join(root, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, "");
  return full;
}
const tool = file("tools/v1/bin/node");
const server = file("project/dist/server.js");
file("project/package.json");
const nested = file("app/node_modules/a/node_modules/b/index.js");
file("app/node_modules/a/package.json");
const lonely = file("scripts/lonely.js");
symlinkSync(tool, join(root, "shim"));

describe("runtimePaths", () => {
  test.each([
    ["a program of the system needs nothing", "/usr/bin/env", ["x"], []],
    ["one that lies alone is seen alone", lonely, [], [lonely]],
    ["one in a bin directory with its installation", tool, [], [tool, join(root, "tools/v1")]],
    [
      "a link, with what it leads to",
      join(root, "shim"),
      [],
      [join(root, "shim"), tool, join(root, "tools/v1")],
    ],
    ["a script with its package", "/usr/bin/node", ["--flag", server], [server, join(root, "project")]],
    [
      "a script without one, with its directory",
      "/usr/bin/python3",
      [lonely],
      [lonely, join(root, "scripts")],
    ],
    [
      "a script of an installed package, with all that lies beside it",
      "/usr/bin/node",
      [nested],
      [nested, join(root, "app/node_modules")],
    ],
    ["a word that is no file", "/usr/bin/node", ["nothing.js"], []],
    ["arguments of what is no interpreter", "/usr/bin/env", [server], []],
  ])("%s", (_what, program, args, expected) => {
    expect(runtimePaths(program, args, root, [])).toEqual(expected);
  });

  test("a relative script counts from the working directory", () => {
    expect(runtimePaths("/usr/bin/node", ["dist/server.js"], join(root, "project"), [])).toEqual([
      server,
      join(root, "project"),
    ]);
  });

  test("a directory that others share is never shown, only the script", () => {
    const script = join(tmpdir(), `tc-runtime-${process.pid}.js`);
    writeFileSync(script, "");
    try {
      const paths = runtimePaths("/usr/bin/node", [script], root, []);
      expect(paths).toEqual([script]);
      for (const shared of ["/", tmpdir(), homedir(), "/home", "/etc", "/var"])
        expect(paths).not.toContain(shared);
    } finally {
      rmSync(script);
    }
  });
});

describe("what the server may write", () => {
  const work = join(root, "work");
  const given = (program: string, ...args: string[]) => runtimePaths(program, args, work, [work]);
  mkdirSync(work);

  test("a link of its making that is named like a word of its command shows nothing", () => {
    const secret = file("home/secrets/key");
    symlinkSync(secret, join(work, "module"));
    expect(runtimePaths("/usr/bin/python3", ["-m", "module"], work, [])).toContain(
      join(root, "home/secrets"),
    );
    expect(given("/usr/bin/python3", "-m", "module")).toEqual([]);
  });

  test("a file of its making does not show the package around", () => {
    file("project/data/module");
    const data = join(root, "project/data");
    expect(runtimePaths("/usr/bin/python3", ["-m", "module"], data, [data])).toEqual([]);
  });

  test("a program that became a link does not show another installation, but may lead to the system", () => {
    symlinkSync(tool, join(work, "run"));
    expect(given(join(work, "run"))).toEqual([]);
    symlinkSync("/usr/bin/env", join(work, "env"));
    expect(given(join(work, "env"))).toEqual([join(work, "env")]);
  });
});

// How a Python package of the vault is started: from trees made by hand, and from one that was moved. Nothing is
// installed and nothing is run.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import { type PypiPackage, pythonLaunch } from "../../src/package/python-launch.ts";
import { homeOf } from "../../src/package/python-interpreters.ts";

const POLYGLOT = `#!/bin/sh\n'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"\n' '''\nimport sys\n`;

let vault: string;

beforeAll(() => {
  vault = mkdtempSync(join(tmpdir(), "toolcrib-launch-"));
  put("pypi/tool/bin/tool", POLYGLOT);
  put("pypi/tool/bin/plain", "#!/usr/bin/env python3\nprint()\n");
  put("pypi/tool/bin/shell", "#!/bin/sh\nexec true\n");
  put("pypi/tool/bin/native", "\x7fELF");
  put("pypi/tool/bin/bare", "import sys\n");
  put("versions/3.12/bin/python3.12", "");
  symlinkSync(join(vault, "versions/3.12/bin/python3.12"), join(vault, "pypi/tool/bin/python"));
  put("pypi/lost/bin/tool", POLYGLOT);
  symlinkSync("/no/such/python3.12", join(vault, "pypi/lost/bin/python"));
});
afterAll(() => rmSync(vault, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(join(vault, path, ".."), { recursive: true });
  writeFileSync(join(vault, path), text, "latin1");
  chmodSync(join(vault, path), 0o755);
}

function pinned(entry: string, directory = "pypi/tool"): PypiPackage {
  return {
    ecosystem: "pypi",
    name: "tool",
    version: "1.0",
    integrity: "sha256-x",
    python: "3.12.1",
    directory,
    entry,
  };
}

test.each([
  ["tool", "bin/python", ["bin/tool", "-x", "a"]],
  ["plain", "bin/python", ["bin/plain", "-x", "a"]],
  ["bare", "bin/python", ["bin/bare", "-x", "a"]],
  ["python", "bin/python", ["-x", "a"]],
  ["shell", "bin/shell", ["-x", "a"]],
  ["native", "bin/native", ["-x", "a"]],
])("%s", (program, file, args) => {
  const at = join(vault, "pypi/tool");
  expect(pythonLaunch(pinned(`bin/${program}`), vault, ["-x", "a"], "/usr/bin:/bin")).toEqual({
    file: join(at, file),
    args: args.map((arg) => (arg.startsWith("bin/") ? join(at, arg) : arg)),
    env: {
      PATH: `${join(at, "bin")}:/usr/bin:/bin`,
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONUNBUFFERED: "1",
      PYTHONNOUSERSITE: "1",
    },
    reads: [join(vault, "versions/3.12")],
  });
});

describe("not there", () => {
  test.each([
    ["the package", pinned("bin/tool", "pypi/none"), /tool is not in the vault.*toolcrib add --replace/],
    ["its program", pinned("bin/gone"), /tool is not whole in the vault.*toolcrib add --replace/],
    [
      "its Python",
      pinned("bin/tool", "pypi/lost"),
      /installed for Python 3\.12\.1, which is not where it was.*add --replace/,
    ],
  ])("%s", (_, wanted, expected) => {
    try {
      pythonLaunch(wanted, vault, [], "");
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      expect(thrown.code).toBe("blocked");
      expect(thrown.message).toMatch(expected);
      return;
    }
    throw new Error("nothing was thrown");
  });
});

test.each([
  ["/usr/bin/python3.11", undefined],
  ["/usr/local/bin/python3.12", undefined],
  ["/bin/python3", undefined],
  ["/opt/python/3.12/bin/python3.12", "/opt/python/3.12"],
  ["/root/.pyenv/versions/3.12.1/bin/python3.12", "/root/.pyenv/versions/3.12.1"],
])("beside the system's directories %s reads %p", (path, home) => {
  expect(homeOf(path)).toBe(home);
});

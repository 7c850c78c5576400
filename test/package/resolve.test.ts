// What a start runs: from specifications, a vault and a PATH made by hand. Nothing is installed and nothing is asked.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { AppError } from "../../src/errors.ts";
import { type PinnedPackage, StdioSpec } from "../../src/model/server-spec.ts";
import { needsInstall, resolveLaunch, type StartPlaces } from "../../src/package/resolve.ts";

let home: string;
let places: StartPlaces;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "toolcrib-resolve-"));
  places = {
    vaultDirectory: join(home, "vault"),
    self: "/opt/toolcrib",
    path: [join(home, "bin"), "", ".", "relative", join(home, "more")].join(":"),
    workDirectory: join(home, "work"),
  };
  put("vault/npm/pkg/node_modules/pkg/cli.js", "#!/usr/bin/env node\n", 0o555);
  put("vault/npm/pkg/node_modules/pkg/cli.sh", "#!/bin/sh\n", 0o555);
  put("vault/npm/pkg/node_modules/pkg/cli.rb", "#!/usr/bin/env no-such-ruby\n", 0o555);
  put("vault/npm/pkg/node_modules/pkg/native", "\x7fELF", 0o555);
  put("bin/tool", "", 0o755);
  put("bin/data", "", 0o644);
  put("more/data", "", 0o755);
  put("bin/folder/x", "", 0o755);
  put("work/local", "", 0o755);
  put("project/run.sh", "", 0o755);
  put("vault/pypi/pkg/bin/pkg", "#!/usr/bin/env python3\n", 0o555);
  put("vault/pypi/pkg/bin/python", "\x7fELF", 0o555);
  put("python/uv", "", 0o755);
  put("python/pipx", "", 0o755);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function put(path: string, text: string, mode: number): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text, "latin1");
  chmodSync(join(home, path), mode);
}

function spec(line: string, more: object = {}): StdioSpec {
  const [command, ...args] = line.split(" ");
  return v.parse(StdioSpec, { kind: "stdio", command, args, ...more });
}

function pinned(file: string): PinnedPackage {
  const entry = `node_modules/pkg/${file}`;
  return {
    ecosystem: "npm",
    name: "pkg",
    version: "1.0.0",
    integrity: "sha512-x",
    directory: "npm/pkg",
    entry,
  };
}

function failure(act: () => unknown): AppError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

describe("a package of the vault", () => {
  test("a script runs in this executable, cut off from network, .env and bunfig.toml", () => {
    expect(resolveLaunch(spec("npx -y pkg --stdio a"), pinned("cli.js"), places)).toEqual({
      file: "/opt/toolcrib",
      args: [
        "--no-install",
        "--no-env-file",
        "--config=/dev/null",
        join(home, "vault/npm/pkg/node_modules/pkg/cli.js"),
        "--stdio",
        "a",
      ],
      env: { BUN_BE_BUN: "1" },
      reads: [],
    });
  });

  test.each(["cli.sh", "native"])("%s runs by itself", (file) => {
    expect(resolveLaunch(spec("npx pkg a"), pinned(file), places)).toEqual({
      file: join(home, "vault/npm/pkg/node_modules/pkg", file),
      args: ["a"],
      env: {},
      reads: [],
    });
  });

  test.each([
    ["was never installed", undefined, /pkg is not in the vault.*toolcrib add --replace/],
    ["is gone", "gone.js", /pkg is not in the vault.*toolcrib add --replace/],
    ["wants another interpreter", "cli.rb", /pkg runs with "no-such-ruby"/],
  ] as const)("that %s", (_, file, expected) => {
    const error = failure(() =>
      resolveLaunch(spec("npx pkg"), file === undefined ? undefined : pinned(file), places),
    );
    expect(error.code).toBe("blocked");
    expect(error.message).toMatch(expected);
  });

  test("only such specifications need an installation", () => {
    expect(needsInstall(spec("npx -p pkg@1.0.0 tool a"))).toEqual({
      kind: "npm",
      packageSpec: { name: "pkg", wanted: "1.0.0" },
      bin: "tool",
      registry: undefined,
      args: ["a"],
    });
    expect(needsInstall(spec("uvx pkg@1.0"))).toMatchObject({
      kind: "pypi",
      packageSpec: { wanted: "==1.0" },
    });
    expect(needsInstall(spec("uv run --directory /opt/x x"))).toBeUndefined();
    expect(needsInstall(spec("node x.js"))).toBeUndefined();
  });
});

describe("a program of the host", () => {
  test.each([
    ["tool a", "bin/tool"],
    ["data", "more/data"],
    ["./local", "work/local"],
  ])("%s", (line, file) => {
    const [, ...args] = line.split(" ");
    expect(resolveLaunch(spec(line), undefined, places)).toEqual({
      file: join(home, file),
      args,
      env: {},
      reads: [],
    });
  });

  test("a relative path counts from the directory of the specification", () => {
    const launch = resolveLaunch(spec("./run.sh", { cwd: join(home, "project") }), undefined, places);
    expect(launch.file).toBe(join(home, "project/run.sh"));
  });

  test.each([
    ["local", /no program "local" on the PATH.*absolute path/],
    ["node x.js", /no program "node" on the PATH.*npx/],
    ["docker run x", /install Docker/],
    ["folder", /no program "folder"/],
    ["/no/such/thing", /no program at "\/no\/such\/thing"/],
    ["./data", /no program at "\.\/data"/],
    ["\x1b[31m", /no program "\\e\[31m"/],
  ])("%j is not there", (line, expected) => {
    const error = failure(() => resolveLaunch(spec(line), undefined, places));
    expect(error.code).toBe("blocked");
    expect(error.message).toMatch(expected);
  });
});

describe("a Python package", () => {
  const python: PinnedPackage = {
    ecosystem: "pypi",
    name: "pkg",
    version: "1.0",
    integrity: "sha256-x",
    python: "3.12.1",
    directory: "pypi/pkg",
    entry: "bin/pkg",
  };

  test("runs by the interpreter of its environment", () => {
    const at = join(home, "vault/pypi/pkg");
    expect(resolveLaunch(spec("uvx pkg --x"), python, { ...places, path: "/usr/bin" })).toMatchObject({
      file: join(at, "bin/python"),
      args: [join(at, "bin/pkg"), "--x"],
      env: { PATH: `${at}/bin:/usr/bin` },
    });
    const own = spec("uvx pkg", { env: { PATH: "/opt/own" } });
    expect(resolveLaunch(own, python, places).env["PATH"]).toBe(`${at}/bin:/opt/own`);
  });

  test.each([
    ["was never installed", undefined],
    ["is a package of npm by now", pinned("cli.js")],
  ])("that %s", (_, found) => {
    const error = failure(() => resolveLaunch(spec("uvx pkg"), found, places));
    expect(error.code).toBe("blocked");
    expect(error.message).toMatch(/pkg is not in the vault.*toolcrib add --replace/);
  });
});

describe("a project of Python", () => {
  test("runs as it is, with everything below the server's own directory", () => {
    const path = join(home, "python");
    expect(
      resolveLaunch(spec("uv run --directory /opt/x server --x"), undefined, { ...places, path }),
    ).toEqual({
      file: join(home, "python/uv"),
      args: ["run", "--directory", "/opt/x", "server", "--x"],
      env: {
        UV_CACHE_DIR: join(home, "work/.uv/cache"),
        UV_TOOL_DIR: join(home, "work/.uv/tools"),
        UV_PYTHON_INSTALL_DIR: join(home, "work/.uv/python"),
      },
      reads: [],
    });
    expect(resolveLaunch(spec("pipx runpip x"), undefined, { ...places, path })).toEqual({
      file: join(home, "python/pipx"),
      args: ["runpip", "x"],
      env: { PIPX_HOME: join(home, "work/.pipx/home"), PIPX_BIN_DIR: join(home, "work/.pipx/bin") },
      reads: [],
    });
  });

  test.each([
    ["uv run /opt/x.py", /"uv".*pip install uv.*docs\.astral\.sh\/uv/],
    ["pipx runpip x", /"pipx".*apt install pipx/],
    ["/opt/none/uv run /opt/x.py", /"\/opt\/none\/uv"/],
  ])("%s without the tool says how to get it", (line, expected) => {
    const error = failure(() => resolveLaunch(spec(line), undefined, places));
    expect(error.code).toBe("blocked");
    expect(error.message).toMatch(expected);
  });
});

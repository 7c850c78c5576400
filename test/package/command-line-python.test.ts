// The table of command lines of uvx, uv and pipx: what each spelling means, and which are refused.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { understand } from "../../src/package/command-line.ts";

function words(line: string): [string, string[]] {
  const [command = "", ...args] = line.split(" ");
  return [command, args];
}

interface Expected {
  readonly name: string;
  readonly wanted?: string;
  readonly extras?: readonly string[];
  readonly with?: readonly string[];
  readonly bin?: string;
  readonly python?: string;
  readonly prereleases?: boolean;
  readonly registry?: string;
  readonly args?: string;
}

const PACKAGES: readonly (readonly [string, Expected])[] = [
  ["uvx pkg", { name: "pkg" }],
  ["uvx pkg a -b --with c", { name: "pkg", args: "a -b --with c" }],
  ["uvx pkg@1.2.3", { name: "pkg", wanted: "==1.2.3" }],
  ["uvx pkg@latest", { name: "pkg" }],
  ["uvx pkg==1.2", { name: "pkg", wanted: "==1.2" }],
  ["uvx pkg>=1,<2", { name: "pkg", wanted: ">=1,<2" }],
  ["uvx pkg[cli] run", { name: "pkg", extras: ["cli"], args: "run" }],
  ["uvx -- pkg --stdio", { name: "pkg", args: "--stdio" }],
  ["uvx pkg -- --stdio", { name: "pkg", args: "-- --stdio" }],
  ["uvx -q --no-cache --refresh pkg", { name: "pkg" }],
  ["uvx -qv --cache-dir /tmp/c --link-mode=copy pkg", { name: "pkg" }],
  ["uvx --from pkg tool a", { name: "pkg", bin: "tool", args: "a" }],
  ["uvx --from=pkg[x,y]==1.0 tool", { name: "pkg", extras: ["x", "y"], wanted: "==1.0", bin: "tool" }],
  ["uvx --with a --with b>=1,<2 pkg", { name: "pkg", with: ["a", "b>=1,<2"] }],
  ["uvx --with a,b[x,y],c>=1,<2 pkg", { name: "pkg", with: ["a", "b[x,y]", "c>=1,<2"] }],
  ["uvx -w a pkg", { name: "pkg", with: ["a"] }],
  ["uvx --python 3.12 pkg", { name: "pkg", python: "3.12" }],
  ["uvx -p 3.13 pkg", { name: "pkg", python: "3.13" }],
  ["uvx -p3.13 pkg", { name: "pkg", python: "3.13" }],
  ["uvx --python=cpython@3.12.1 pkg", { name: "pkg", python: "3.12.1" }],
  ["uvx --python python3.11 pkg", { name: "pkg", python: "3.11" }],
  ["uvx --prerelease=allow pkg", { name: "pkg", prereleases: true }],
  ["uvx --prerelease if-necessary pkg", { name: "pkg" }],
  [
    "uvx --default-index https://pypi.example.com/simple pkg",
    { name: "pkg", registry: "https://pypi.example.com/simple" },
  ],
  ["uvx -i http://127.0.0.1:8080/simple/ pkg", { name: "pkg", registry: "http://127.0.0.1:8080/simple/" }],
  ["uvx --from pkg python -m mod --x", { name: "pkg", bin: "python", args: "-m mod --x" }],
  ["uvx --with pkg --with b python -m mod", { name: "pkg", with: ["b"], bin: "python", args: "-m mod" }],
  ["uvx --with pkg python@3.12 -c 1", { name: "pkg", bin: "python", python: "3.12", args: "-c 1" }],
  ["uvx --with pkg python3.11 x.py", { name: "pkg", bin: "python", python: "3.11", args: "x.py" }],
  ["/root/.local/bin/uvx pkg", { name: "pkg" }],
  ["uvx.exe pkg", { name: "pkg" }],
  ["cmd /c uvx pkg a", { name: "pkg", args: "a" }],
  ["uv tool run pkg a", { name: "pkg", args: "a" }],
  ["uv tool run --from pkg tool --x", { name: "pkg", bin: "tool", args: "--x" }],
  ["uv -q tool run pkg run tool", { name: "pkg", args: "run tool" }],
  ["uv run --with pkg tool a", { name: "pkg", bin: "tool", args: "a" }],
  [
    "uv run --with other --with pkg[cli]==1 pkg run /srv/x.py",
    { name: "pkg", extras: ["cli"], wanted: "==1", with: ["other"], bin: "pkg", args: "run /srv/x.py" },
  ],
  ["uv run --no-project --with pkg python -m mod", { name: "pkg", bin: "python", args: "-m mod" }],
  ["uv run --with pkg -m mod --x", { name: "pkg", bin: "python", args: "-m mod --x" }],
  ["uv run --with pkg /srv/server.py --x", { name: "pkg", bin: "python", args: "/srv/server.py --x" }],
  ["uv run --with pkg -s /srv/server", { name: "pkg", bin: "python", args: "/srv/server" }],
  ["uv run --with pkg --python 3.12 -- tool --x", { name: "pkg", bin: "tool", python: "3.12", args: "--x" }],
  ["pipx run pkg a", { name: "pkg", args: "a" }],
  ["pipx run pkg==1.2 a", { name: "pkg", wanted: "==1.2", args: "a" }],
  ["pipx run --spec pkg[x] tool --y", { name: "pkg", extras: ["x"], bin: "tool", args: "--y" }],
  ["pipx run --no-cache --python python3.12 pkg", { name: "pkg", python: "3.12" }],
];

test.each(PACKAGES)("%s", (line, { name, wanted = "latest", args = "", ...expected }) => {
  expect(understand(...words(line))).toEqual({
    kind: "pypi",
    packageSpec: { name, wanted },
    extras: [],
    with: [],
    bin: undefined,
    python: undefined,
    prereleases: false,
    registry: undefined,
    args: args === "" ? [] : args.split(" "),
    ...expected,
  });
});

describe("left to the host's own tool", () => {
  test.each([
    "uv --directory /opt/w run server.py",
    "uv run --directory /opt/w server.py --x",
    "uv run --project /opt/w server",
    "uv run --directory /opt/w --with-requirements r.txt server.py",
    "uv run --directory /opt/w --with x --some-new-option server.py",
    "uv run --extra dev --with x tool",
    "uv run --frozen server",
    "uv run /opt/w/server.py --x",
    "uv run -q /opt/w/server.py",
    "uv sync",
    "uv",
    "uv tool install x",
    "pipx install x",
    "pipx",
  ])("%s", (line) => {
    const [command, args] = words(line);
    expect(understand(command, args)).toEqual({
      kind: "python",
      tool: command === "pipx" ? "pipx" : "uv",
      command,
      args,
    });
  });
});

describe("refused", () => {
  test.each([
    ["uvx", /"uvx" needs the name of a package/],
    ["uvx -q", /needs the name of a package/],
    ["uvx --from", /--from of "uvx" needs a value/],
    ["uvx --from a --from b c", /2 packages to run from/],
    ["uvx python -m x", /"uvx python" names no package: add one with --with/],
    [
      "uvx git+https://joe:sekret@git.example.com/x.git",
      /"git\+https:\/\/git\.example\.com\/x\.git", which is not a package/,
    ],
    ["uvx --from git+ssh://git@example.com/x serena", /install it yourself and give the path of its program/],
    ["uvx --from ./local tool", /"\.\/local", which is not a package/],
    ["uvx --from /abs/x.whl tool", /is not a package of a Python index/],
    ["uvx https://example.com/x.py", /is not a package of a Python index/],
    ["uvx --with ./local pkg", /"\.\/local", which is not a package/],
    ["uvx --with-editable . pkg", /"uvx --with-editable" cannot be followed.*give the path of its program/],
    ["uvx --with-requirements r.txt pkg", /"uvx --with-requirements" cannot be followed/],
    ["uvx --extra-index-url https://joe:sekret@x pkg", /"uvx --extra-index-url".*--default-index.*UV_INDEX/],
    ["uvx --index=https://joe:sekret@x pkg", /"uvx --index".*--default-index/],
    ["uvx --env-file .env pkg", /"uvx --env-file".*give the variables to the server itself/],
    ["uvx --directory /opt/w pkg", /"uvx --directory".*working directory/],
    ["uvx --no-binary pkg", /"uvx --no-binary" cannot be followed/],
    ["uvx --form x tool", /"--form", which is not understood: did you mean --from\?/],
    ["uvx --form=x tool", /did you mean --from\?/],
    ["uvx -qZ pkg", /"-qZ", which is not understood/],
    ["uvx --python >=3.11 pkg", />=3\.11" is not understood as a Python.*such as 3\.12/],
    ["uvx --python /usr/bin/python3 pkg", /is not understood as a Python/],
    ["uvx --python pypy3.10 pkg", /is not understood as a Python/],
    ["uvx -i ftp://x pkg", /not an http/],
    [
      "uvx -i https://joe:sekret@pypi.example.com/ pkg",
      /user name or password: put the whole address into UV_DEFAULT_INDEX/,
    ],
    ["uvx \x1b[31mred", /"\\e\[31mred", which is not a package/],
    ["uv run server.py", /"uv run server\.py" depends on the directory.*uv run --directory.*uv run --with/],
    ["uv run mcp-server", /depends on the directory/],
    ["uv run", /"uv run" depends on the directory/],
    ["uv run --with pkg", /"uv run" needs a program to run/],
    ["uv run --with git+https://x/y tool", /is not a package/],
    ["uv run --with pkg --env-file .env tool", /"uv run --env-file"/],
    ["uv tool run", /"uv tool run" needs the name/],
    ["uv tool run --index x pkg", /"uv tool run --index"/],
    ["pipx run", /"pipx run" needs the name/],
    ["pipx run --pip-args=--index-url=https://joe:sekret@x pkg", /"pipx run --pip-args" cannot be followed/],
    ["pipx run --path ./x.py", /"pipx run --path" cannot be followed/],
    ["pipx run https://example.com/x.py", /is not a package/],
  ] as const)("%j", (line, expected) => {
    const thrown = catchError(() => understand(...words(line)));
    expect(thrown.code).toBe("usage");
    expect(thrown.message).toMatch(expected);
    expect(thrown.message).not.toContain("sekret");
    expect(thrown.message).not.toContain("\x1b");
  });

  test("a word of any length makes a short sentence", () => {
    expect(catchError(() => understand("uvx", ["/".repeat(30_000)])).message.length).toBeLessThan(500);
    expect(catchError(() => understand("uv", ["run", "x".repeat(30_000)])).message.length).toBeLessThan(500);
  });

  test("more packages than anybody needs", () => {
    const args = Array.from({ length: 65 }, (_, at) => ["--with", `p${at}`]).flat();
    expect(catchError(() => understand("uvx", [...args, "pkg"])).message).toContain("more than 64 packages");
  });
});

function catchError(act: () => unknown): AppError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

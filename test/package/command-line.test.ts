// The table of command lines: what each spelling means, and which are refused.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { isExactVersion, parsePackageSpec, understand } from "../../src/package/command-line.ts";

function words(line: string): [string, string[]] {
  const [command = "", ...args] = line.split(" ");
  return [command, args];
}

/** Command line, package, version, program of the package, arguments of the server. */
const NPM: readonly (readonly [string, string, string, string | undefined, string])[] = [
  ["npx pkg", "pkg", "latest", undefined, ""],
  ["npx -y pkg", "pkg", "latest", undefined, ""],
  ["npx --yes pkg@1.2.3 a -b --c", "pkg", "1.2.3", undefined, "a -b --c"],
  ["npx -y @scope/pkg@next /srv/docs", "@scope/pkg", "next", undefined, "/srv/docs"],
  ["npx -y @scope/pkg@^1.2.0 -y --yes", "@scope/pkg", "^1.2.0", undefined, "-y --yes"],
  ["npx -y pkg@latest -- --stdio", "pkg", "latest", undefined, "-- --stdio"],
  ["npx -y -- pkg --stdio", "pkg", "latest", undefined, "--stdio"],
  ["npx -p pkg@2 tool a", "pkg", "2", "tool", "a"],
  ["npx --package pkg tool", "pkg", "latest", "tool", ""],
  ["npx -y --package=@scope/pkg@1.0.0 -- tool --x", "@scope/pkg", "1.0.0", "tool", "--x"],
  ["npx -yq pkg x", "pkg", "latest", undefined, "x"],
  ["npx -q -s --silent --quiet --no-install pkg", "pkg", "latest", undefined, ""],
  ["npx --loglevel silent --no-audit --future=1 pkg", "pkg", "latest", undefined, ""],
  ["npx --cache /tmp/c -n --inspect pkg", "pkg", "latest", undefined, ""],
  [
    "npx mcp-remote https://mcp.example.com/sse",
    "mcp-remote",
    "latest",
    undefined,
    "https://mcp.example.com/sse",
  ],
  ["/usr/bin/npx -y pkg", "pkg", "latest", undefined, ""],
  ["npx.cmd -y pkg", "pkg", "latest", undefined, ""],
  ["C:\\nodejs\\npx.exe -y pkg", "pkg", "latest", undefined, ""],
  ["cmd /c npx -y pkg a", "pkg", "latest", undefined, "a"],
  ["cmd.exe /d /s /C npx.cmd pkg", "pkg", "latest", undefined, ""],
  ["npm exec pkg", "pkg", "latest", undefined, ""],
  ["npm x -y pkg@1.2.3 -- --stdio", "pkg", "1.2.3", undefined, "--stdio"],
  ["npm exec --yes --package=pkg -- tool --stdio", "pkg", "latest", "tool", "--stdio"],
  ["npm --yes exec pkg --yes --stdio", "pkg", "latest", undefined, "--stdio"],
  ["npm --prefix /tmp/x exec -- pkg a", "pkg", "latest", undefined, "a"],
  ["bunx pkg a", "pkg", "latest", undefined, "a"],
  ["bunx --bun -p pkg tool a", "pkg", "latest", "tool", "a"],
  ["bun x --bun pkg@1.0.0 --stdio", "pkg", "1.0.0", undefined, "--stdio"],
  ["bun --bun x pkg", "pkg", "latest", undefined, ""],
  ["pnpm dlx pkg a", "pkg", "latest", undefined, "a"],
  ["pnpm --package=pkg dlx tool", "pkg", "latest", "tool", ""],
  ["pnpx pkg", "pkg", "latest", undefined, ""],
  ["yarn dlx -q -p pkg tool", "pkg", "latest", "tool", ""],
];

describe("npm", () => {
  test.each(NPM.map((row) => [row[0], row] as const))("%s", (_, [line, name, wanted, bin, args]) => {
    expect(understand(...words(line))).toEqual({
      kind: "npm",
      packageSpec: { name, wanted },
      bin,
      registry: undefined,
      args: args === "" ? [] : args.split(" "),
    });
  });

  test("a registry is kept", () => {
    const expected = {
      kind: "npm",
      registry: "https://npm.example.com/",
      packageSpec: { name: "pkg", wanted: "latest" },
    };
    expect(understand(...words("npx --registry=https://npm.example.com/ pkg"))).toMatchObject(expected);
    expect(understand(...words("npx --registry https://npm.example.com/ pkg"))).toMatchObject(expected);
  });

  test("an argument with spaces stays one argument", () => {
    expect(understand("npx", ["-y", "pkg", "two words", ""])).toMatchObject({ args: ["two words", ""] });
  });
});

describe("projects and programs run as they are", () => {
  const rows: readonly (readonly [string, "python" | "program"])[] = [
    ["uv --directory /opt/w run server.py", "python"],
    ["python -m mcp_server_time", "program"],
    ["node /opt/x/index.js --stdio", "program"],
    ["/opt/bin/server", "program"],
    ["docker run -i --rm image", "program"],
    ["npm run start", "program"],
    ["npm start", "program"],
    ["npm --unheard-of exec pkg", "program"],
    ["bun run server.ts", "program"],
    ["bun server.ts x", "program"],
    ["pnpm exec tool", "program"],
    ["yarn start", "program"],
    ["cmd /x", "program"],
    ["deno run -A npm:pkg", "program"],
    ["npx-like-thing -y pkg", "program"],
  ];
  test.each(rows)("%s", (line, kind) => {
    const [command, args] = words(line);
    expect(understand(command, args)).toMatchObject({ kind, command, args });
  });
});

describe("refused", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["npx", /needs the name of a package/],
    ["npx -y", /needs the name of a package/],
    ["npx -c echo", /"npx -c" runs a shell line/],
    ["npx --call=echo", /"npx --call" runs a shell line/],
    ["pnpm dlx -c x", /"pnpm dlx -c" runs a shell line/],
    ["npx -p a -p b c", /2 packages/],
    ["npx -p a", /no program of it/],
    ["npx --package", /--package of "npx" needs a value/],
    ["npx --pakage x y", /"--pakage".*did you mean --package\?/],
    ["npx --pakage=x y", /"--pakage".*did you mean --package\?/],
    ["npx --unheard-of x y", /"--unheard-of".*leave it out/],
    ["npx ./local", /"\.\/local" is not a package/],
    ["npx /abs/dir", /is not a package/],
    ["npx github:owner/repo", /is not a package/],
    ["npx owner/repo", /is not a package/],
    ["npx https://example.com/x.tgz", /is not a package/],
    ["npx pkg@npm:other@1", /is not a package/],
    ["npx pkg@file:../x", /is not a package/],
    ["npx -y \x1b[31mred", /"\\e\[31mred" is not a package/],
    ["npx --registry=ftp://x pkg", /not an http/],
    ["npx --registry=https://joe:sekret@npm.example.com/ pkg", /user name or password/],
  ];
  test.each(rows)("%j", (line, expected) => {
    const thrown = catchError(() => understand(...words(line)));
    expect(thrown.code).toBe("usage");
    expect(thrown.message).toMatch(expected);
    expect(thrown.message).not.toContain("sekret");
    expect(thrown.message).not.toContain("\x1b");
  });

  test("a word of any length makes a short sentence", () => {
    expect(catchError(() => understand("npx", ["/".repeat(30_000)])).message.length).toBeLessThan(500);
  });
});

test.each([
  ["pkg", { name: "pkg", wanted: "latest" }],
  ["@a/b", { name: "@a/b", wanted: "latest" }],
  ["JSONStream@1.0.0-rc.1+x", { name: "JSONStream", wanted: "1.0.0-rc.1+x" }],
  ["pkg@>=1 <2", { name: "pkg", wanted: ">=1 <2" }],
  ["pkg@", undefined],
  ["@a", undefined],
  ["@a/", undefined],
  ["-pkg", undefined],
  [".pkg", undefined],
  ["a b", undefined],
  ["pkg\n", undefined],
  ["../pkg", undefined],
  ["x".repeat(215), undefined],
])("package specification %j", (text, expected) => {
  expect(parsePackageSpec(text)).toEqual(expected);
});

test.each([
  ["1.2.3", true],
  ["2026.8.31", true],
  ["1.2.3-beta.1", true],
  ["1.2", false],
  ["^1.2.3", false],
  ["latest", false],
  ["1.2.x", false],
  ["v1.2.3", false],
])("exact %s: %p", (wanted, expected) => {
  expect(isExactVersion(wanted)).toBe(expected);
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

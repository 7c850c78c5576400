// The registry's server.json: which ways it offers, what they run, what is asked, what is refused and why.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../../src/errors.ts";
import type { Answers } from "../../../src/model/question.ts";
import { isServerJson, readServerJson, type SpecWay } from "../../../src/control/import/server-json.ts";

const SHA = "f".repeat(64);

function server(more: object): string {
  return JSON.stringify({
    $schema: "https://static.modelcontextprotocol.io/schemas/2025-09-29/server.schema.json",
    name: "io.github.acme/mcp-weather",
    description: "Weather",
    version: "1.0.0",
    ...more,
  });
}

const npm = (more: object = {}): object => ({
  registryType: "npm",
  identifier: "@acme/weather",
  version: "1.0.2",
  transport: { type: "stdio" },
  ...more,
});
const pypi = (more: object = {}): object => ({
  ...npm(),
  registryType: "pypi",
  identifier: "weather",
  ...more,
});

function first(more: object): SpecWay {
  const [way] = readServerJson(server(more)).ways;
  if (way.kind !== "spec") throw new Error("it is a bundle");
  return way;
}

function specOf(more: object, answers: Answers = {}): object {
  return first(more).plan(answers).draft.spec;
}

function refusal(text: string): AppError {
  try {
    readServerJson(text);
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

describe("packages", () => {
  const rows: readonly (readonly [string, object, string])[] = [
    ["npm", npm(), "npx -y @acme/weather@1.0.2"],
    [
      "npm with -y of its own",
      npm({ runtimeArguments: [{ type: "positional", value: "-y" }] }),
      "npx -y @acme/weather@1.0.2",
    ],
    [
      "the usual registry",
      npm({ registryBaseUrl: "https://registry.npmjs.org" }),
      "npx -y @acme/weather@1.0.2",
    ],
    [
      "another registry",
      npm({ registryBaseUrl: "https://npm.example.com/" }),
      "npx -y --registry=https://npm.example.com/ @acme/weather@1.0.2",
    ],
    ["PyPI", pypi(), "uvx weather@1.0.2"],
    ["a Python version", pypi({ version: "1.0rc1+local.2" }), "uvx weather@1.0rc1+local.2"],
    [
      "another index",
      pypi({ registryBaseUrl: "https://pypi.example.com/simple" }),
      "uvx --default-index=https://pypi.example.com/simple weather@1.0.2",
    ],
    [
      "fixed arguments",
      npm({
        packageArguments: [
          { type: "positional", value: "mcp" },
          { type: "named", name: "--mode", value: "fast" },
          { type: "named", name: "-e", value: "A=1" },
          { type: "named", name: "--verbose" },
          { type: "positional", valueHint: "dir", default: "/srv" },
        ],
      }),
      "npx -y @acme/weather@1.0.2 mcp --mode=fast -e A=1 --verbose /srv",
    ],
    [
      "arguments that nobody has to give",
      npm({
        packageArguments: [
          { type: "named", name: "--db", description: "A database" },
          { type: "positional", valueHint: "x" },
        ],
      }),
      "npx -y @acme/weather@1.0.2",
    ],
    [
      "variables with values of their own, and braces that are none",
      npm({
        packageArguments: [
          { type: "positional", value: "{a}/{b}/{c}", variables: { a: { value: "1" }, b: { default: "2" } } },
        ],
      }),
      "npx -y @acme/weather@1.0.2 1/2/{c}",
    ],
  ];
  test.each(rows)("%s", (_, each, line) => {
    const [command, ...args] = line.split(" ");
    expect(specOf({ packages: [each] })).toEqual({ kind: "stdio", command, args, env: {} });
  });

  test("the name is short, and a runtime that is not used is named", () => {
    const way = first({ packages: [npm({ runtimeHint: "docker" })] });
    expect(way.what).toBe("npm package @acme/weather@1.0.2");
    expect(way.plan({})).toMatchObject({
      draft: { name: "mcp-weather", unknownKeys: [] },
      notes: ['mcp-weather: wants "docker"; it is run as with npx.'],
    });
  });
});

describe("what is asked", () => {
  const PACKAGE = npm({
    packageArguments: [
      {
        type: "positional",
        valueHint: "dir",
        description: "Where",
        isRequired: true,
        isRepeated: true,
        format: "filepath",
      },
      { type: "named", name: "--level", choices: ["low", "high"], default: "low" },
      { type: "named", name: "--port", format: "number" },
      {
        type: "positional",
        value: "db={name}",
        variables: { name: { description: "Database", isRequired: true } },
      },
    ],
    environmentVariables: [
      { name: "API_KEY", description: "Key", isRequired: true, isSecret: true },
      { name: "LOG", default: "info" },
      { name: "FIXED", value: "1" },
      { name: "OPTIONAL" },
    ],
  });

  test("each question, with what is known of it", () => {
    const { questions } = first({ packages: [PACKAGE] });
    expect(
      questions.map(({ id, kind, isRequired, isSecret, isMultiple }) => [
        id,
        kind,
        isRequired,
        isSecret,
        isMultiple,
      ]),
    ).toEqual([
      ["dir", "path", true, false, true],
      ["--level", "string", false, false, false],
      ["--port", "number", false, false, false],
      ["name", "string", true, false, false],
      ["API_KEY", "string", true, true, false],
      ["LOG", "string", false, false, false],
      ["OPTIONAL", "string", false, false, false],
    ]);
  });

  test("answers are filled in", () => {
    const answers = {
      dir: ["/a", "/b"],
      "--level": ["high"],
      "--port": ["80"],
      name: ["x"],
      API_KEY: ["hunter2"],
    };
    expect(specOf({ packages: [PACKAGE] }, answers)).toEqual({
      kind: "stdio",
      command: "npx",
      args: ["-y", "@acme/weather@1.0.2", "/a", "/b", "--level=high", "--port=80", "db=x"],
      env: { API_KEY: "hunter2", LOG: "info", FIXED: "1" },
    });
  });

  test("open questions stay open, and are named; an answer is never a variable of another one", () => {
    const { draft, notes } = first({ packages: [PACKAGE] }).plan({ name: ["{dir}"] });
    expect(draft.spec).toMatchObject({
      args: ["-y", "@acme/weather@1.0.2", "{dir}", "--level=low", "db={dir}"],
      env: { LOG: "info", FIXED: "1" },
    });
    expect(notes).toEqual(["mcp-weather: needs dir (Where)", "mcp-weather: needs API_KEY (Key)"]);
  });

  test.each([
    [{ dir: ["relative"] }, /absolute path/],
    [{ "--level": ["middle"] }, /one of "low", "high"/],
    [{ "--port": ["many"] }, /has to be a number/],
    [{ API_KEY: ["hunter2", "hunter2"] }, /has to be one value/],
    [{ LOG: ["a\0b"] }, /NUL/],
    [{ unheard: ["x"] }, /nobody asks for "unheard"/],
  ])("an answer that does not fit: %j", (answers, expected) => {
    const plan = (): unknown => first({ packages: [PACKAGE] }).plan(answers);
    expect(plan).toThrow(expected);
    expect(plan).not.toThrow(/hunter2/);
  });
});

test("a bundle is named by its address and its hash", () => {
  const url = "https://example.com/weather.mcpb";
  const bundle = { registryType: "mcpb", identifier: url, fileSha256: SHA, transport: { type: "stdio" } };
  expect(readServerJson(server({ packages: [bundle] })).ways).toEqual([
    { kind: "bundle", what: `mcpb package ${url}`, url, sha256: SHA },
  ]);
});

test("remotes, with their headers and the variables of their address", () => {
  const remote = {
    type: "streamable-http",
    url: "https://{tenant}.example.com/mcp",
    variables: { tenant: { description: "Yours", isRequired: true } },
    headers: [
      { name: "X-Key", isRequired: true, isSecret: true },
      { name: "Authorization", value: "Bearer {token}", variables: { token: { isSecret: true } } },
      { name: "X-Region", default: "eu" },
    ],
  };
  const way = first({ remotes: [remote] });
  expect(way.questions.map(({ id, isSecret }) => [id, isSecret])).toEqual([
    ["tenant", false],
    ["X-Key", true],
    ["token", true],
    ["X-Region", false],
  ]);
  const { draft, notes } = way.plan({ tenant: ["acme"], "X-Key": ["k"], token: ["t"] });
  expect(draft.spec).toEqual({
    kind: "http",
    url: "https://acme.example.com/mcp",
    headers: { "X-Key": "k", Authorization: "Bearer t", "X-Region": "eu" },
  });
  expect(notes).toEqual([]);
  const [sse] = readServerJson(server({ remotes: [{ type: "sse", url: "https://example.com/sse" }] })).ways;
  expect(sse.kind === "spec" && sse.plan({}).notes).toEqual([
    expect.stringContaining("transport of the past"),
  ]);
});

test("several ways: the first is taken, the others and what cannot be used are named", () => {
  const oci = npm({ registryType: "oci", identifier: "docker.io/acme/weather:1" });
  const text = server({
    packages: [oci, npm(), pypi()],
    remotes: [{ type: "sse", url: "https://x.example/" }],
  });
  const { name, ways, notes } = readServerJson(text);
  expect(name).toBe("mcp-weather");
  expect(ways.map(({ what }) => what)).toEqual([
    "npm package @acme/weather@1.0.2",
    "pypi package weather@1.0.2",
    "remote https://x.example/",
  ]);
  expect(notes).toEqual([
    "mcp-weather: not usable here: the oci package docker.io/acme/weather:1 is of a kind that is not run here.",
    "mcp-weather: could be had as pypi package weather@1.0.2, too.",
    "mcp-weather: could be had as remote https://x.example/, too.",
  ]);
});

describe("refused", () => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ["no JSON", "{", /is not JSON/],
    ["something else", "[]", /not understood/],
    ["no name", "{}", /not understood at "name"/],
    ["a name without a namespace", server({ name: "weather" }), /not understood at "name"/],
    ["neither packages nor remotes", server({}), /names neither packages nor remotes/],
    [
      "oci alone",
      server({ packages: [npm({ registryType: "oci" })] }),
      /oci package @acme\/weather is of a kind/,
    ],
    ["nuget alone", server({ packages: [npm({ registryType: "nuget" })] }), /nuget package/],
    ["no version", server({ packages: [npm({ version: undefined })] }), /names no exact version/],
    ["a range", server({ packages: [npm({ version: "^1.0.0" })] }), /names no exact version/],
    ["latest", server({ packages: [pypi({ version: "latest" })] }), /names no exact version/],
    [
      "a version that is an option",
      server({ packages: [pypi({ version: "1 --index-url x" })] }),
      /no exact version/,
    ],
    [
      "a hash that cannot be checked",
      server({ packages: [npm({ fileSha256: SHA })] }),
      /fileSha256.*cannot be checked/,
    ],
    [
      "a bundle without a hash",
      server({ packages: [npm({ registryType: "mcpb", identifier: "https://x/y" })] }),
      /no fileSha256/,
    ],
    [
      "a bundle without TLS",
      server({ packages: [npm({ registryType: "mcpb", identifier: "http://x/y", fileSha256: SHA })] }),
      /not at an https/,
    ],
    [
      "a port of its own",
      server({ packages: [npm({ transport: { type: "sse", url: "http://x" } })] }),
      /port of its own/,
    ],
    [
      "the keys of an older schema",
      server({ packages: [{ registry_type: "npm", identifier: "x" }] }),
      /before 2025-09-16/,
    ],
    ["an endless list", server({ packages: Array.from({ length: 51 }, () => npm()) }), /at "packages"/],
    ["what acts on a terminal", server({ packages: [npm({ registryType: "\x1b[31mred" })] }), /\\e\[31mred/],
  ];
  test.each(rows)("%s", (_, text, expected) => {
    const { code, message } = refusal(text);
    expect(code).toBe("usage");
    expect(message).toMatch(expected);
    expect(message).not.toMatch(/[\x00-\x1f]/);
    expect(message.length).toBeLessThan(1_000);
  });
});

test("a registry's answer wraps it", () => {
  const wrapped = JSON.stringify({ server: JSON.parse(server({ packages: [npm()] })), _meta: {} });
  expect(readServerJson(wrapped).ways[0].what).toBe("npm package @acme/weather@1.0.2");
});

test.each([
  [JSON.parse(server({ packages: [] })), true],
  [JSON.parse(server({ remotes: [] })), true],
  [{ mcpServers: {} }, false],
  [{ name: "x" }, false],
  [[], false],
])("is it one: %j", (document, expected) => {
  expect(isServerJson(document)).toBe(expected);
});

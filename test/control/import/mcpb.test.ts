// The manifest of an MCP bundle: what it runs with and without answers, and what is refused.

import { describe, expect, test } from "bun:test";
import { planMcpb, readMcpbManifest } from "../../../src/control/import/mcpb.ts";
import type { Answers } from "../../../src/model/question.ts";

const CONFIG = {
  dirs: {
    type: "directory",
    title: "Folders",
    description: "That it may see",
    multiple: true,
    required: true,
  },
  key: { type: "string", title: "Key", description: "", sensitive: true, required: true },
  level: { type: "string", title: "Level", description: "", default: "info" },
  size: { type: "number", title: "Size", description: "", default: 10, min: 1, max: 100 },
  fast: { type: "boolean", title: "Fast", description: "", default: false },
  extra: { type: "string", title: "Extra", description: "" },
  home: { type: "directory", title: "Home", description: "", default: ["${HOME}/Desktop"] },
};

function manifest(more: object = {}, server: object = {}): string {
  return JSON.stringify({
    manifest_version: "0.3",
    name: "My Extension",
    version: "1.2.3",
    description: "It does",
    author: { name: "Somebody" },
    server: {
      type: "node",
      entry_point: "server/index.js",
      mcp_config: {
        command: "node",
        args: [
          "${__dirname}/server/index.js",
          "${user_config.dirs}",
          "--size=${user_config.size}",
          "--extra=${user_config.extra}",
          "${user_config.extra}",
        ],
        env: {
          KEY: "${user_config.key}",
          LEVEL: "${user_config.level}",
          FAST: "${user_config.fast}",
          PLACE: "${__dirname}/data",
        },
      },
      ...server,
    },
    user_config: CONFIG,
    unknown_key: 1,
    ...more,
  });
}

const plan = (text: string, answers: Answers = {}) => planMcpb(readMcpbManifest(text), answers);

test("with all answers: lists unfold, values are filled in, the place of the bundle stays open", () => {
  const { draft, notes, needsBundle } = plan(manifest(), {
    dirs: ["/srv/a", "/srv/b"],
    key: ["hunter2"],
    size: ["50"],
    extra: ["${user_config.key}"],
    fast: ["true"],
  });
  expect(needsBundle).toBe(true);
  expect(draft).toEqual({
    name: "my-extension",
    spec: {
      kind: "stdio",
      command: "node",
      args: [
        "${__dirname}/server/index.js",
        "/srv/a",
        "/srv/b",
        "--size=50",
        "--extra=${user_config.key}",
        "${user_config.key}",
      ],
      env: { KEY: "hunter2", LEVEL: "info", FAST: "true", PLACE: "${__dirname}/data" },
      cage: { read: ["/srv/a", "/srv/b"], write: [], network: [] },
    },
    unknownKeys: [],
  });
  expect(notes).toEqual([
    'my-extension: may read "/srv/a", as answered; --write /srv/a lets it write there',
    'my-extension: may read "/srv/b", as answered; --write /srv/b lets it write there',
  ]);
});

test("without answers: defaults, and what is open is named", () => {
  const { draft, notes, questions } = plan(manifest());
  expect(draft.spec).toMatchObject({
    args: ["${__dirname}/server/index.js", "${user_config.dirs}", "--size=10"],
    env: { LEVEL: "info", FAST: "false" },
  });
  expect(draft.spec).not.toHaveProperty("env.KEY");
  expect(notes).toEqual([
    'my-extension: left out, because nobody answered: "--extra=${user_config.extra}"',
    'my-extension: left out, because nobody answered: "${user_config.extra}"',
    "my-extension: needs dirs (Folders: That it may see)",
    "my-extension: needs key (Key)",
  ]);
  expect(questions.find(({ id }) => id === "key")).toMatchObject({ isSecret: true, isRequired: true });
  expect(questions.find(({ id }) => id === "home")?.fallback).toBeUndefined();
});

test("what Linux has of its own wins", () => {
  const { draft } = plan(
    manifest(
      { user_config: {} },
      {
        type: "binary",
        entry_point: "bin/tool",
        mcp_config: {
          command: "bin/tool",
          args: ["a"],
          env: { A: "1", B: "1" },
          platform_overrides: {
            linux: { command: "bin/tool-linux", env: { B: "2" } },
            win32: { command: "bin/tool.exe" },
          },
        },
      },
    ),
  );
  expect(draft.spec).toMatchObject({ command: "bin/tool-linux", args: ["a"], env: { A: "1", B: "2" } });
});

test("a bundle that only names a package is that package", () => {
  const mcp_config = { command: "npx", args: ["-y", "--package=@acme/x", "x"] };
  const { needsBundle, notes, draft } = plan(manifest({ user_config: {} }, { mcp_config }));
  expect(needsBundle).toBe(false);
  expect(notes).toEqual(["my-extension: the bundle only names a package: that one is installed instead."]);
  expect(draft.spec).toMatchObject({ command: "npx", args: ["-y", "--package=@acme/x", "x"] });
});

test("a secret that becomes an argument is named", () => {
  const mcp_config = { command: "node", args: ["${__dirname}/server/index.js", "--key=${user_config.key}"] };
  const { notes } = plan(manifest({ user_config: { key: CONFIG.key } }, { mcp_config }), {
    key: ["hunter2"],
  });
  expect(notes).toEqual([
    "my-extension: the secret key is an argument, which other programs of the host can see",
  ]);
});

test.each([
  [{ size: ["0"] }, /at least 1/],
  [{ size: ["101"] }, /at most 100/],
  [{ size: [""] }, /has to be a number/],
  [{ fast: ["yes"] }, /true or false/],
  [{ dirs: ["here"] }, /absolute path/],
  [{ key: ["hunter2", "b"] }, /one value/],
  [{ nobody: ["x"] }, /nobody asks for "nobody"/],
])("an answer that does not fit: %j", (answers, expected) => {
  const act = (): unknown => plan(manifest(), answers);
  expect(act).toThrow(expected);
  expect(act).not.toThrow(/hunter2/);
});

test.each(["0.1", "0.2", "0.3", "0.4"])("version %s, also under its older name", (version) => {
  expect(readMcpbManifest(manifest({ manifest_version: version })).name).toBe("My Extension");
  const older = JSON.parse(manifest({ dxt_version: version }));
  delete older.manifest_version;
  expect(readMcpbManifest(JSON.stringify(older)).version).toBe("1.2.3");
});

describe("refused", () => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ["no JSON", "{", /not one of an MCP bundle/],
    ["another file", '{"name":"x"}', /not one of an MCP bundle at "/],
    ["a version of the future", manifest({ manifest_version: "1.0" }), /of version 1\.0; 0\.1 to 0\.4/],
    ["no version", manifest({ manifest_version: undefined }), /of version \?/],
    [
      "another system",
      manifest({ compatibility: { platforms: ["darwin", "win32"] } }),
      /does not run on Linux: it is for darwin, win32/,
    ],
    ["a program outside", manifest({}, { entry_point: "../../etc/passwd" }), /at "server\.entry_point"/],
    ["an absolute program", manifest({}, { entry_point: "/bin/sh" }), /at "server\.entry_point"/],
    ["another kind", manifest({}, { type: "docker" }), /at "server\.type"/],
    ["no command line", manifest({}, { mcp_config: undefined }), /at "server\.mcp_config"/],
    [
      "a variable that is none",
      manifest({}, { mcp_config: { command: "x", env: { "A B": "1" } } }),
      /at "server\.mcp_config\.env/,
    ],
    [
      "a question of another kind",
      manifest({ user_config: { x: { type: "colour" } } }),
      /at "user_config\.x\.type"/,
    ],
    ["what acts on a terminal", manifest({ manifest_version: "\x1b[31m" }), /of version \\e\[31m/],
  ];
  test.each(rows)("%s", (_, text, expected) => {
    const act = (): unknown => readMcpbManifest(text);
    expect(act).toThrow(expected);
    expect(act).not.toThrow(/[\x00-\x1f]/);
  });

  test("one that uv completes at its start", () => {
    const uv = manifest({}, { type: "uv", mcp_config: undefined });
    expect(() => plan(uv)).toThrow(/has its packages installed by uv when it starts/);
  });
});

// What of a server goes into a bundle, and what stays behind; what a loaded one plans.

import { beforeEach, expect, test } from "bun:test";
import { createBundles, type BundleAdmin } from "../../src/control/bundles.ts";
import { AppError } from "../../src/errors.ts";
import type { ConfiguredServer, PinnedPackage, ServerSpec } from "../../src/model/server-spec.ts";
import type { BundleHead } from "../../src/package/bundle-format.ts";
import { specOf } from "./lab.ts";

const PINNED: PinnedPackage = {
  ecosystem: "npm",
  name: "@acme/tool",
  version: "1.0.0",
  integrity: "sha512-x",
  directory: "npm/@acme+tool@1.0.0-0123456789ab",
  entry: "cli.js",
};

const SPEC = specOf("npx", {
  args: ["-y", "@acme/tool"],
  env: { API_KEY: "hunter2", LOG_LEVEL: "info" },
  cage: {
    read: ["/srv/docs"],
    write: [],
    network: ["api.example.com:443"],
    broker: { github: { host: "api.example.com:443", header: "authorization", value: "hunter3" } },
  },
  extra: { oauth: "hunter4" },
});

let written: BundleHead[];
let damaged: Set<string>;
let bundles: BundleAdmin;

function server(name: string, spec: ServerSpec, pinned: PinnedPackage | undefined): ConfiguredServer {
  return { name, spec, package: pinned, enabled: true, specHash: "a".repeat(64), createdAt: 1 };
}

const PLACED = {
  ...SPEC,
  env: {
    DATA: "${__dirname}/data",
    HOME_OF_IT: "${__dirname}",
    KEY: "hunter5",
    MIXED: "${__dirname}?key=hunter6",
  },
};

const SERVERS = [
  server("bundled", PLACED, { ...PINNED, ecosystem: "mcpb", directory: "mcpb/x@1-0123456789ab" }),
  server("npm", PLACED, PINNED),
  server("tool", SPEC, PINNED),
  server("twin", { ...SPEC, args: ["@acme/tool", "x"] }, { ...PINNED, tree: "b".repeat(64) }),
  server("plain", specOf("/bin/cat"), undefined),
  server("remote", { kind: "http", url: "https://example.com/mcp", headers: {}, extra: {} }, undefined),
];

beforeEach(() => {
  written = [];
  damaged = new Set();
  bundles = createBundles({
    find(name) {
      const found = SERVERS.find((each) => each.name === name);
      if (found === undefined) throw new AppError("not-found", `There is no server ${name}.`);
      return found;
    },
    async ensure({ name }) {
      if (damaged.has(name)) throw new AppError("blocked", "It is damaged.");
    },
    treeOf: () => Promise.resolve("c".repeat(64)),
    write(head) {
      written.push(head);
      return new ReadableStream();
    },
    load: async () => {
      const [head] = written;
      if (head === undefined) throw new AppError("bad-answer", "There is no bundle.");
      return { head, placed: head.packages.map(({ directory }) => directory) };
    },
    platform: { os: "linux", arch: "x64" },
    version: "9.9.9",
    now: () => 0,
  });
});

test("servers without their secrets, each package once and with the hash of its tree", async () => {
  await bundles.write(["tool", "twin", "tool"]);
  const [head] = written;
  expect(head).toMatchObject({
    madeAt: "1970-01-01T00:00:00.000Z",
    madeBy: "9.9.9",
    packages: [{ name: "@acme/tool" }],
  });
  expect(head?.packages).toHaveLength(1);
  expect(head?.packages[0]?.tree).toMatch(/^[bc]{64}$/);
  expect(head?.servers).toEqual([
    {
      name: "tool",
      spec: {
        ...SPEC,
        env: {},
        cage: { read: ["/srv/docs"], write: [], network: ["api.example.com:443"] },
        extra: {},
      },
      package: 0,
      missing: { env: ["API_KEY", "LOG_LEVEL"], broker: ["github"] },
    },
    expect.objectContaining({ name: "twin", package: 0 }),
  ]);
  expect(JSON.stringify(written)).not.toContain("hunter");
});

test("places inside of an MCP bundle are carried, and inside of nothing else", async () => {
  await bundles.write(["bundled", "npm"]);
  const [bundled, npm] = written[0]?.servers ?? [];
  expect(bundled?.spec.env).toEqual({ DATA: "${__dirname}/data", HOME_OF_IT: "${__dirname}" });
  expect(bundled?.missing.env).toEqual(["KEY", "MIXED"]);
  expect(npm?.spec.env).toEqual({});
  expect(JSON.stringify(written)).not.toContain("hunter");
});

test.each([
  ["plain", "usage"],
  ["remote", "usage"],
  ["absent", "not-found"],
] as const)("%s cannot be carried", async (name, code) => {
  await expect(bundles.write(["tool", name])).rejects.toMatchObject({ code });
  expect(written).toEqual([]);
});

test("a damaged package is not carried", async () => {
  damaged.add("@acme/tool");
  await expect(bundles.write(["tool"])).rejects.toMatchObject({ code: "blocked" });
  expect(written).toEqual([]);
});

test("a loaded bundle is a plan: what runs, from where, and what has to be given anew", async () => {
  await bundles.write(["tool"]);
  const { servers, notes, packages } = await bundles.load(new ReadableStream(), new AbortController().signal);
  expect(packages).toEqual([PINNED.directory]);
  expect(servers).toMatchObject([
    { name: "tool", package: { directory: PINNED.directory }, missing: { env: ["API_KEY", "LOG_LEVEL"] } },
  ]);
  expect(servers[0]?.summary).toContain("runs: npx -y @acme/tool");
  expect(servers[0]?.summary).toContain("from: @acme/tool@1.0.0 of the bundle; no registry is asked");
  expect(notes).toEqual([
    "tool: had the variable API_KEY, whose value was not carried: give it with --env",
    "tool: had the variable LOG_LEVEL, whose value was not carried: give it with --env",
    "tool: had the brokered secret github, which was not carried",
  ]);
});

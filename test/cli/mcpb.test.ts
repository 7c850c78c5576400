// Which words of `add` name an MCP bundle, and what is sent for one.

import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMcpb, planMcpb } from "../../src/cli/mcpb.ts";
import type { McpbAdmin } from "../../src/control/mcpb.ts";
import { mcpbRoutes } from "../../src/http/api/mcpb.ts";
import type { PlanRequest } from "../../src/model/api.ts";
import type { McpbView } from "../../src/model/package-view.ts";
import { PackageScene } from "./package-scene.ts";

const VIEW: McpbView = {
  package: {
    ecosystem: "mcpb",
    name: "notes",
    version: "1.0.0",
    integrity: "sha256-x",
    directory: "mcpb/notes@1.0.0-0123456789ab",
    entry: "index.js",
    tree: "a".repeat(64),
  },
  questions: [
    {
      id: "key",
      title: "Key",
      description: "of \x1b[31mthe service",
      kind: "string",
      isRequired: true,
      isSecret: true,
      isMultiple: false,
      fallback: undefined,
      choices: [],
    },
    {
      id: "level",
      title: "",
      description: "",
      kind: "string",
      isRequired: false,
      isSecret: false,
      isMultiple: false,
      fallback: ["low"],
      choices: [],
    },
  ],
};
const REQUEST: PlanRequest = { words: ["notes.mcpb"], env: {}, read: [], write: [], allowHosts: [] };

let asked: unknown[];
const admin: McpbAdmin = {
  async take(archive, sha256) {
    asked.push(["take", Buffer.concat(await Array.fromAsync(archive)).toString(), sha256]);
    return VIEW;
  },
  async fetch(request) {
    asked.push(["fetch", request]);
    return VIEW;
  },
  async plan(request) {
    asked.push(["plan", request]);
    return { servers: [], notes: [] };
  },
};

let scene: PackageScene;
beforeAll(() => {
  scene = new PackageScene(mcpbRoutes(admin));
  writeFileSync(join(scene.home, "notes.mcpb"), "the bundle");
});
afterAll(() => scene.stop());
beforeEach(() => {
  asked = [];
});

test.each([
  [["notes.mcpb"], true],
  [["dir/Notes.MCPB"], true],
  [["old.dxt"], true],
  [["https://example.com/a/notes.mcpb?x=1#y"], true],
  [["https://example.com/notes"], false],
  [["notes.mcpb", "x"], false],
  [["npx"], false],
  [[], false],
])("%j: %p", (words, expected) => {
  expect(isMcpb(words)).toBe(expected);
});

test("a file is sent as it is; what is open is said; the plan is asked for with what was answered", async () => {
  const answers = { level: ["high"] };
  const ran = await scene.run(async (context) => {
    expect(await planMcpb(context, { ...REQUEST, answers, name: "n" }, undefined)).toEqual({
      servers: [],
      notes: [],
    });
  });
  expect(ran.talk).toBe("--answer key=… is needed (Key: of \\e[31mthe service)\n");
  expect(asked).toEqual([
    ["take", "the bundle", undefined],
    ["plan", { package: VIEW.package, env: {}, read: [], write: [], allowHosts: [], answers, name: "n" }],
  ]);
});

test("an address is fetched by the appliance; a hash goes with either", async () => {
  const url = "https://example.com/notes.mcpb";
  const sha256 = "b".repeat(64);
  await scene.run(async (context) => void (await planMcpb(context, { ...REQUEST, words: [url] }, sha256)));
  await scene.run(async (context) => void (await planMcpb(context, REQUEST, sha256)));
  expect(asked.filter((each) => Array.isArray(each) && each[0] !== "plan")).toEqual([
    ["fetch", { url, sha256 }],
    ["take", "the bundle", sha256],
  ]);
});

test("no file, and a hash that is none, are refused before anything is taken", async () => {
  const run = (words: string[], sha256?: string): Promise<unknown> =>
    scene.run(async (context) => void (await planMcpb(context, { ...REQUEST, words }, sha256)));
  await expect(run(["none.mcpb"])).rejects.toMatchObject({ code: "usage" });
  await expect(run(["notes.mcpb"], "short")).rejects.toMatchObject({ code: "invalid-params" });
  await expect(run(["https://x.example/y.mcpb"], "short")).rejects.toMatchObject({ code: "invalid-params" });
  expect(asked).toEqual([]);
});

// Files that people already have: added as they are, unknown keys named and kept, and nothing in them filled from the
// appliance's own environment.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import * as v from "valibot";
import { type Appliance, Crib } from "./appliance.ts";
import { everything, raw, small } from "./servers.ts";
import { serverNamesOf, serverOf, textOf } from "./views.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let appliance: Appliance;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve({ env: { CRIB_SECRET: "of-the-appliance" } });
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

function entry([command, ...args]: readonly string[], more: Readonly<Record<string, unknown>> = {}) {
  return { command, args, ...more };
}

async function save(name: string, document: unknown): Promise<string> {
  await writeFile(
    crib.file(name),
    typeof document === "string" ? document : JSON.stringify(document, null, 2),
  );
  return name;
}

test("mcpServers, with comments, trailing commas and keys that nobody knows", async () => {
  const env = {
    PLAIN: "as it is",
    FROM_HOME: "${HOME}/x",
    FROM_SECRET: "$CRIB_SECRET ${CRIB_SECRET} ${env:CRIB_SECRET}",
  };
  const text = `{
    // what a person wrote
    "mcpServers": {
      "claude": ${JSON.stringify(entry(everything(), { env, autoApprove: ["echo"], sparkle: true }))},
      "plain": ${JSON.stringify(entry(small("${HOME}", "$HOME")))},
    },
  }`;
  const added = await crib.run(["add", "--yes", await save("claude.json", text)]);

  expect(added).toMatchObject({ code: 0 });
  expect(await serverNamesOf(crib)).toEqual(["claude", "plain"]);
  for (const key of ["autoApprove", "sparkle"]) {
    expect(added.stdout + added.stderr).toContain(key);
    expect((await serverOf(crib, "claude")).unknownKeys).toContain(key);
  }
  const seen = v.parse(
    v.record(v.string(), v.string()),
    JSON.parse(textOf(await crib.json("call", "claude__get-env"))),
  );
  expect(seen).toMatchObject(env);
  expect((await serverOf(crib, "plain")).runs).toContain("${HOME}");
  // What was left as it is, is said.
  expect(added.stdout + added.stderr).toContain("${HOME}");
  expect(added.stdout + added.stderr).not.toContain("of-the-appliance");
});

test("VS Code's servers and inputs", async () => {
  const document = {
    inputs: [{ type: "promptString", id: "key", description: "the key", password: true }],
    servers: {
      code: { type: "stdio", ...entry(small()), env: { KEY: "${input:key}" }, dev: { watch: "src/**" } },
    },
  };
  const added = await crib.run(["add", "--yes", await save("mcp.json", document)]);

  expect(added).toMatchObject({ code: 0 });
  expect(await crib.ok("call", "code__pong")).toStartWith("pong ");
  expect((await serverOf(crib, "code")).unknownKeys).toContain("dev");
  expect(added.stdout + added.stderr).toContain("${input:key}");
});

test("from stdin", async () => {
  const stdin = JSON.stringify({ mcpServers: { piped: entry(small()) } });
  expect(await crib.run(["add", "--yes", "-"], { stdin })).toMatchObject({ code: 0 });
  expect(await serverNamesOf(crib)).toContain("piped");
});

test("one bad server of a file does not take the good one with it", async () => {
  const document = { mcpServers: { works: entry(small()), fails: entry(raw("exit-at-once")) } };
  const added = await crib.run(["add", "--yes", await save("mixed.json", document)]);

  expect(added.code).toBe(1);
  expect(added.stderr).toContain("missing API key");
  expect(await crib.ok("call", "works__pong")).toStartWith("pong ");
  await crib.run(["rm", "fails"]);
});

test("a name in use is a conflict, and what has it stays", async () => {
  const before = await serverOf(crib, "plain");
  const document = { mcpServers: { plain: entry(raw("echo")) } };
  const added = await crib.run(["add", "--yes", await save("again.json", document)]);
  expect(added.code).toBe(5);
  expect((await serverOf(crib, "plain")).runs).toBe(before.runs);
});

const wrong: Readonly<Record<string, { document: unknown; says: RegExp }>> = {
  "no servers in it": { document: { name: "something", version: 1 }, says: /mcpServers/ },
  "an empty list": { document: { mcpServers: {} }, says: /no server|empty/i },
  "an entry without command and url": { document: { mcpServers: { half: { args: ["x"] } } }, says: /half/ },
  "an entry of a wrong type": {
    document: { mcpServers: { half: { command: 7 } } },
    says: /half.*command|command.*half/s,
  },
  "an argument of a wrong type": {
    document: { mcpServers: { half: { command: "x", args: [{}] } } },
    says: /half/,
  },
  "a list where a map belongs": { document: { mcpServers: [] }, says: /mcpServers/ },
};
for (const [label, { document, says }] of Object.entries(wrong)) {
  test(`${label}: a sentence, and no server`, async () => {
    const before = await serverNamesOf(crib);
    const added = await crib.run(["add", "--yes", await save("wrong.json", document)]);
    expect(added.code).not.toBe(0);
    expect(added.stderr).toContain("wrong.json");
    expect(added.stderr).toMatch(says);
    expect(added.stderr).not.toMatch(/^\s+at |\[object /m);
    expect(await serverNamesOf(crib)).toEqual([...before]);
  });
}

test("without --yes and without a terminal nothing is added", async () => {
  const before = await serverNamesOf(crib);
  const added = await crib.run(["add", "--name", "asked", ...small()]);
  expect(added.code).not.toBe(0);
  expect(added.stderr).toContain("--yes");
  expect(await serverNamesOf(crib)).toEqual([...before]);
});

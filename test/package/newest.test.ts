// What is asked of a registry for each command line, and what is not.

import { expect, test } from "bun:test";
import type { StdioSpec } from "../../src/model/server-spec.ts";
import { findNewest } from "../../src/package/newest.ts";

const spec = (line: string): StdioSpec => {
  const [command = "", ...args] = line.split(" ");
  return { kind: "stdio", command, args, env: {}, cage: { read: [], write: [], network: [] }, extra: {} };
};

async function ask(line: string): Promise<readonly [string[], object]> {
  const asked: string[] = [];
  const answer = { version: "9.0.0", directory: "x" };
  const found = await findNewest(spec(line), {
    npm: async ({ packageSpec: { name, wanted } }) => (asked.push(`npm ${name} ${wanted}`), answer),
    pypi: async ({ packageSpec: { name, wanted } }) => (asked.push(`pypi ${name} ${wanted}`), answer),
  });
  return [asked, found];
}

test.each([
  ["npx -y tool", "npm tool latest", "latest", false],
  ["npx tool@next x", "npm tool next", "next", false],
  ["npx @acme/tool@^1", "npm @acme/tool ^1", "^1", false],
  ["npx tool@1.2.3", "npm tool latest", "1.2.3", true],
  ["uvx tool", "pypi tool latest", "latest", false],
  ["uvx tool@1.2.3", "pypi tool latest", "==1.2.3", true],
] as const)("%s asks %s", async (line, asked, wanted, isExact) => {
  expect(await ask(line)).toEqual([[asked], { wanted, isExact, version: "9.0.0", directory: "x" }]);
});

test.each(["/bin/cat", "node server.js", "docker run x"])("%s asks nobody", async (line) => {
  await expect(ask(line)).rejects.toMatchObject({ code: "usage" });
});

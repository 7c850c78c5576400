import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AddOptions, planRequest } from "../../src/cli/add-request.ts";

const directory = mkdtempSync(join(tmpdir(), "add-request-"));
afterAll(() => rmSync(directory, { recursive: true }));

const DOCUMENT = '{"mcpServers": {}}';
writeFileSync(join(directory, "mcp.json"), DOCUMENT);
writeFileSync(join(directory, "mcp.jsonc"), `// a comment\n${DOCUMENT}`);
writeFileSync(join(directory, "codex.toml"), "[mcp_servers.a]");
writeFileSync(join(directory, "noending"), `\n  ${DOCUMENT}`);
writeFileSync(join(directory, "server-everything"), "#!/bin/sh\n");
writeFileSync(join(directory, "empty"), "");
writeFileSync(join(directory, "large.json"), " ".repeat(1_048_577));
writeFileSync(join(directory, "latin.json"), Buffer.from([0x7b, 0xe9, 0x7d]));
mkdirSync(join(directory, "folder"));
mkdirSync(join(directory, "folder.json"));

const ask = (words: readonly string[], options: AddOptions = {}) =>
  planRequest(words, options, { cwd: directory, signal: new AbortController().signal });
const NOTHING = { env: {}, read: [], write: [], allowHosts: [] };

describe("what is a document", () => {
  test.each(["mcp.json", "mcp.jsonc", "noending", join(directory, "mcp.json")])("%s is", async (word) => {
    expect(await ask([word])).toMatchObject({
      document: { name: word, text: expect.stringContaining(DOCUMENT) },
    });
    expect(await ask([word])).not.toHaveProperty("words");
  });

  test.each([
    [["server-everything"]],
    [["empty"]],
    [["folder"]],
    [["@modelcontextprotocol/server-everything"]],
    [["https://example.com/mcp.json"]],
    [["npx", "mcp.json"]],
    [["mcp.json", "-y"]],
  ])("%j is not", async (words) => {
    expect(await ask(words)).toEqual({ words, ...NOTHING });
  });

  test.each([
    ["absent.json", "usage", "There is no file absent.json here."],
    ["folder.json", "usage", "There is no file folder.json here."],
    ["codex.toml", "usage", "TOML are not in this version"],
    ["large.json", "too-large", "more than 1048576 bytes"],
    ["latin.json", "usage", "not UTF-8"],
  ])("%s is refused: %s", async (word, code, words) => {
    await expect(ask([word])).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });
});

describe("options", () => {
  test("paths become absolute, times milliseconds, pairs a record", async () => {
    const request = await ask(["npx", "x"], {
      name: "files",
      env: ["A=1", "B=x=y", "C="],
      read: ["docs", "/srv"],
      write: ["."],
      allowHost: ["example.com:443"],
      startTimeout: "90",
      callTimeout: "5m",
    });
    expect(request).toEqual({
      words: ["npx", "x"],
      name: "files",
      env: { A: "1", B: "x=y", C: "" },
      read: [join(directory, "docs"), "/srv"],
      write: [directory],
      allowHosts: ["example.com:443"],
      startTimeoutMs: 90_000,
      callTimeoutMs: 300_000,
    });
  });

  test.each(["hunter2", "=hunter2", "A B=hunter2", "1A=hunter2", "ä=hunter2"])(
    "--env %s is refused unseen",
    async (pair) => {
      const refusal = await ask(["x"], { env: [pair] }).catch((error: unknown) => String(error));
      expect(refusal).toContain("--env wants NAME=value");
      expect(refusal).not.toContain("hunter2");
    },
  );
});

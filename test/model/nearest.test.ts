// The word that was probably meant, and no guess where none is good.

import { expect, test } from "bun:test";
import { nearest } from "../../src/model/nearest.ts";

const KEYS = ["command", "args", "env", "url", "headers", "mcpServers"];

test.each([
  ["comand", "command"],
  ["cmomand", "command"],
  ["COMMAND", "command"],
  ["arg", "args"],
  ["envs", "env"],
  ["mcp_servers", "mcpServers"],
  ["header", "headers"],
  ["x", undefined],
  ["", undefined],
  ["description", undefined],
  ["c".repeat(100_000), undefined],
] as const)("%s → %s", (word, expected) => {
  expect(nearest(word.slice(0), KEYS)).toBe(expected);
});

test("the first of equals wins, and no candidates is no answer", () => {
  expect(nearest("ab", ["ac", "ad"])).toBe("ac");
  expect(nearest("ab", [])).toBeUndefined();
});

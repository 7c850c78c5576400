// Merged names: the golden table (a name is forever: agents keep it in their settings), and what holds for all.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { MAX_MERGED_NAME, mergedName, serverOfMergedName } from "../../src/gateway/merged-names.ts";
import { ServerName } from "../../src/model/server-spec.ts";

const GOLDEN = join(import.meta.dir, "../golden/names/merged.tsv");

/** Server, tool as JSON, merged name. */
const rows = readFileSync(GOLDEN, "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split("\t"));

describe("golden", () => {
  test("has its rows", () => expect(rows.length).toBeGreaterThan(10));
  for (const [server = "", json = "", name = ""] of rows) {
    test(`${server} ${json}`, () => {
      const tool: unknown = JSON.parse(json);
      expect(mergedName(server, String(tool))).toBe(name);
    });
  }
});

const servers = fc
  .stringMatching(/^[a-z0-9][a-z0-9_-]{0,38}[a-z0-9]$|^[a-z0-9]$/)
  .filter((name) => v.is(ServerName, name));
const tools = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
  fc.string({ maxLength: 100 }),
  fc.string({ unit: "grapheme", maxLength: 100 }),
  fc.constantFrom("", "_", "__", "a__b", "a.b", "a/b", "x".repeat(200)),
);

describe("whatever the server calls its tool", () => {
  test("the name fits what model APIs take, says whose it is, and is always the same", () => {
    fc.assert(
      fc.property(servers, tools, (server, tool) => {
        const name = mergedName(server, tool);
        expect(name).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(name.length).toBeLessThanOrEqual(MAX_MERGED_NAME);
        expect(name.startsWith(`${server}__`)).toBe(true);
        expect(serverOfMergedName(name)?.server).toBe(server);
        expect(mergedName(server, tool)).toBe(name);
      }),
    );
  });

  test("a name that fits is used as it is", () => {
    fc.assert(
      fc.property(servers, fc.stringMatching(/^[A-Za-z0-9_-]{1,22}$/), (server, tool) => {
        expect(mergedName(server, tool)).toBe(`${server}__${tool}`);
      }),
    );
  });

  test("two tools do not become one, of one server or of two", () => {
    const pair = fc.tuple(servers, tools);
    fc.assert(
      fc.property(pair, pair, ([serverA, toolA], [serverB, toolB]) => {
        fc.pre(serverA !== serverB || toolA !== toolB);
        expect(mergedName(serverA, toolA)).not.toBe(mergedName(serverB, toolB));
      }),
    );
    // And where they differ only after the cut, or only in what is replaced.
    const long = "x".repeat(80);
    const names = [`${long}a`, `${long}b`, "a.b", "a/b", "a b", "a_b"].map((tool) =>
      mergedName("files", tool),
    );
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("the server of a name", () => {
  test.each([
    ["files__read", { server: "files", rest: "read" }],
    ["a___b", { server: "a", rest: "_b" }],
    ["a__b__c", { server: "a", rest: "b__c" }],
    ["files__", { server: "files", rest: "" }],
    ["__read", undefined],
    ["read", undefined],
    ["", undefined],
  ] as const)("%s", (name, wanted) => {
    expect(serverOfMergedName(name)).toEqual(wanted);
  });
});

// Where paths lead, and which of them a server can turn into something else.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leadOf, liesInOneOf } from "../../src/cage/lead.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "tc-lead-")));
afterAll(() => rmSync(root, { recursive: true }));
const at = (path: string): string => join(root, path);
const link = (path: string, to: string): void => symlinkSync(to, at(path));
for (const path of ["written/sub/deep", "other", "home/secrets"]) mkdirSync(at(path), { recursive: true });
link("alias", "written");
link("written/inside", "sub/deep");
link("written/outside", at("home/secrets"));
link("written/sub/up", "../../home/secrets");
link("written/round", at("loop"));
link("loop", at("written/round"));
link("other/back", at("written/sub"));
link("detour", at("written/outside"));

describe("leadOf", () => {
  test.each([
    ["a directory", "written/sub", "written/sub"],
    ["an alias of the administrator's", "alias/sub", "written/sub"],
    ["a link that stays inside", "written/inside", "written/sub/deep"],
    ["a link into it", "other/back/deep", "written/sub/deep"],
    ["a link that leads out", "written/outside", undefined],
    ["the same, by an alias", "alias/outside", undefined],
    ["the same, by another link", "detour", undefined],
    ["a part that leads out", "written/sub/up", undefined],
  ])("%s", (_what, path, expected) => {
    const lead = leadOf(at(path), [at("written"), at("nowhere")]);
    expect(lead).toBe(expected === undefined ? undefined : at(expected));
    // Where nobody else writes, a link is the administrator's own.
    expect(leadOf(at(path), [at("home")])).toBe(realpathSync(at(path)));
  });

  test("what is granted by an alias counts as well", () => {
    expect(leadOf(at("written/outside"), [at("alias")])).toBeUndefined();
  });

  test("a circle of links, and what is not there, are errors", () => {
    expect(() => leadOf(at("loop"), [at("written")])).toThrow("Too many links");
    expect(() => leadOf(at("written/nothing"), [])).toThrow("ENOENT");
  });
});

test("liesInOneOf", () => {
  const inOne = (path: string): boolean => liesInOneOf([at("alias"), at("nowhere")], at(path));
  expect([inOne("written"), inOne("written/sub"), inOne("written-too"), inOne("other")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

// What the documents say of names, places and numbers, held against the program: a page that went stale fails here.

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError, type ErrorCode } from "../../src/errors.ts";
import { paths } from "../../src/paths.ts";
import { SETTING_NAMES } from "../../src/settings.ts";

const root = join(import.meta.dir, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const PAGES = ["README.md", "docs/decisions.md", "docs/operating.md", "docs/security.md"];

/** The cells of each row of the table that begins with this heading, without marks of code. */
function table(page: string, heading: string): readonly (readonly string[])[] {
  const lines = read(page).split("\n");
  const start = lines.findIndex((line) => line.startsWith("|") && line.split("|")[1]?.trim() === heading);
  const rows = lines.slice(start + 2, lines.indexOf("", start));
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

test("every setting is in operating.md, with its default", () => {
  expect(table("docs/operating.md", "toolcrib.toml").map(([key, fallback]) => [key, fallback])).toEqual(
    SETTING_NAMES.map(({ fileKey, fallback }) => [fileKey, fallback]),
  );
});

test("exit codes in operating.md are those of the program", () => {
  const documented = new Set(table("docs/operating.md", "code").map(([code]) => Number(code)));
  const codes: readonly ErrorCode[] = [
    "usage",
    "internal",
    "unreachable",
    "denied",
    "conflict",
    "bad-configuration",
    "interrupted",
  ];
  expect([...documented].toSorted()).toEqual(
    [0, ...codes.map((code) => new AppError(code, "").exitCode)].toSorted(),
  );
});

test("places in README.md are those of the program", () => {
  const service = paths({}, 0);
  const user = paths({ HOME: "/home/a", XDG_RUNTIME_DIR: "/run/user/1" }, 1000);
  const short = (path: string): string =>
    path.replace("/home/a", "~").replace("/run/user/1", "$XDG_RUNTIME_DIR");
  const places = new Map(table("README.md", "").map(([what = "", ...where]) => [what, where]));
  for (const [what, key] of [
    ["settings", "settingsFile"],
    ["data", "data"],
    ["cache", "cache"],
    ["admin socket", "socket"],
  ] as const) {
    expect(places.get(what)?.[0]).toBe(service[key]);
    expect(places.get(what)?.[1]?.replace(/, .*/, "")).toBe(short(user[key]));
  }
});

test("snippets for agents are well-formed and name the URL", () => {
  const snippets = [...read("README.md").matchAll(/```(json|toml)\n(.*?)```/gs)];
  expect(snippets.map(([, language]) => language)).toEqual(["json", "json", "toml"]);
  for (const [, language, text = ""] of snippets) {
    const parsed: unknown = language === "json" ? JSON.parse(text) : Bun.TOML.parse(text);
    expect(JSON.stringify(parsed)).toContain('"url":"http://127.0.0.1:7700/mcp"');
  }
});

test("metrics in operating.md are those of /metrics", () => {
  const source = read("src/http/metrics.ts");
  const documented = [...read("docs/operating.md").matchAll(/`((?:toolcrib|process)_[a-z_]+)/g)].map(
    ([, name]) => name,
  );
  const named = [...source.matchAll(/name: "((?:toolcrib|process)_[a-z_]+)"/g)].map(([, name]) => name);
  expect(new Set(documented)).toEqual(new Set(named));
});

describe("links lead somewhere", () => {
  test.each(PAGES)("%s", (page) => {
    const targets = [...read(page).matchAll(/\]\(([^)#:]+)\)/g)].map(([, target = ""]) => target);
    expect(targets.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([]);
  });
});

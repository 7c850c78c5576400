// Spellings of a package, and those that are none.

import { expect, test } from "bun:test";
import {
  exactVersion,
  normalizeName,
  parseRequirement,
  requirementText,
} from "../../src/package/pypi-requirement.ts";

test.each([
  ["pkg", "pkg", [], "latest"],
  [" pkg ", "pkg", [], "latest"],
  ["Pkg_Name.x-1", "Pkg_Name.x-1", [], "latest"],
  ["pkg@latest", "pkg", [], "latest"],
  ["pkg@1.2", "pkg", [], "==1.2"],
  ["pkg@2026.1.26", "pkg", [], "==2026.1.26"],
  ["pkg==1.2.3", "pkg", [], "==1.2.3"],
  ["pkg == 1.2.*", "pkg", [], "==1.2.*"],
  ["pkg>=1, <2", "pkg", [], ">=1,<2"],
  ["pkg~=1.4", "pkg", [], "~=1.4"],
  ["pkg[cli]", "pkg", ["cli"], "latest"],
  ["pkg[cli, more]!=1.0", "pkg", ["cli", "more"], "!=1.0"],
  ["pkg[cli]@1.0+cu118", "pkg", ["cli"], "==1.0+cu118"],
  ["pkg==1!2.0rc1", "pkg", [], "==1!2.0rc1"],
] as const)("%j", (text, name, extras, wanted) => {
  const parsed = parseRequirement(text);
  expect(parsed).toEqual({ name, extras: [...extras], wanted });
  // What goes into a file of requirements means the same again.
  if (parsed !== undefined) expect(parseRequirement(requirementText(parsed))).toEqual(parsed);
});

test.each([
  "",
  "-r",
  "--index-url",
  "-e .",
  "./pkg",
  "/abs/pkg",
  "pkg/",
  "pkg.whl @ file:///x",
  "git+https://example.com/x.git",
  "https://example.com/x.whl",
  "pkg @ https://example.com/x.whl",
  "pkg; python_version > '3'",
  "pkg[",
  "pkg[]",
  "pkg==",
  "pkg>=1,",
  "pkg==1 --hash=sha256:x",
  "pkg\n--index-url=http://x",
  "pkg==1\nother",
  ".pkg",
  "pkg-",
  "a b",
  "x".repeat(301),
])("%j is none", (text) => {
  expect(parseRequirement(text)).toBeUndefined();
});

test.each([
  ["==1.2.3", "1.2.3"],
  ["===1.2", "1.2"],
  ["==1.2.*", undefined],
  ["==1.2,!=1.3", undefined],
  [">=1", undefined],
  ["latest", undefined],
])("exact version of %s: %p", (wanted, expected) => {
  expect(exactVersion(wanted)).toBe(expected);
});

test("a name has one spelling", () => {
  expect(normalizeName("Awslabs.Core__MCP-._server")).toBe("awslabs-core-mcp-server");
});

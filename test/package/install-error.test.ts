// What the installer prints, as it was seen, and the sentence that a person gets.

import { expect, test } from "bun:test";
import { installError } from "../../src/package/install-error.ts";

const WANTED = { name: "@acme/tool", wanted: "9.9.9" };

const ROWS: readonly (readonly [string, string, "install-failed" | "no-space"])[] = [
  [
    "error: GET https://npm.example.com/@acme%2ftool - 404",
    "There is no package @acme/tool in the registry",
    "install-failed",
  ],
  [
    "error: GET https://npm.example.com/left-out - 404\nerror: left-out@^1 failed to resolve",
    "@acme/tool@9.9.9 needs the package left-out, which is not in the registry",
    "install-failed",
  ],
  [
    'error: No version matching "9.9.9" found for specifier "@acme/tool" (but package exists)',
    "The package @acme/tool has no version 9.9.9",
    "install-failed",
  ],
  [
    'error: No version matching "^7" found for specifier "other" (but package exists)',
    "The package other, which @acme/tool@9.9.9 needs, has no version ^7",
    "install-failed",
  ],
  [
    'error: Package "@acme/tool" with tag "nightly" not found, but package exists',
    "The package @acme/tool has no tag nightly",
    "install-failed",
  ],
  [
    "error: GET https://npm.example.com/@acme%2ftool - 401",
    "refuses @acme/tool@9.9.9 (HTTP 401)",
    "install-failed",
  ],
  ["error: GET https://npm.example.com/@acme%2ftool - 500", "answered HTTP 500", "install-failed"],
  ["error: ConnectionRefused downloading package manifest @acme/tool", "cannot be reached", "install-failed"],
  [
    "error: Integrity check failed for tarball: other",
    "other, which @acme/tool@9.9.9 needs, is not the one",
    "install-failed",
  ],
  ["ENOSPC: copying file dist/index.js\nENOSPC: failed copying files", "The disk is full", "no-space"],
  ["error: NoSpaceLeft writing lockfile", "The disk is full", "no-space"],
  ["something odd\nerror: it broke\nmore", "could not be installed: it broke", "install-failed"],
  ["", "the installer ended without a word", "install-failed"],
];

test.each(ROWS)("%j", (output, expected, code) => {
  const error = installError(WANTED, output);
  expect(error.code).toBe(code);
  expect(error.message).toContain(expected);
  expect(error.message).not.toContain("\n");
});

test.each([
  "error: GET https://joe:sekret@npm.example.com/@acme%2ftool?token=sekret - 403",
  "error: odd reply, _authToken=sekret",
  "error: odd reply, Authorization: Bearer sekret",
  "error: odd reply from https://joe:sekret@npm.example.com/?sekret",
])("no secret: %s", (output) => {
  expect(installError(WANTED, output).message).not.toContain("sekret");
});

test("no dump, and nothing that acts on a terminal", () => {
  const { message } = installError(WANTED, `error: \x1b[31m${"x".repeat(50_000)}`);
  expect(message.length).toBeLessThan(400);
  expect(message).not.toContain("\x1b");
});

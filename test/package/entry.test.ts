// Which entries run in this executable, and which by themselves.

import { expect, test } from "bun:test";
import { entryKind } from "../../src/package/entry.ts";

test.each([
  ["#!/usr/bin/env node\nx", { kind: "script" }],
  ["#!/usr/bin/env -S node --no-warnings\r\nx", { kind: "script" }],
  ["#!/usr/bin/env -S FOO=1 node\n", { kind: "script" }],
  ["#!/usr/local/bin/node", { kind: "script" }],
  ["#! /usr/bin/env bun\n", { kind: "script" }],
  ["console.log(1)", { kind: "script" }],
  ["", { kind: "script" }],
  ["#!/bin/sh\nexec node x", { kind: "direct", interpreter: "/bin/sh" }],
  ["#!/usr/bin/env python3\n", { kind: "direct", interpreter: "python3" }],
  ["#!/usr/bin/env\n", { kind: "direct", interpreter: "" }],
  ["#!/usr/bin/env nodemon\n", { kind: "direct", interpreter: "nodemon" }],
  ["\x7fELF\x02\x01", { kind: "direct", interpreter: undefined }],
] as const)("%j", (head, expected) => {
  expect(entryKind(head)).toEqual(expected);
});

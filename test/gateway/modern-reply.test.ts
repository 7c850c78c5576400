// What revision 2026-07-28 demands of a result is put on it, and nothing else of it changes.

import { describe, expect, test } from "bun:test";
import { ModernReply } from "../../src/gateway/modern-reply.ts";
import { META } from "../../src/model/protocol.ts";
import type { Piece } from "../../src/wire/compose.ts";
import { bytes, recordingReply } from "./lab.ts";

const SERVER = '{"name":"s","version":"1"}';
const INFO = { [META.serverInfo]: { name: "s", version: "1" } };
const COMPLETE = { resultType: "complete", _meta: INFO };

function stamped(ttlMs: number | undefined, ...pieces: readonly Piece[]): string {
  const outer = recordingReply();
  new ModernReply(outer, SERVER, ttlMs).result(...pieces);
  return outer.resultText;
}

describe("a result", () => {
  test.each([
    ["of an empty object", "{}", COMPLETE],
    ["of an empty object with room in it", " { } ", COMPLETE],
    ["of an object", '{"content":[]}', { ...COMPLETE, content: [] }],
    [
      "that says its type itself",
      '{"resultType":"input_required","inputRequests":{}}',
      { resultType: "input_required", inputRequests: {}, _meta: INFO },
    ],
    ["that has _meta already", '{"_meta":{"mine":1}}', { resultType: "complete", _meta: { mine: 1 } }],
    [
      "that only speaks about these words",
      '{"content":[{"text":"\\"resultType\\"","resultType":"x","_meta":{}}]}',
      { ...COMPLETE, content: [{ text: '"resultType"', resultType: "x", _meta: {} }] },
    ],
  ])("%s", (_about, result, wanted) => {
    expect(JSON.parse(stamped(undefined, bytes(result)))).toEqual(wanted);
    // However it is handed over.
    expect(JSON.parse(stamped(undefined, result))).toEqual(wanted);
  });

  test("that may be kept says for how long, and for whom", () => {
    expect(JSON.parse(stamped(10_000, '{"tools":', bytes("[1]"), "}"))).toEqual({
      ...COMPLETE,
      ttlMs: 10_000,
      cacheScope: "private",
      tools: [1],
    });
    expect(JSON.parse(stamped(0, bytes('{"contents":[]}')))).toMatchObject({
      ttlMs: 0,
      cacheScope: "private",
    });
    expect(JSON.parse(stamped(0, bytes('{"ttlMs":5,"cacheScope":"public"}')))).toMatchObject({
      ttlMs: 5,
      cacheScope: "public",
    });
    expect(JSON.parse(stamped(undefined, bytes("{}")))).not.toContainKey("ttlMs");
  });

  test("that has it all is handed on as it is", () => {
    const whole = '{"resultType":"complete","_meta":{},"ttlMs":1,"cacheScope":"private","x":1.0}';
    expect(stamped(7, bytes(whole))).toBe(whole);
  });

  test("keeps its own bytes", () => {
    const odd = '{"big":9007199254740993, "one":1.0,"minusZero":-0,"twice":1,"twice":2,"é":"\\u00e9"}';
    expect(stamped(undefined, bytes(odd)).endsWith(odd.slice(1))).toBe(true);
  });

  test.each(["[]", "7", '"text"', "null"])("that is no object (%s) is handed on as it is", (result) => {
    expect(stamped(undefined, bytes(result))).toBe(result);
  });

  test("of nothing is an empty one", () => {
    expect(JSON.parse(stamped(undefined))).toEqual(COMPLETE);
  });
});

test("all that is no result passes through", () => {
  const outer = recordingReply();
  const reply = new ModernReply(outer, SERVER, 1);
  reply.notify("notifications/progress", bytes('{"a":1.0}'));
  reply.refuse({ code: -32602, message: "no" });
  reply.serverError(bytes('{"code":1,"x":1.0}'));
  reply.drop();
  expect(outer.said).toEqual([
    { kind: "notify", method: "notifications/progress", params: '{"a":1.0}' },
    { kind: "refuse", refusal: { code: -32602, message: "no" } },
    { kind: "serverError", text: '{"code":1,"x":1.0}' },
    { kind: "drop" },
  ]);
});

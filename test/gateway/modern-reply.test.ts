// What revision 2026-07-28 demands of a result is put on it, and nothing else of it changes.

import { describe, expect, test } from "bun:test";
import { ModernReply } from "../../src/gateway/modern-reply.ts";
import { META } from "../../src/model/protocol.ts";
import type { Piece } from "../../src/wire/compose.ts";
import { bytes, recordingReply, type RecordingReply } from "./lab.ts";

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

describe("an error of the server", () => {
  const asked = (isRead: boolean, error: string): RecordingReply => {
    const outer = recordingReply();
    new ModernReply(outer, SERVER, undefined, isRead).serverError(bytes(error));
    return outer;
  };

  test.each([
    [true, '{"code":-32002,"message":"no -32002","data":{"uri":"a:b","x":1.0}}', "-32602"],
    [true, '{ "message":"no" , "code" : -32002 }', "-32602"],
    // The meaning of this code is that of one method.
    [false, '{"code":-32002,"message":"mine"}', "-32002"],
    [true, '{"code":-32603,"message":"-32002"}', "-32603"],
    [true, '{"message":"no code"}', undefined],
  ])("(a read: %p) %s has code %s", (isRead, error, code) => {
    const wanted = code === undefined ? error : error.replace(/(?<="code" ?: ?)-?\d+/, code);
    expect(asked(isRead, error).said).toEqual([{ kind: "serverError", text: wanted }]);
  });

  test("that it has no such method is 404", () => {
    const statuses: (number | undefined)[] = [];
    const outer = recordingReply();
    outer.serverError = (_value, httpStatus) => void statuses.push(httpStatus);
    const reply = new ModernReply(outer, SERVER, undefined);
    for (const code of ["-32601", "-32602", "404"])
      reply.serverError(bytes(`{"code":${code},"message":"-32601"}`));
    expect(statuses).toEqual([404, undefined, undefined]);
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

// What is looked for in an agent's params: where the deciding values stand, and what is refused.

import { describe, expect, test } from "bun:test";
import { agentRequest, stringParam } from "../../src/gateway/agent-request.ts";
import type { Found } from "../../src/wire/json-scan.ts";
import { bytes, requestOf, text } from "./lab.ts";

const read = (params: string) => agentRequest(bytes("1"), "tools/call", bytes(params));

describe("params", () => {
  test("that are not there have nothing in them", () => {
    const request = requestOf("tools/list");
    expect([request.params, request.name, request.uri, request.meta, request.progressToken]).toEqual(
      Array(5).fill(undefined),
    );
    expect(stringParam(request, { start: 0, end: 1 })).toBeUndefined();
  });

  test.each([
    ['{"name":"read","arguments":{"name":"x"},"uri":"a:b"}', "read", "a:b"],
    ['{ "uri" : "\\u0061:b" , "name" : "r\\u00e9ad" }', "réad", "a:b"],
    ['{"n\\u0061me":"read"}', "read", undefined],
    ['{"name":7,"uri":null}', undefined, undefined],
    ['{"name":{"name":"x"},"uri":["a"]}', undefined, undefined],
    ["{}", undefined, undefined],
    ['{"name":""}', "", undefined],
  ])("%s", (params, name, uri) => {
    const request = requestOf("tools/call", params);
    expect(stringParam(request, request.name)).toBe(name);
    expect(stringParam(request, request.uri)).toBe(uri);
  });

  test.each([
    ['{"name":"allowed","name":"denied"}', 'the member "name" of params stands twice'],
    ['{"name":"allowed","n\\u0061me":"denied"}', 'the member "name" of params stands twice'],
    ['{"uri":"a","uri":"b"}', 'the member "uri" of params stands twice'],
    ['{"_meta":{},"x":1,"_meta":{}}', 'the member "_meta" of params stands twice'],
    ["[]", '"params" is not an object'],
    ['{"a":1', '"params" is not an object'],
  ])("%s is refused", (params, problem) => {
    expect(read(params)).toBe(problem);
  });

  test("may have other members twice: they decide nothing here", () => {
    expect(typeof read('{"arguments":{},"arguments":{"name":"x","name":"y"}}')).toBe("object");
  });
});

describe("a progress token", () => {
  const tokenOf = (params: string): string | undefined => {
    const { progressToken, params: raw } = requestOf("tools/call", params);
    return progressToken && raw && text(raw.subarray(progressToken.start, progressToken.end));
  };
  test.each([
    ['{"_meta":{"progressToken":7}}', "7"],
    ['{"_meta":{"progressToken":-1.5e3}}', "-1.5e3"],
    ['{"_meta":{"progressToken":"a \\"b\\" é"}}', '"a \\"b\\" é"'],
    ['{"_meta":{"progressToken":""}}', '""'],
    ['{"_meta":{"progressToken":9007199254740993}}', "9007199254740993"],
    ['{"_meta" : { "other":[{"progressToken":1}], "progressToken" : "x" } , "name":"n"}', '"x"'],
    ['{"_meta":{"progressToken":null}}', undefined],
    ['{"_meta":{"progressToken":true}}', undefined],
    ['{"_meta":{"progressToken":{"a":1}}}', undefined],
    ['{"_meta":{"progressToken":[7]}}', undefined],
    ['{"_meta":{}}', undefined],
    ['{"_meta":"progressToken"}', undefined],
    ['{"_meta":[{"progressToken":1}]}', undefined],
    ['{"progressToken":1}', undefined],
    ['{"arguments":{"_meta":{"progressToken":1}}}', undefined],
  ])("of %s is %p", (params, token) => {
    expect(tokenOf(params)).toBe(token);
  });
});

test("positions are those of the very bytes that are forwarded", () => {
  const params = '{"é":"😀","name":"read","_meta":{"progressToken":7}}';
  const request = requestOf("tools/call", params);
  const at = (found: Found | undefined): string =>
    found === undefined ? "" : text((request.params ?? new Uint8Array()).subarray(found.start, found.end));
  expect([request.name, request.meta, request.progressToken].map(at)).toEqual([
    '"read"',
    '{"progressToken":7}',
    "7",
  ]);
});

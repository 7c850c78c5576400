// The kinds of message, cut out without parsing; and everything that is refused, with the reason it gives.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { readEnvelope } from "../../src/wire/envelope.ts";
import { textOf } from "../../src/wire/json-scan.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The envelope with its slices as text. */
function read(text: string): Record<string, unknown> {
  const bytes = bytesOf(text);
  const envelope = readEnvelope(bytes);
  return Object.fromEntries(
    Object.entries(envelope).map(([key, value]: [string, unknown]) => {
      if (value instanceof Uint8Array) return [key, textOf(value, 0, value.length)];
      if (typeof value !== "object" || value === null || !("start" in value) || !("end" in value))
        return [key, value];
      return [key, textOf(bytes, Number(value.start), Number(value.end))];
    }),
  );
}

describe("readEnvelope", () => {
  test.each([
    [
      '{"jsonrpc":"2.0","id":1,"method":"ping"}',
      { kind: "request", id: "1", method: "ping", params: undefined },
    ],
    [
      ' { "params" : { "a" : [ 1 ] } , "method" : "a/b" , "id" : "x\\"" , "jsonrpc" : "2.0" } \n',
      { kind: "request", id: '"x\\""', method: "a/b", params: '{ "a" : [ 1 ] }' },
    ],
    [
      '{"jsonrpc":"2.0","id":-1.5e3,"method":"m"}',
      { kind: "request", id: "-1.5e3", method: "m", params: undefined },
    ],
    [
      '{"jsonrpc":"2.0","\\u0069d":1,"m\\u0065thod":"\\u0070ing"}',
      { kind: "request", id: "1", method: "ping", params: undefined },
    ],
    ['{"jsonrpc":"2.0","method":"n","params":{}}', { kind: "notification", method: "n", params: "{}" }],
    [
      '{"jsonrpc":"2.0","id":7,"result":{"id":8,"error":1}}',
      { kind: "result", id: "7", value: '{"id":8,"error":1}' },
    ],
    ['{"jsonrpc":"2.0","id":7,"result":1}', { kind: "result", id: "7", value: "1" }],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":1}}', { kind: "error", id: "null", value: '{"code":1}' }],
    ['{"jsonrpc":"2.0","id":7,"result":{},"more":{"id":9},"x":[]}', { kind: "result", id: "7", value: "{}" }],
  ])("%s", (text, wanted) => expect(read(text)).toEqual(wanted));

  test.each([
    ["", "not a JSON object"],
    ["[]", "not a JSON object"],
    ["42", "not a JSON object"],
    ["Debugger attached.", "not a JSON object"],
    ["{", "not a complete JSON object"],
    ['{"jsonrpc":"2.0","id":1,"result":{}', "not a complete JSON object"],
    ['{"jsonrpc":"2.0","id":1,"result":{}} {}', "text after the message"],
    ['{"jsonrpc":"2.0","id":1,"result":{}}x', "text after the message"],
    ['{"id":1,"result":{}}', '"jsonrpc" is not "2.0"'],
    ['{"jsonrpc":"1.0","id":1,"result":{}}', '"jsonrpc" is not "2.0"'],
    ['{"jsonrpc":2.0,"id":1,"result":{}}', '"jsonrpc" is not "2.0"'],
    ['{"jsonrpc":"2.0"}', 'neither "method" nor "id"'],
    ['{"jsonrpc":"2.0","id":1}', 'one of "result" and "error"'],
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', 'one of "result" and "error"'],
    ['{"jsonrpc":"2.0","id":1,"error":"no"}', '"error" is not an object'],
    ['{"jsonrpc":"2.0","result":{}}', 'neither "method" nor "id"'],
    ['{"jsonrpc":"2.0","id":1,"method":"m","result":{}}', "both a request and a response"],
    ['{"jsonrpc":"2.0","id":1,"method":5}', '"method" is not a string'],
    ['{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}', '"params" is not an object'],
    ['{"jsonrpc":"2.0","id":1,"method":"m","params":null}', '"params" is not an object'],
    ['{"jsonrpc":"2.0","id":null,"method":"m"}', '"id" is neither'],
    ['{"jsonrpc":"2.0","id":{},"method":"m"}', '"id" is neither'],
    ['{"jsonrpc":"2.0","id":true,"method":"m"}', '"id" is neither'],
    ...["jsonrpc", "id", "method", "params", "result", "error"].map((key): [string, string] => [
      `{"jsonrpc":"2.0","id":1,"method":"m","${key}":{},"${key}":{}}`,
      "stands twice",
    ]),
  ])("%s is refused: %s", (text, problem) => {
    const envelope = readEnvelope(bytesOf(text));
    if (envelope.kind !== "bad") throw new Error(`it was taken as a ${envelope.kind}`);
    expect(envelope.problem).toContain(problem);
  });

  test.each([
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', "1"],
    ['{"jsonrpc":"2.0","id":"a"}', '"a"'],
    ['{"jsonrpc":"2.0","id":1,"error":"no"}', "1"],
    ['{"jsonrpc":"2.0","id":1,"id":2,"result":{}}', undefined],
    ['{"jsonrpc":"2.0","id":1,"method":"a","result":{}}', undefined],
  ])("a spoilt answer still says whose it is, where that is certain: %s", (text, id) => {
    const envelope = readEnvelope(bytesOf(text));
    if (envelope.kind !== "bad") throw new Error(`it was taken as a ${envelope.kind}`);
    expect(envelope.id && textOf(envelope.id, 0, envelope.id.length)).toBe(id);
  });

  test("cuts out what JSON.parse reads, in any order of members", () => {
    const members = fc.shuffledSubarray(["jsonrpc", "id", "result", "extra"], { minLength: 4 });
    fc.assert(
      fc.property(members, fc.jsonValue(), fc.integer(), fc.jsonValue(), (order, result, id, extra) => {
        const values: Record<string, unknown> = { jsonrpc: "2.0", id, result, extra };
        const text = `{${order.map((key) => `"${key}":${JSON.stringify(values[key])}`).join(" , ")}}`;
        expect(read(text)).toEqual({ kind: "result", id: String(id), value: JSON.stringify(result) });
      }),
    );
  });

  test("answers something to any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(readEnvelope(bytes).kind).toBe("bad");
      }),
    );
  });

  test("takes time in proportion to the message, not to its square", () => {
    const text = `{"jsonrpc":"2.0","id":1,"result":{}${',"a":1'.repeat(300_000)}}`;
    expect(readEnvelope(bytesOf(text)).kind).toBe("result");
  });
});

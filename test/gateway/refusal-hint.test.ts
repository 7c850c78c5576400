// The bytes around what is put into a server's answer are those that the server sent.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { refusalHint, withSentence, withTextBlock } from "../../src/gateway/refusal-hint.ts";
import { bytes, text } from "./lab.ts";

const HINT = 'The cage refused "é"\n\\ :443';

test("one block more in any result with content, and not a byte of it changed", () => {
  const results = fc.record({
    before: fc.jsonValue(),
    content: fc.array(fc.jsonValue(), { maxLength: 4 }),
    after: fc.jsonValue(),
  });
  fc.assert(
    fc.property(results, fc.constantFrom("", " ", "\n"), ({ before, content, after }, space) => {
      const list = `[${space}${content.map((each) => JSON.stringify(each)).join(`${space},`)}${space}]`;
      const sent = `{"before":${JSON.stringify(before)},"content":${list},"after":${JSON.stringify(after)}}`;
      const got = text(withTextBlock(bytes(sent), HINT));
      const at = sent.indexOf(`,"after":${JSON.stringify(after)}}`) - 1;
      expect(got.startsWith(sent.slice(0, at))).toBe(true);
      expect(got.endsWith(sent.slice(at))).toBe(true);
      expect(JSON.parse(got)).toEqual({
        ...JSON.parse(sent),
        content: [...JSON.parse(list), { type: "text", text: HINT }],
      });
    }),
  );
});

test("one sentence more in any error with a message", () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), (message, data) => {
      const sent = JSON.stringify({ code: -1, message, data });
      expect(JSON.parse(text(withSentence(bytes(sent), HINT)))).toEqual({
        ...JSON.parse(sent),
        message: `${message} ${HINT}`,
      });
    }),
  );
});

test.each(["{}", '{"message":7}', '{"code":1}', "[]", "{"])("an error like %s stays as it is", (sent) => {
  expect(text(withSentence(bytes(sent), HINT))).toBe(sent);
});

test("nothing refused, nothing said", () => {
  expect(refusalHint("files", [])).toBeUndefined();
});

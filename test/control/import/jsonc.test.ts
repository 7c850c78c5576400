// What is JSON with comments, what is not, and where it stops being that.

import { describe, expect, test } from "bun:test";
import { parseJsonc } from "../../../src/control/import/jsonc.ts";
import { AppError } from "../../../src/errors.ts";

function failure(text: string): AppError {
  try {
    parseJsonc("x.json", text);
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

describe("read", () => {
  test.each([
    ["{}", {}],
    ["\uFEFF [1, -2.5e+3, true, false, null]", [1, -2500, true, false, null]],
    ['{ "a": 1, "b": [2, 3,], }', { a: 1, b: [2, 3] }],
    ['// first\n{ /* a */ "a" /* b */ : // c\n 1 /* d */, } // last', { a: 1 }],
    ['{ "url": "http://x//y", "c": "/* no */" }', { url: "http://x//y", c: "/* no */" }],
    [String.raw`"\" \\ \/ \b\f\n\r\t é 日本"`, '" \\ / \b\f\n\r\t é 日本'],
    ['"\ud83d\ude42"', "🙂"],
    ['\r\n{\r\n"a"\r\n:\r\n1\r\n}\r\n', { a: 1 }],
  ])("%j", (text, expected) => {
    expect(parseJsonc("x.json", text).value).toEqual(expected);
  });

  test("a key is only a key", () => {
    const { value } = parseJsonc("x.json", '{ "__proto__": { "polluted": 1 }, "constructor": 2 }');
    expect(Object.keys(value ?? {})).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test("as JSON.parse does, whatever the value", () => {
    const value = { a: [1, { b: 'x\n\u2028"\\' }, []], "": null, c: -0.1 };
    for (const indent of [undefined, 2]) {
      expect(parseJsonc("x.json", JSON.stringify(value, undefined, indent)).value).toEqual(value);
    }
  });
});

describe("refused", () => {
  test.each([
    ["", 1, 1, "a value is expected; the document ends here"],
    ["\n\n  ", 3, 3, "a value is expected"],
    ["{", 1, 2, 'a key in double quotes or "}" is expected'],
    ['{ "a": 1\n  "b": 2 }', 2, 3, '"," or "}" is expected'],
    ["[1\n2]", 2, 1, '"," or "]" is expected'],
    ['{\n"a" 1}', 2, 5, '":" is expected behind the key'],
    ["{ a: 1 }", 1, 3, "a key in double quotes"],
    ["{ 'a': 1 }", 1, 3, "a key in double quotes"],
    ["{,}", 1, 2, "a key in double quotes"],
    ["[1,,2]", 1, 4, "a value is expected"],
    ['{ "a": tru }', 1, 8, "a value is expected"],
    ['{ "a": nullish }', 1, 8, "a value is expected"],
    ['{ "a": 01 }', 1, 8, "a value is expected"],
    ['{ "a": 0x10 }', 1, 8, "a value is expected"],
    ['{ "a": NaN }', 1, 8, "a value is expected"],
    ['{ "a": "x\n" }', 1, 8, "the text that begins here has no closing"],
    ['"x\\', 1, 1, "the text that begins here has no closing"],
    ['"a\tb"', 1, 3, "a control character"],
    ['"ok\\n\\x"', 1, 6, "no such escape"],
    ['"\\u12g4"', 1, 2, "no such escape"],
    ["1 /* x", 1, 3, "the comment that begins here has no end"],
    ["{} x", 1, 4, "the document is over, but there is more"],
    ['{"a":1,\r\n"a":2}', 2, 1, 'the key "a" is there twice'],
    ["[".repeat(100_000), 1, 66, "more than 64 levels deep"],
    ['{"é日本": x}', 1, 9, "a value is expected"],
  ])("%j", (text, line, column, expected) => {
    const error = failure(text);
    expect(error.code).toBe("usage");
    expect(error.message).toStartWith(`x.json, line ${line}, column ${column}: `);
    expect(error.message).toContain(expected);
    expect(error.details).toEqual({ line, column });
  });

  test("the line is shown, its values are not", () => {
    const { message } = failure(
      '{\n  "env": { "TOKEN": "sekret-1" "B": "sekret \\" 2" }, "c": [ "sekret"\n}',
    );
    expect(message).toEndWith('the line is: "env": { "TOKEN": "…" "B": "…" }, "c": [ "…"');
    expect(failure('{ "TOKEN": sekret-sekret-sekret }').message).not.toContain("sekret-sekret");
    expect(failure('{ "TOKEN": "sekret').message).not.toContain("sekret");
    expect(failure('{ "TOKEN": "sekret\\').message).not.toContain("sekret");
  });

  test("a long line is shown up to the place, and nothing acts on a terminal", () => {
    const many = Array.from({ length: 500 }, (_, at) => `"key${at}": "sekret"`).join(", ");
    const { message } = failure(`{ ${many} "last": \x1b[31m }`);
    expect(message.length).toBeLessThan(400);
    expect(message).toEndWith('"key499": "…"');
    expect(failure("{ \x1b[31m }").message).not.toContain("\x1b");
    expect(failure("[\u202e]").message).toContain("\\u{202e}");
  });

  test("a document over 1 MiB", () => {
    expect(failure(" ".repeat(1024 * 1024 + 1)).code).toBe("too-large");
  });
});

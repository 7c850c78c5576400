// Where a text stops being JSON, which the runtime's parser does not tell, and without a word of the text itself,
// which it does. Asked only after JSON.parse has refused; called by the API's body reader and the command line.

export interface JsonFault {
  /** In characters, from 0. */
  readonly offset: number;
  /** Both from 1; the column counts characters. */
  readonly line: number;
  readonly column: number;
}

/** Longer texts are not searched. */
const MAX_SEARCHED_CHARACTERS = 1_048_576;

const SPACE = /[ \t\n\r]*/y;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/y;

type Expected = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "comma-or-end" | "nothing";

/** The first place at which `text` cannot be JSON (RFC 8259); undefined when it is, or is too long to search. */
export function findJsonFault(text: string): JsonFault | undefined {
  if (text.length > MAX_SEARCHED_CHARACTERS) return undefined;
  const open: string[] = [];
  let expected: Expected = "value";
  let at = 0;

  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const matched = pattern.test(text);
    if (matched) at = pattern.lastIndex;
    return matched;
  };
  const take = (character: string): boolean => {
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const step = (): Expected | undefined => {
    const inner = open.at(-1);
    const mayEnd = expected === "comma-or-end" || expected === "key-or-end" || expected === "value-or-end";
    if (inner !== undefined && mayEnd && take(inner)) {
      open.pop();
      return open.length === 0 ? "nothing" : "comma-or-end";
    }
    if (expected === "comma-or-end") return take(",") ? (inner === "}" ? "key" : "value") : undefined;
    if (expected === "colon") return take(":") ? "value" : undefined;
    if (expected === "key" || expected === "key-or-end") return skip(STRING) ? "colon" : undefined;
    if (take("{")) return (open.push("}"), "key-or-end");
    if (take("[")) return (open.push("]"), "value-or-end");
    if (!skip(STRING) && !skip(SCALAR)) return undefined;
    return open.length === 0 ? "nothing" : "comma-or-end";
  };

  for (;;) {
    skip(SPACE);
    if (expected === "nothing") return at === text.length ? undefined : placeOf(text, at);
    const next = step();
    if (next === undefined) return placeOf(text, at);
    expected = next;
  }
}

/** `at line 3, column 7`, or nothing where it is not known: the end of a sentence about the text. */
export function atFault(fault: JsonFault | undefined): string {
  return fault === undefined ? "" : ` at line ${fault.line}, column ${fault.column}`;
}

function placeOf(text: string, offset: number): JsonFault {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { offset, line, column: offset - before.lastIndexOf("\n") };
}

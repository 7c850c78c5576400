// What the bench asks: a call that returns its text, a call that returns many bytes, a list.

import * as v from "valibot";
import type { Asked } from "./job.ts";
import type { Ask } from "./question.ts";

const TextResult = v.looseObject({ content: v.tuple([v.looseObject({ text: v.string() })]) });
const ListResult = v.looseObject({ tools: v.array(v.looseObject({ name: v.string() })) });
const ALPHABET = "abcdefghijklmnopqrstuvwxyz";

/** Tool echo with a text of `bytes` bytes: request and result are about that long. */
export function echo(tool: string, bytes: number): Ask {
  const text = (number: number): string => `${number}${filler(bytes - String(number).length)}`;
  return {
    method: "tools/call",
    params: (number) => ({ name: tool, arguments: { text: text(number) } }),
    judge: (result, number) => judgeText(result, text(number)),
  };
}

/** Tool blob: a short request, a result of `bytes` bytes. */
export function blob(tool: string, bytes: number): Ask {
  return {
    method: "tools/call",
    params: (number) => ({ name: tool, arguments: { text: String(number), bytes } }),
    judge: (result, number) => judgeText(result, `${number}${filler(bytes - String(number).length)}`),
  };
}

/** tools/list, complete in one page: `tools` of them, none twice. */
export function list(tools: number): Ask {
  return {
    method: "tools/list",
    params: () => ({}),
    judge(result) {
      const parsed = v.parse(ListResult, result);
      const names = new Set(parsed.tools.map(({ name }) => name));
      if (parsed.tools.length !== tools || names.size !== tools) {
        throw new Error(`${parsed.tools.length} tools with ${names.size} names, expected ${tools}`);
      }
    },
  };
}

/** By the name that a job gives it. */
export function askOf(asked: Asked): Ask {
  if (asked.ask === "list") return list(asked.tools);
  return asked.ask === "echo" ? echo(asked.tool, asked.bytes) : blob(asked.tool, asked.bytes);
}

function judgeText(result: unknown, expected: string): void {
  const [{ text }] = v.parse(TextResult, result).content;
  if (text !== expected) {
    throw new Error(
      `${text.length} characters that begin ${text.slice(0, 80)}, expected ${expected.slice(0, 80)}`,
    );
  }
}

function filler(length: number): string {
  return ALPHABET.repeat(Math.ceil(length / ALPHABET.length)).slice(0, length);
}

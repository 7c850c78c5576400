// A JSON-RPC request that is asked many times with another number each time, and the check of its answers. The
// first answer is parsed and judged whole; after that an answer must equal it byte for byte but for the number,
// or it is parsed and judged whole again. So every answer is checked, and a right one costs one comparison.

import { findDigits, writeDigits } from "./numbers.ts";
import type { Reply } from "./reply-parser.ts";

/** What is asked. `params` and `judge` get the number, which stands in both, so that answers cannot be mixed up. */
export interface Ask {
  readonly method: string;
  params(number: number): object;
  /** Throws where the result is not the right one. */
  judge(result: unknown, number: number): void;
}

export class Question {
  readonly #ask: Ask;
  readonly #request: Buffer;
  readonly #places: readonly number[];
  #answer: { bytes: Buffer; places: readonly number[] } | undefined;

  /** `encode` turns a body into a whole HTTP request; `number` is any number. */
  constructor(ask: Ask, number: number, encode: (body: string) => Buffer) {
    this.#ask = ask;
    const { method } = ask;
    this.#request = encode(
      JSON.stringify({ jsonrpc: "2.0", id: number, method, params: ask.params(number) }),
    );
    this.#places = findDigits(this.#request, number);
  }

  /** The request with this number; the same bytes each time. */
  request(number: number): Buffer {
    writeDigits(this.#request, this.#places, number);
    return this.#request;
  }

  /** Throws where the answer is not the right one. */
  check(reply: Reply, number: number): void {
    const answer = this.#answer;
    if (answer !== undefined && reply.status === 200) {
      writeDigits(answer.bytes, answer.places, number);
      if (answer.bytes.equals(reply.body)) return;
    }
    this.#ask.judge(resultOf(reply, number), number);
    const bytes = Buffer.from(reply.body);
    this.#answer = { bytes, places: findDigits(bytes, number) };
  }
}

/** The `result` of the only answer to `id` in a JSON body or an event stream. Throws where there is none. */
export function resultOf(reply: Reply, id: number): unknown {
  const excerpt = (): string => `${reply.status} ${reply.body.toString("utf8", 0, 300)}`;
  if (reply.status !== 200) throw new Error(`not an answer: ${excerpt()}`);
  const answers = messageTexts(reply)
    .map(parseAnswer)
    .filter((message) => message.id === id);
  const [answer] = answers;
  if (answers.length !== 1 || answer?.result === undefined)
    throw new Error(`no answer to ${id}: ${excerpt()}`);
  return answer.result;
}

/** The raw JSON of each message of a reply. */
export function messageTexts(reply: Reply): readonly string[] {
  const text = reply.body.toString();
  if (!/\r\ncontent-type: *text\/event-stream/i.test(reply.head)) return [text];
  const events = text
    .split("\n\n")
    .map((event) => event.split("\n").filter((line) => line.startsWith("data:")));
  return events
    .map((lines) => lines.map((line) => line.slice(5).trim()).join("\n"))
    .filter((data) => data !== "");
}

function parseAnswer(text: string): { id?: unknown; result?: unknown } {
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null ? value : {};
}

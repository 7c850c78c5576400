// The parser against the rules of the standard, cut at every place and at random; its bounds; and our own events.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { sseEvent, SseParser } from "../../src/wire/sse.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Seen {
  readonly events: readonly (readonly [event: string, data: string])[];
  readonly lastEventId: string;
  readonly retryMs: number | undefined;
  readonly ok: boolean;
}

function parse(chunks: readonly Uint8Array[], maxEventBytes = 1000, lastEventId?: string): Seen {
  const events: [string, string][] = [];
  const parser = new SseParser(
    maxEventBytes,
    ({ event, data }) => events.push([event, new TextDecoder("utf-8", { ignoreBOM: true }).decode(data)]),
    lastEventId,
  );
  const ok = chunks.every((chunk) => parser.push(chunk));
  return { events, lastEventId: parser.lastEventId, retryMs: parser.retryMs, ok };
}
const oneByOne = (bytes: Uint8Array): Uint8Array[] =>
  Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));

/** After the examples of the standard, and what they leave out. */
const STREAMS: readonly (readonly [about: string, text: string, events: [string, string][], id?: string])[] =
  [
    ["one event", "data: hi\n\n", [["message", "hi"]]],
    ["no space after the colon", "data:hi\n\n", [["message", "hi"]]],
    ["only one space is taken", "data:  hi\n\n", [["message", " hi"]]],
    ["lines are joined", "data: YHOO\ndata: +2\ndata: 10\n\n", [["message", "YHOO\n+2\n10"]]],
    [
      "empty lines of data count",
      "data\n\ndata\ndata\n\ndata:",
      [
        ["message", ""],
        ["message", "\n"],
      ],
    ],
    ["a first empty line of data", "data:\ndata: x\n\n", [["message", "\nx"]]],
    ["comments", ": keep-alive\n\n:\ndata: a\n: b\n\n", [["message", "a"]]],
    [
      "an event name holds for one event",
      "event: add\ndata: 1\n\ndata: 2\n\n",
      [
        ["add", "1"],
        ["message", "2"],
      ],
    ],
    ["an event name without data is forgotten", "event: add\n\ndata: 2\n\n", [["message", "2"]]],
    ["an empty event name", "event:\ndata: 2\n\n", [["message", "2"]]],
    [
      "an id stays until the next",
      "id: 7\ndata: 1\n\ndata: 2\n\n",
      [
        ["message", "1"],
        ["message", "2"],
      ],
      "7",
    ],
    ["an id without data", "id: 7\n\n", [], "7"],
    [
      "an id is taken back",
      "id: 7\ndata: 1\n\nid\ndata: 2\n\n",
      [
        ["message", "1"],
        ["message", "2"],
      ],
      "",
    ],
    ["an id with NUL does not count", "id: 7\n\nid: \u00008\n\n", [], "7"],
    ["an id of an unfinished event does not count", "id: 7\n\nid: 8\ndata: x\n", [], "7"],
    ["an event without its empty line is none", "data: a\n\ndata: b\n", [["message", "a"]]],
    [
      "CR",
      "data: a\rdata: b\r\rdata: c\r\r",
      [
        ["message", "a\nb"],
        ["message", "c"],
      ],
    ],
    [
      "CRLF",
      "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n",
      [
        ["message", "a\nb"],
        ["message", "c"],
      ],
    ],
    ["all three", "data: a\r\ndata: b\ndata: c\r\r\n", [["message", "a\nb\nc"]]],
    ["a byte order mark", "\ufeffdata: a\n\n", [["message", "a"]]],
    ["a second byte order mark is text", "\ufeff\ufeffdata: a\n\ndata: b\n\n", [["message", "b"]]],
    ["unknown fields", "foo: 1\ndata: a\ndatax: b\nDATA: c\n data: d\n\n", [["message", "a"]]],
    ["a colon in the data", 'data: {"a":1}\n\n', [["message", '{"a":1}']]],
    ["text outside ASCII", "event: é\ndata: 😀\ufeff\n\n", [["é", "😀\ufeff"]]],
  ];

describe("SseParser", () => {
  test.each(STREAMS)("%s", (_about, text, events, id = "") => {
    const bytes = bytesOf(text);
    expect(parse([bytes])).toMatchObject({ events, lastEventId: id, ok: true });
    expect(parse(oneByOne(bytes))).toMatchObject({ events, lastEventId: id, ok: true });
  });

  test("reads the same however the stream is cut", () => {
    const fragment = fc.constantFrom(
      "data: ",
      "data",
      "id: 1",
      "event: e",
      "\n",
      "\r",
      "\r\n",
      "\n\n",
      ":",
      "é",
      "\ufeff",
    );
    const text = fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, fc.array(fc.nat(60)), (stream, cuts) => {
        const bytes = bytesOf(stream);
        const places = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted(
          (a, b) => a - b,
        );
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index] ?? 0, end));
        expect(parse(chunks)).toEqual(parse([bytes]));
      }),
    );
  });

  test.each([
    ["retry: 500\n\n", 500],
    ["retry: 0\n", 0],
    ["retry: 5s\n", undefined],
    ["retry: -1\n", undefined],
    ["retry:\n", undefined],
    ["retry: 99999999999999999999\n", undefined],
    ["retry: 10\nretry: x\n", 10],
  ])("%p asks for %p", (text, retryMs) => expect(parse([bytesOf(text)]).retryMs).toBe(retryMs));

  test("goes on from the id of the stream before", () => {
    expect(parse([bytesOf("data: a\n\n")], 100, "41").lastEventId).toBe("41");
    expect(parse([bytesOf("id: 42\ndata: a\n\n")], 100, "41").lastEventId).toBe("42");
  });

  test("does not decode, change or copy data that is in one chunk", () => {
    const chunk = Buffer.concat([
      Buffer.from("data: "),
      Buffer.from([0xff, 0xc0, 0x00, 0xfe]),
      Buffer.from("\n\n"),
    ]);
    const seen: Uint8Array[] = [];
    new SseParser(100, ({ data }) => seen.push(data)).push(chunk);
    expect(seen).toEqual([Uint8Array.of(0xff, 0xc0, 0x00, 0xfe)]);
    expect(seen[0]?.buffer).toBe(chunk.buffer);
  });

  describe("is bounded", () => {
    test.each([
      ["data: " + "x".repeat(100) + "\n\n", true],
      ["data: " + "x".repeat(101) + "\n\n", false],
      ["data: " + "x".repeat(200), false],
      [": " + "x".repeat(200), false],
      ["x".repeat(200), false],
      [("data: " + "x".repeat(49) + "\n").repeat(2) + "data:\n\n", true],
      [("data: " + "x".repeat(50) + "\n").repeat(2) + "data:\n\n", false],
      ["data\n".repeat(101) + "\n", true],
      ["data\n".repeat(102), false],
      ["data: x\n\n".repeat(1000), true],
    ])("%p", (text, ok) => {
      expect(parse([bytesOf(text)], 100).ok).toBe(ok);
      expect(parse(oneByOne(bytesOf(text)), 100).ok).toBe(ok);
    });

    test("long ids and event names count as not sent", () => {
      const long = "x".repeat(2000);
      const text = `id: 1\n\nid: ${long}\nevent: ${long}\ndata: a\n\n`;
      expect(parse([bytesOf(text)], 5000)).toMatchObject({
        events: [["message", "a"]],
        lastEventId: "1",
        ok: true,
      });
    });

    test("takes time in proportion to the stream, not to its square", () => {
      // A search of the rest of the chunk at each line would run into the time limit of the test.
      for (const lineEnd of ["\n", "\r", "\r\n"]) {
        expect(parse([bytesOf(lineEnd.repeat(700_000))]).ok).toBe(true);
      }
      expect(parse([bytesOf("data: x\n\n".repeat(100_000))]).events).toHaveLength(100_000);
    });
  });

  test("a large event in small chunks", () => {
    const data = "é".repeat(1_000_000);
    const bytes = bytesOf(`data: ${data}\n\n`);
    const chunks = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, at) =>
      bytes.subarray(at * 1000, (at + 1) * 1000),
    );
    expect(parse(chunks, 4_000_000).events[0]?.[1] === data).toBe(true);
  });
});

describe("sseEvent", () => {
  test.each([
    ['{"a":1}', {}, 'event: message\ndata: {"a":1}\n\n'],
    ['{"a":1}', { id: "7" }, 'event: message\nid: 7\ndata: {"a":1}\n\n'],
    ["{}", { event: "state" }, "event: state\ndata: {}\n\n"],
    ['{\r\n"a":\n1}', {}, 'event: message\ndata: {  "a": 1}\n\n'],
  ])("%p with %p", (data, fields, wanted) => {
    expect(sseEvent(bytesOf(data), fields).toString()).toBe(wanted);
  });

  test("is read back as what it was, and as one event", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        const event = sseEvent(bytesOf(JSON.stringify(value, undefined, indent)));
        const { events } = parse([event], 100_000);
        expect(events).toHaveLength(1);
        expect(JSON.stringify(JSON.parse(events[0]?.[1] ?? ""))).toBe(JSON.stringify(value));
      }),
    );
  });
});

// Queries of whoever is in the cage, and the answers that they get.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { encodeAnswer, MAX_QUERY_BYTES, parseQuery, RCODE } from "../../../src/cage/egress/dns-message.ts";
import { respond } from "../../../src/cage/egress/dns-stub.ts";
import { dnsQuery, edns, nameBytes, readAnswer, TYPES } from "./dns-queries.ts";

const FAKE = "198.18.0.7";
const known = (name: string | undefined): string | undefined =>
  name === "api.example.com" ? FAKE : undefined;
const answerTo = (message: Uint8Array): ReturnType<typeof readAnswer> | undefined => {
  const answer = respond(message, known);
  return answer === undefined ? undefined : readAnswer(answer);
};

describe("an answer", () => {
  test("has the address, the identifier and the very bytes of the question", () => {
    const query = dnsQuery("aPi.eXample.COM", { id: 0xbeef });
    expect(answerTo(query)).toEqual({
      id: 0xbeef,
      isAnswer: true,
      rcode: RCODE.ok,
      recursion: true,
      question: query.subarray(12),
      addresses: [FAKE],
      ttl: 60,
      edns: undefined,
    });
  });

  test("has EDNS when the query had", () => {
    const answer = answerTo(dnsQuery("api.example.com", { additional: [edns(0, [0, 10, 0, 2, 1, 2])] }));
    expect(answer).toMatchObject({ addresses: [FAKE], rcode: RCODE.ok, edns: { size: 1232, upperRcode: 0 } });
    expect(answerTo(dnsQuery("no.example.com", { additional: [edns()] }))).toMatchObject({
      rcode: RCODE.noSuchName,
      addresses: [],
      edns: { size: 1232 },
    });
  });

  const types: readonly [type: number, addresses: readonly string[]][] = [
    [TYPES.a, [FAKE]],
    [TYPES.any, [FAKE]],
    [TYPES.aaaa, []],
    [TYPES.https, []],
    [TYPES.svcb, []],
    [TYPES.srv, []],
    [TYPES.mx, []],
    [TYPES.txt, []],
    [TYPES.ns, []],
    [0, []],
    [65_535, []],
  ];
  test.each(types)(
    "to a query of type %d is no error for a known name, and no such name otherwise",
    (type, addresses) => {
      expect(answerTo(dnsQuery("api.example.com", { type }))).toMatchObject({ rcode: RCODE.ok, addresses });
      expect(answerTo(dnsQuery("other.example.com", { type }))).toMatchObject({
        rcode: RCODE.noSuchName,
        addresses: [],
      });
    },
  );
});

describe("what is no host name is not there", () => {
  const names: readonly string[] = [
    "",
    "127.1",
    "0x7f.1",
    "10.0.0.1",
    "bad name.example",
    "bü.example",
    "*.example.com",
    "-a.b",
  ];
  test.each(names)("%j", (name) => {
    expect(parseQuery(dnsQuery(name))?.name).toBeUndefined();
    expect(answerTo(dnsQuery(name))).toMatchObject({ rcode: RCODE.noSuchName, addresses: [] });
  });

  test("a dot inside of a label does not make two of it", () => {
    const question = [15, ...Buffer.from("api.example.com"), 0, 0, 1, 0, 1];
    const query = Buffer.from([...dnsQuery("").subarray(0, 12), ...question]);
    expect(parseQuery(query)).toMatchObject({ name: undefined, fault: undefined });
    expect(answerTo(query)?.rcode).toBe(RCODE.noSuchName);
  });
});

describe("a fault is answered by its name", () => {
  const good = dnsQuery("api.example.com");
  const header = good.subarray(0, 12);
  const cases: readonly [what: string, message: Uint8Array, rcode: number][] = [
    ["no question", dnsQuery("", { questions: 0 }).subarray(0, 12), RCODE.formatError],
    ["a count of none, and a question", dnsQuery("a.b", { questions: 0 }), RCODE.formatError],
    [
      "two questions",
      Buffer.concat([dnsQuery("a.b", { questions: 2 }), good.subarray(12)]),
      RCODE.formatError,
    ],
    ["a count of two, and one question", dnsQuery("a.b", { questions: 2 }), RCODE.formatError],
    ["something behind it", Buffer.concat([good, Buffer.from([0])]), RCODE.formatError],
    ["a question that is cut", good.subarray(0, good.length - 1), RCODE.formatError],
    ["a header alone", header, RCODE.formatError],
    ["a pointer to itself", Buffer.from([...header, 0xc0, 12, 0, 1, 0, 1]), RCODE.formatError],
    ["a pointer forward", Buffer.from([...header, 0xc0, 18, 0, 1, 0, 1, 0]), RCODE.formatError],
    ["a label and a pointer", Buffer.from([...header, 1, 0x61, 0xc0, 12, 0, 1, 0, 1]), RCODE.formatError],
    ["a label of the kind 01", Buffer.from([...header, 0x41, ...Buffer.alloc(80)]), RCODE.formatError],
    ["a name of 256 bytes", dnsQuery(`${"a".repeat(63)}.`.repeat(4).slice(0, -1)), RCODE.formatError],
    ["an endless name", Buffer.from([...header, ...Array<number>(2000).fill(1)]), RCODE.formatError],
    ["an answer in it", setWord(good, 6, 1), RCODE.formatError],
    ["an authority in it", setWord(good, 8, 1), RCODE.formatError],
    ["more records than there are", setWord(good, 10, 1), RCODE.formatError],
    ["records by the dozen", setWord(good, 10, 65_535), RCODE.formatError],
    ["EDNS twice", dnsQuery("a.b", { additional: [edns(), edns()] }), RCODE.formatError],
    ["EDNS with a name", dnsQuery("a.b", { additional: [[1, 0x61, ...edns()]] }), RCODE.formatError],
    [
      "EDNS that is cut",
      dnsQuery("a.b", { additional: [edns(0, [1, 2, 3]).slice(0, -1)] }),
      RCODE.formatError,
    ],
    [
      "a pointer as a later name",
      dnsQuery("a.b", { additional: [[0xc0, 12, ...edns().slice(1)]] }),
      RCODE.formatError,
    ],
    ["an update", dnsQuery("a.b", { flags: 5 << 11 }), RCODE.notImplemented],
    ["a status query", dnsQuery("a.b", { flags: 2 << 11 }), RCODE.notImplemented],
    ["the class of chaos", dnsQuery("version.bind", { recordClass: 3, type: TYPES.txt }), RCODE.refused],
  ];
  test.each(cases)("%s", (_, message, rcode) => {
    const answer = answerTo(message);
    expect(answer).toMatchObject({ id: 0x1234, rcode, addresses: [] });
  });

  test("a version of EDNS that is not there yet", () => {
    const answer = answerTo(dnsQuery("api.example.com", { additional: [edns(1)] }));
    expect(answer).toMatchObject({ rcode: 0, addresses: [], edns: { upperRcode: 1 } });
  });
});

describe("no answer at all", () => {
  const cases: readonly [what: string, message: Uint8Array][] = [
    ["nothing", Buffer.alloc(0)],
    ["too short for a header", dnsQuery("a.b").subarray(0, 11)],
    ["an answer, which would be answered in turn", dnsQuery("a.b", { flags: 0x8180 })],
    ["too long", Buffer.concat([dnsQuery("a.b"), Buffer.alloc(MAX_QUERY_BYTES)])],
  ];
  test.each(cases)("%s", (_, message) => expect(respond(message, known)).toBeUndefined());
});

test("the class ANY is that of the internet", () => {
  expect(answerTo(dnsQuery("api.example.com", { recordClass: 255 }))?.addresses).toEqual([FAKE]);
});

test("the longest name there is", () => {
  const name = [..."abc"].map((letter) => letter.repeat(63)).join(".") + `.${"d".repeat(61)}`;
  expect(nameBytes(name)).toHaveLength(255);
  expect(parseQuery(dnsQuery(name))).toMatchObject({ name, fault: undefined });
});

describe("fuzzed", () => {
  const check = (message: Uint8Array): void => {
    const before = Uint8Array.from(message);
    const answer = respond(message, known);
    expect(message).toEqual(before);
    if (answer === undefined) return;
    const read = readAnswer(answer);
    expect(read.isAnswer).toBe(true);
    expect(read.id).toBe(Buffer.from(message).readUInt16BE(0));
    // Nothing to amplify: one address and EDNS at most.
    expect(answer.length).toBeLessThanOrEqual(message.length + 27);
    expect(answer.length).toBeLessThanOrEqual(512);
    expect(Buffer.from(message).includes(read.question)).toBe(true);
  };

  test("bytes of any kind", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), check), { numRuns: 2000 });
  });

  test("queries with some bytes changed, cut or added", () => {
    const change = fc.tuple(fc.nat({ max: 80 }), fc.nat({ max: 255 }));
    const query = fc.record({
      changes: fc.array(change, { maxLength: 4 }),
      cut: fc.nat({ max: 80 }),
      more: fc.uint8Array(),
    });
    fc.assert(
      fc.property(query, ({ changes, cut, more }) => {
        const message = dnsQuery("api.example.com", { additional: [edns(0, [0, 10, 0, 2, 1, 2])] });
        for (const [at, value] of changes) if (at < message.length) message[at] = value;
        check(message);
        check(message.subarray(0, cut));
        check(Buffer.concat([message, more]));
      }),
      { numRuns: 1000 },
    );
  });

  test("a name that is one comes out as it went in", () => {
    const label = fc.stringMatching(/^[a-z_]([a-z0-9_-]{0,10}[a-z0-9_])?$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 8 }), fc.nat(65_535), (labels, type) => {
        const name = labels.join(".");
        const query = parseQuery(dnsQuery(name.toUpperCase(), { type }));
        if (query === undefined) throw new Error("no query");
        expect(query).toMatchObject({ name, fault: undefined, wantsAddress: type === 1 || type === 255 });
        expect(readAnswer(encodeAnswer(query, { address: "1.2.3.4" })).addresses).toEqual(["1.2.3.4"]);
      }),
    );
  });
});

function setWord(message: Buffer, offset: number, value: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(value, offset);
  return copy;
}

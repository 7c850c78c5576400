// The server name in a ClientHello, however it is cut, and nothing of what two readers might read differently.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { readClientHello } from "../../../src/cage/egress/client-hello.ts";
import { caughtHello, hello, helloMessage, type HelloOptions, records, u16 } from "./hellos.ts";

const NAME = "api.example.com";

test("finds the name", () => {
  expect(readClientHello(hello(NAME))).toEqual({ state: "hello", serverName: NAME, encrypted: false });
  expect(readClientHello(hello("API.Example.Com."))).toMatchObject({ serverName: NAME });
});

test("finds it in what a real client sends", async () => {
  const bytes = await caughtHello({ servername: NAME, ALPNProtocols: ["h2", "http/1.1"] });
  expect(readClientHello(bytes)).toMatchObject({ state: "hello", serverName: NAME });
  for (let length = 0; length < bytes.length; length++) {
    expect(readClientHello(bytes.subarray(0, length))).toEqual({ state: "more" });
  }
  expect(readClientHello(await caughtHello({}))).toMatchObject({ state: "hello", serverName: undefined });
});

test("sees that something is hidden", () => {
  const bytes = records(helloMessage({ names: [NAME], extensions: [[0xfe0d, [0, 1, 2]]] }));
  expect(readClientHello(bytes)).toEqual({ state: "hello", serverName: NAME, encrypted: true });
});

test("takes a hello without extensions, as they were once", () => {
  const message = helloMessage();
  const old = message.subarray(0, message.length - 9);
  old.writeUInt16BE(old.length - 4, 2);
  expect(readClientHello(records(old))).toEqual({ state: "hello", serverName: undefined, encrypted: false });
});

test("does not read what comes after the hello", () => {
  const early = Buffer.from([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 2, 9, 9]);
  expect(readClientHello(Buffer.concat([hello(NAME), early]))).toMatchObject({ serverName: NAME });
});

describe("whatever it is cut into", () => {
  const whole = helloMessage({ names: [NAME], extensions: [[0x15, Array<number>(1800).fill(0)]] });
  test.each([1, 2, 3, 5, 100, 517, 1024])("records of %d bytes", (size) => {
    const bytes = records(whole, size);
    expect(readClientHello(bytes)).toMatchObject({ state: "hello", serverName: NAME });
    for (const length of [0, 1, 4, 5, 6, 7, 11, bytes.length >> 1, bytes.length - 1]) {
      expect(readClientHello(bytes.subarray(0, length)).state).toBe("more");
    }
  });
});

describe("no TLS", () => {
  test.each([
    "GET / HTTP/1.1\r\n",
    "SSH-2.0-x\r\n",
    "\x16\x02\x00",
    "\x16\x04\x03",
    "\x00\x00\x00\x08\x04\xd2\x16\x2f",
    "\x80\x2e\x01",
  ])("%j", (text) => expect(readClientHello(Buffer.from(text, "latin1"))).toEqual({ state: "not-tls" }));
});

describe("malformed", () => {
  const good = hello(NAME);
  const list = (entries: readonly number[]): HelloOptions => ({
    nameExtension: [...u16(entries.length), ...entries],
  });
  const entry = (name: string): readonly number[] => [0, ...u16(name.length), ...Buffer.from(name, "latin1")];
  const cases: readonly [what: string, bytes: Uint8Array][] = [
    ["another message", records(Buffer.from([2, ...helloMessage({ names: [NAME] }).subarray(1)]))],
    ["an empty record", Buffer.concat([Buffer.from([22, 3, 1, 0, 0]), good])],
    ["a record that is too long", Buffer.from([22, 3, 1, 0x40, 1, 1, 0, 0, 1])],
    [
      "another record in between",
      Buffer.concat([
        records(helloMessage({ names: [NAME] }).subarray(0, 20)),
        Buffer.from([20, 3, 3, 0, 1, 1]),
      ]),
    ],
    [
      "a second message in the record",
      records(Buffer.concat([helloMessage({ names: [NAME] }), Buffer.from([1])])),
    ],
    ["two names", records(helloMessage({ names: [NAME, "evil.test"] }))],
    ["the same name twice", records(helloMessage({ names: [NAME, NAME] }))],
    ["a name of another kind", records(helloMessage({ names: [[1, NAME]] }))],
    ["an empty list", records(helloMessage({ names: [] }))],
    ["an empty name", records(helloMessage({ names: [""] }))],
    ["an empty extension", records(helloMessage({ nameExtension: [] }))],
    [
      "a list that is longer than the extension",
      records(helloMessage({ nameExtension: [...u16(99), ...entry(NAME)] })),
    ],
    ["a list that is shorter", records(helloMessage({ nameExtension: [...u16(4), ...entry(NAME)] }))],
    ["a name that is longer than the list", records(helloMessage(list([0, ...u16(99), 0x61])))],
    [
      "the extension twice",
      records(
        helloMessage({
          names: [NAME],
          extensions: [[0, [...u16(entry("evil.test").length), ...entry("evil.test")]]],
        }),
      ),
    ],
    ["an address as a name", records(helloMessage({ names: ["10.0.0.1"] }))],
    ["a NUL in the name", records(helloMessage({ names: [`${NAME}\0.evil.test`] }))],
    ["a space in the name", records(helloMessage({ names: [`${NAME} `] }))],
    ["a wildcard", records(helloMessage({ names: ["*.example.com"] }))],
    ["a session that is longer than the hello", mutate(good, 5 + 4 + 34, 255)],
    [
      "extensions that are longer than the hello",
      mutate(good, good.length - lengthOfExtensions(good) - 1, 255),
    ],
  ];
  test.each(cases)("%s", (_, bytes) => expect(readClientHello(bytes)).toEqual({ state: "malformed" }));
});

test("a message of 16 MiB is waited for, by whoever bounds what is read", () => {
  expect(readClientHello(Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff, 3, 3]))).toEqual({
    state: "more",
  });
});

describe("fuzzed", () => {
  test("bytes of any kind", () => {
    const tls = fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from([22, 3, 1, ...bytes]));
    const message = fc
      .uint8Array({ minLength: 1, maxLength: 300 })
      .map((bytes) => records(Uint8Array.from([1, 0, ...bytes])));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), tls, message), (bytes) => {
        const before = Uint8Array.from(bytes);
        expect(["not-tls", "more", "malformed", "hello"]).toContain(readClientHello(bytes).state);
        expect(bytes).toEqual(before);
      }),
      { numRuns: 3000 },
    );
  });

  test("what was decided stays so, whatever else comes", () => {
    const start = fc.oneof(
      fc
        .constantFrom(helloMessage({ names: [NAME] }), helloMessage({ names: [NAME, NAME] }))
        .map((message) => records(message)),
      fc
        .tuple(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 90 }))
        .map(([more, size]) => records(Buffer.concat([helloMessage({ names: [NAME] }), more]), size)),
    );
    fc.assert(
      fc.property(start, fc.nat(), fc.uint8Array({ maxLength: 20 }), (bytes, cut, more) => {
        const all = Buffer.concat([bytes, more]);
        const early = readClientHello(all.subarray(0, cut % (all.length + 1)));
        if (early.state !== "more") expect(readClientHello(all)).toEqual(early);
      }),
      { numRuns: 2000 },
    );
  });

  test("a hello with bytes changed never names anything that is not written in it", () => {
    const bytes = hello(NAME);
    const changes = fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat(255)), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(changes, (all) => {
        const changed = Buffer.from(bytes);
        for (const [at, value] of all) changed[at] = value;
        const found = readClientHello(changed);
        if (found.state !== "hello" || found.serverName === undefined) return;
        expect(changed.toString("latin1").toLowerCase()).toContain(found.serverName);
      }),
      { numRuns: 3000 },
    );
  });

  test("cut anywhere, it is the same hello once all of it is there", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), (size, cut) => {
        const bytes = records(helloMessage({ names: [NAME] }), size);
        const part = bytes.subarray(0, cut % bytes.length);
        expect(readClientHello(part)).toEqual({ state: "more" });
        expect(readClientHello(bytes)).toMatchObject({ serverName: NAME });
      }),
    );
  });
});

function mutate(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = value;
  return copy;
}

/** Those of `hello`: a name, and one more of 7 bytes. */
function lengthOfExtensions(bytes: Buffer): number {
  return bytes.length - (5 + 4 + 2 + 32 + 1 + 32 + 2 + 2 + 1 + 1 + 2);
}

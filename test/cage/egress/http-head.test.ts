// Heads of requests: read strictly, and taken for HTTP by whatever a server would take for it.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  headerValues,
  hostOfAuthority,
  readHttpHead,
  requestedHost,
} from "../../../src/cage/egress/http-head.ts";

const read = (text: string): ReturnType<typeof readHttpHead> => readHttpHead(Buffer.from(text, "latin1"));

test("reads a head, and where it ends", () => {
  const text =
    "POST /a?b HTTP/1.1\r\nHost: api.example.com\r\nX-Two:  a b \t\r\nx-two:c\r\nEmpty:\r\n\r\nbody";
  const head = read(text);
  if (head.state !== "head") throw new Error(head.state);
  expect(head).toMatchObject({ method: "POST", target: "/a?b", end: text.length - 4 });
  expect(headerValues(head, "x-two")).toEqual(["a b", "c"]);
  expect(headerValues(head, "empty")).toEqual([""]);
  expect(headerValues(head, "none")).toEqual([]);
});

describe("where it may begin and end", () => {
  test.each([
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.0\n\n",
    "\r\n\r\n GET / HTTP/1.1\nA: b\r\n\n",
    "GET / HTTP/1.1\r\nA: b\n\r\nX",
  ])("%j", (text) => expect(read(text).state).toBe("head"));
});

describe("more is needed", () => {
  test.each([
    "",
    "\r\n",
    "G",
    "GET",
    "GET ",
    "GET / HTTP/1.1",
    "GET / HTTP/1.1\r",
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\r\nHost: a",
    "GET / HTTP/1.1\r\nHost: a\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r",
    "EHLO example.com",
    "PRI * HTTP/2.0",
  ])("%j", (text) => expect(read(text)).toEqual({ state: "more" }));
});

describe("something else", () => {
  test.each([
    "SSH-2.0-OpenSSH_9.6\r\n",
    "EHLO example.com\r\n",
    "PING\r\n",
    "*1\r\n$4\r\nPING\r\n",
    "HELLO\n\nWORLD\n",
    "\x00\x00\x00\x08\x04\xd2\x16\x2f",
    "\x10\x0c\x00\x04MQTT",
    "\x16\x03\x01",
    "AMQP\x00\x00\x09\x01",
    "GET /old\r\n",
    "<policy-file-request/>\x00",
    "\xffhello",
    `${"A".repeat(65)}`,
    "GET\x00 / HTTP/1.1\r\n",
  ])("%j", (text) => expect(read(text)).toEqual({ state: "not-http" }));
});

test("HTTP/2 without TLS is told apart", () => {
  expect(read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).toEqual({ state: "http2" });
});

describe("malformed", () => {
  test.each([
    "GET / HTTP/2.0\r\n",
    "GET / HTTP/1.2\r\n",
    "GET  / HTTP/1.1\r\n",
    "GET / x HTTP/1.1\r\n",
    "GET\t/\tHTTP/1.1\r\n",
    "GET / HTTP/1.1 \r\n",
    "GET / http/1.1\r\n",
    "GET / HTTP/1.1\r\r\n",
    "GET /\rx HTTP/1.1\r\n",
    "GET\r/\rHTTP/1.1\r\n",
    "GET\v/\fHTTP/1.1\r\n",
    "GET / HTTP/1.1\rHost: evil\r\n",
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
    "GET / HTTP/1.1\r\nHost\r\n\r\n",
    "GET / HTTP/1.1\r\n: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\rHost: evil\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
    "GET / HTTP/1.1\r\nA\0: b\r\n\r\n",
  ])("%j", (text) => expect(read(text)).toEqual({ state: "malformed" }));
});

describe("the host that a request is for", () => {
  const cases: readonly [what: string, lines: readonly string[], host: string | undefined][] = [
    ["a name", ["GET / HTTP/1.1", "Host: API.example.com"], "api.example.com"],
    ["with a port", ["GET / HTTP/1.1", "host: api.example.com:8080"], "api.example.com"],
    ["with an empty port", ["GET / HTTP/1.1", "host: api.example.com:"], "api.example.com"],
    ["with the dot", ["GET / HTTP/1.1", "Host: api.example.com."], "api.example.com"],
    ["an address", ["GET / HTTP/1.1", "Host: 10.0.0.1:80"], "10.0.0.1"],
    ["an IPv6 address", ["GET / HTTP/1.1", "Host: [2001:DB8::0:1]:80"], "2001:db8::1"],
    [
      "the whole target, the same",
      ["GET http://api.example.com:80/x HTTP/1.1", "Host: api.example.com"],
      "api.example.com",
    ],
    ["the star", ["OPTIONS * HTTP/1.1", "Host: api.example.com"], "api.example.com"],
    ["another name in the path", ["GET //evil.test/ HTTP/1.1", "Host: api.example.com"], "api.example.com"],
    [
      "another name in the query",
      ["GET /?u=http://evil.test/ HTTP/1.1", "Host: api.example.com"],
      "api.example.com",
    ],
    [
      "CONNECT to the same",
      ["CONNECT api.example.com:443 HTTP/1.1", "Host: api.example.com"],
      "api.example.com",
    ],
    ["another whole target", ["GET http://evil.test/ HTTP/1.1", "Host: api.example.com"], undefined],
    ["another one of some scheme", ["GET HtTpS://evil.test/ HTTP/1.1", "Host: api.example.com"], undefined],
    [
      "a user in the target",
      ["GET http://api.example.com@evil.test/ HTTP/1.1", "Host: api.example.com"],
      undefined,
    ],
    [
      "a user in the target, before",
      ["GET http://x@api.example.com/ HTTP/1.1", "Host: api.example.com"],
      undefined,
    ],
    ["CONNECT to another", ["CONNECT evil.test:443 HTTP/1.1", "Host: api.example.com"], undefined],
    ["none", ["GET / HTTP/1.1", "X: y"], undefined],
    ["none, but in the target", ["GET http://api.example.com/ HTTP/1.1", "X: y"], undefined],
    ["two", ["GET / HTTP/1.1", "Host: api.example.com", "Host: evil.test"], undefined],
    ["the same twice", ["GET / HTTP/1.1", "Host: api.example.com", "HOST: api.example.com"], undefined],
    ["an empty one", ["GET / HTTP/1.1", "Host:"], undefined],
    ["a list", ["GET / HTTP/1.1", "Host: api.example.com, evil.test"], undefined],
    ["a user", ["GET / HTTP/1.1", "Host: api.example.com@evil.test"], undefined],
    ["a path", ["GET / HTTP/1.1", "Host: api.example.com/x"], undefined],
    ["a space that is none", ["GET / HTTP/1.1", "Host: api.example.com\xa0"], undefined],
    ["what some take for an address", ["GET / HTTP/1.1", "Host: 127.1"], undefined],
  ];
  test.each(cases)("%s", (_, lines, host) => {
    const head = read(`${lines.join("\r\n")}\r\n\r\n`);
    if (head.state !== "head") throw new Error(head.state);
    expect(requestedHost(head)).toBe(host);
  });
});

test("an authority that is unclear is none", () => {
  for (const text of ["", ":80", "a b", "a:b", "a:80:80", "[::1", "::1", "[a]", "a:123456", "a%2e.b"]) {
    expect(hostOfAuthority(text)).toBeUndefined();
  }
});

describe("fuzzed", () => {
  const pieces = fc.constantFrom(
    "GET",
    " ",
    "/",
    "HTTP/1.1",
    "\r\n",
    "\n",
    "\r",
    "Host: a.b",
    "Host",
    ":",
    "\0",
    "\t",
    "x",
    "PRI * HTTP/2.0",
    "é",
    "http://c.d",
  );
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 25 }).map((all) => all.join("")),
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(pieces, { maxLength: 10 }).map((all) => `GET / HTTP/1.1\r\n${all.join("")}\r\n\r\n`),
  );

  test("what was decided stays so, whatever else comes", () => {
    fc.assert(
      fc.property(text, text, (first, more) => {
        const early = read(first);
        if (early.state === "more") return;
        expect(read(first + more)).toEqual(early);
      }),
      { numRuns: 5000 },
    );
  });

  test("a head has all that it ends with, and nothing that two could read differently", () => {
    fc.assert(
      fc.property(text, (all) => {
        const head = read(all);
        if (head.state !== "head") return;
        const own = all.slice(0, head.end);
        expect(own).toMatch(/\n\r?\n$/);
        expect(own).not.toMatch(/\r(?!\n)|\0/);
        expect(own.trimStart().match(/^host\s*:/gim) ?? []).toHaveLength(headerValues(head, "host").length);
      }),
      { numRuns: 5000 },
    );
  });
});

test("hostile heads take no longer than long ones", () => {
  const size = 16_000;
  const heads = [" ".repeat(size), "\n".repeat(size), `GET / HTTP/1.1\r\nA:${" ".repeat(size)}x\r\n\r\n`];
  const evil = [
    ...heads,
    `GET ${"/ ".repeat(size / 2)}`,
    `GET / HTTP/1.1\n${"a:\n".repeat(size / 3)}`,
    "A".repeat(size),
  ];
  for (const one of evil) for (let round = 0; round < 20; round++) expect(read(one).state).toBeDefined();
});

// What is read as a head, and what is refused: a table of what smuggles requests, and whatever fast-check finds.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  headLength,
  MAX_HEAD_BYTES,
  parseRequestHead,
  parseResponseHead,
} from "../../../src/cage/egress/broker-head.ts";
import { BrokerRefusal } from "../../../src/cage/egress/broker-refusal.ts";
import { requestBytes, responseBytes } from "../../../src/cage/egress/broker-rewrite.ts";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

/** The status that a head is refused with, or "read". */
function outcome(read: () => unknown): number | "read" {
  try {
    read();
    return "read";
  } catch (thrown) {
    if (!(thrown instanceof BrokerRefusal)) throw thrown;
    return thrown.status;
  }
}

const request = (text: string): number | "read" =>
  outcome(() => {
    const bytes = latin1(text);
    parseRequestHead(bytes.subarray(0, headLength(bytes)));
  });

const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a.test\r\n";

describe("requests", () => {
  test.each<[string, string, number | "read"]>([
    ["the least", `${GET}\r\n`, "read"],
    ["a body with a length", `${POST}Content-Length: 5\r\n\r\n`, "read"],
    ["a body in chunks", `${POST}Transfer-Encoding: Chunked\r\n\r\n`, "read"],
    ["bytes above ASCII in a value", `${GET}X-Name: M\xfcller\r\n\r\n`, "read"],
    ["OPTIONS for the whole host", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", "read"],
    ["a length and chunks", `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ["chunks and a length", `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`, 400],
    ["two lengths", `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 400],
    ["the same length twice", `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`, 400],
    ["two lengths in one line", `${POST}Content-Length: 5, 5\r\n\r\n`, 400],
    ["a length with a sign", `${POST}Content-Length: +5\r\n\r\n`, 400],
    ["a negative length", `${POST}Content-Length: -5\r\n\r\n`, 400],
    ["a hexadecimal length", `${POST}Content-Length: 0x5\r\n\r\n`, 400],
    ["a length of nothing", `${POST}Content-Length:\r\n\r\n`, 400],
    ["a length beyond numbers", `${POST}Content-Length: 99999999999999999999\r\n\r\n`, 400],
    ["two codings", `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ["two codings in one line", `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n`, 400],
    ["a coding that is none", `${POST}Transfer-Encoding: xchunked\r\n\r\n`, 400],
    ["a coding behind a vertical tab", `${POST}Transfer-Encoding: \vchunked\r\n\r\n`, 400],
    ["the coding identity", `${POST}Transfer-Encoding: identity\r\n\r\n`, 400],
    ["a space before the colon", `${POST}Transfer-Encoding : chunked\r\n\r\n`, 400],
    ["a tab before the colon", `${POST}Content-Length\t: 5\r\n\r\n`, 400],
    ["a folded line", `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n`, 400],
    ["a first header that is folded", "POST / HTTP/1.1\r\n Host: a.test\r\n\r\n", 400],
    ["two Hosts", `${GET}Host: b.test\r\n\r\n`, 400],
    ["the same Host twice", `${GET}Host: a.test\r\n\r\n`, 400],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["a bare LF after the request line", "GET / HTTP/1.1\nHost: a.test\r\n\r\n", 400],
    ["a bare LF after a header", "GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n", 400],
    ["an empty line of LFs", "GET / HTTP/1.1\r\nHost: a.test\n\n", 400],
    ["a bare CR", `${GET}X: a\rContent-Length: 5\r\n\r\n`, 400],
    ["a NUL", `${GET}X: a\0b\r\n\r\n`, 400],
    ["an empty line before it", `\r\n${GET}\r\n`, 400],
    ["a header without a colon", `${GET}X\r\n\r\n`, 400],
    ["a header without a name", `${GET}: x\r\n\r\n`, 400],
    ["a header with a strange name", `${GET}X[]: x\r\n\r\n`, 400],
    ["another host in the target", "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400],
    ["a target without a slash", "GET b.test HTTP/1.1\r\nHost: a.test\r\n\r\n", 400],
    ["a target with a space", "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n", 400],
    ["a target above ASCII", "GET /\xe4 HTTP/1.1\r\nHost: a.test\r\n\r\n", 400],
    ["two spaces", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400],
    ["GET for the whole host", "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", 400],
    ["CONNECT", "CONNECT /x HTTP/1.1\r\nHost: a.test\r\n\r\n", 405],
    ["HTTP/1.0", "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", 505],
    ["HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["HTTP/0.9", "GET /\r\n\r\n", 400],
    ["an expectation of something else", `${POST}Expect: 200-ok\r\n\r\n`, 417],
    ["257 headers", `${GET}${"X: y\r\n".repeat(256)}\r\n`, 431],
  ])("%s", (_name, text, expected) => {
    expect(request(text)).toBe(expected);
  });

  test("what they say about their connection", () => {
    const read = (lines: string) => parseRequestHead(latin1(`${GET}${lines}\r\n`));
    expect(read("Connection: keep-alive, Close\r\n").closes).toBe(true);
    expect(read("Connection: authorization\r\n").closes).toBe(false);
    const socket = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    expect(read(socket).isWebSocket).toBe(true);
    expect(read(`${socket}Content-Length: 5\r\n`).isWebSocket).toBe(false);
    expect(read("Connection: Upgrade\r\nUpgrade: h2c\r\n").isWebSocket).toBe(false);
    expect(read("Upgrade: websocket\r\n").isWebSocket).toBe(false);
  });
});

describe("answers", () => {
  const read = (text: string, method = "GET") => parseResponseHead(latin1(text), method);

  test.each<[string, string, string, string]>([
    ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", "length"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "chunked"],
    ["neither", "HTTP/1.1 200 OK\r\n\r\n", "GET", "until-close"],
    ["no reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", "GET", "length"],
    ["a length of nothing", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", "none"],
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", "none"],
    ["204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "none"],
    ["304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", "none"],
    ["103", "HTTP/1.1 103 Early Hints\r\n\r\n", "GET", "none"],
  ])("the body of %s", (_name, text, method, kind) => {
    expect(read(text, method).body.kind).toBe(kind as "none");
  });

  test.each<[string, string]>([
    ["another protocol", "ICY 200 OK\r\n\r\n"],
    ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"],
    ["a coding that hides values", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
    ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"],
  ])("%s is refused", (_name, text) => {
    expect(outcome(() => read(text))).not.toBe("read");
  });

  test("end the connection when they are of HTTP/1.0, say so, or cannot end otherwise", () => {
    expect(read("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n").closes).toBe(true);
    expect(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n").closes).toBe(true);
    expect(read("HTTP/1.1 200 OK\r\n\r\n").closes).toBe(true);
    expect(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").closes).toBe(false);
  });
});

describe("whatever comes", () => {
  /** Bytes with much of what matters in them. */
  const fragment = fc.oneof(
    fc.constantFrom(
      "GET",
      "POST",
      " ",
      "/",
      "*",
      "HTTP/1.1",
      "HTTP/1.0",
      "\r\n",
      "\n",
      "\r",
      "\r\n\r\n",
      ":",
      ",",
      "\t",
      "\0",
      "a.test",
      "Host",
      "Content-Length",
      "Transfer-Encoding",
      "chunked",
      "Connection",
      "Upgrade",
      "websocket",
      "5",
      "200",
    ),
    fc.string({ unit: "binary-ascii", maxLength: 8 }),
  );
  const soup = fc.array(fragment, { maxLength: 40 }).map((parts) => latin1(parts.join("")));
  const almost = fc.record({ at: fc.nat(60), with: fragment }).map(({ at, with: text }) => {
    const whole = `POST /path HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nX: y\r\n\r\n`;
    return latin1(whole.slice(0, at) + text + whole.slice(at));
  });

  test("is read or refused, and what is read is written as one request that is read the same way", () => {
    const check = (bytes: Buffer): void => {
      const length = outcome(() => headLength(bytes)) === "read" ? headLength(bytes) : undefined;
      if (length === undefined || outcome(() => parseRequestHead(bytes.subarray(0, length))) !== "read")
        return;
      const read = parseRequestHead(bytes.subarray(0, length));
      const written = requestBytes(read, []);
      expect(headLength(written)).toBe(written.length);
      const again = parseRequestHead(written);
      expect([again.method, again.target, again.host, again.body, again.closes, again.isWebSocket]).toEqual([
        read.method,
        read.target,
        read.host,
        read.body,
        read.closes,
        read.isWebSocket,
      ]);
    };
    fc.assert(fc.property(fc.oneof(soup, almost), check), { numRuns: 5000 });
  });

  test("answers as well", () => {
    const check = (bytes: Buffer): void => {
      const whole = latin1(`HTTP/1.1 200 OK\r\n${bytes.toString("latin1")}\r\n\r\n`);
      const length = outcome(() => headLength(whole)) === "read" ? headLength(whole) : undefined;
      if (
        length === undefined ||
        outcome(() => parseResponseHead(whole.subarray(0, length), "GET")) !== "read"
      )
        return;
      const written = responseBytes(parseResponseHead(whole.subarray(0, length), "GET"), true);
      expect(headLength(written)).toBe(written.length);
      expect(outcome(() => parseResponseHead(written, "GET"))).toBe("read");
    };
    fc.assert(fc.property(soup, check), { numRuns: 2000 });
  });

  test("the end of a head is found however it is cut", () => {
    const whole = latin1(`${GET}X: y\r\n\r\nbody`);
    const end = whole.length - 4;
    for (let from = 0; from < end; from++) {
      expect(headLength(whole.subarray(0, from))).toBeUndefined();
      expect(headLength(whole, from)).toBe(end);
    }
  });

  test("a value of spaces takes no more time than another one", () => {
    const spaces = " ".repeat(MAX_HEAD_BYTES - 100);
    expect(request(`${GET}X: a${spaces}b\r\n\r\n`)).toBe("read");
  });
});

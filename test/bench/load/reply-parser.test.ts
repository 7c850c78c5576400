// Replies arrive in pieces of any size; what comes out is the same.

import { expect, test } from "bun:test";
import { type Reply, ReplyParser } from "./reply-parser.ts";

const WIRE = {
  length: 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}',
  chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\n\r\n',
  trailer: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n0\r\n\r\n',
};

test.each(Object.entries(WIRE))("%s, in pieces of every size", (_name, wire) => {
  for (let size = 1; size <= wire.length; size++) {
    const parser = new ReplyParser();
    for (const repeat of [1, 2]) {
      const reply = feed(parser, wire, size);
      expect(reply?.status, `${repeat}`).toBe(200);
      expect(reply?.body.toString()).toBe('{"a":1}');
    }
  }
});

test("a reply without a body", () => {
  expect(feed(new ReplyParser(), "HTTP/1.1 202 Accepted\r\n\r\n", 5)).toMatchObject({
    status: 202,
    body: Buffer.alloc(0),
  });
});

test.each([
  ["more than one reply", `${WIRE.length}HTTP/1.1`],
  ["a wrong chunk size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"],
  ["an endless header", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`],
  ["a giant body", "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\nx"],
])("%s is refused", (_name, wire) => {
  expect(() => feed(new ReplyParser(), wire, wire.length)).toThrow();
});

function feed(parser: ReplyParser, wire: string, size: number): Reply | undefined {
  for (let at = 0; at < wire.length; at += size) {
    const reply = parser.take(Buffer.from(wire.slice(at, at + size)));
    if (reply !== undefined) return reply;
  }
  return undefined;
}

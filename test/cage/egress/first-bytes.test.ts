// What first bytes ask for, and whether it is what was allowed.

import { describe, expect, test } from "bun:test";
import type { Destination } from "../../../src/cage/egress/destination.ts";
import { judgeFirstBytes, MAX_FIRST_BYTES } from "../../../src/cage/egress/first-bytes.ts";
import { hello, helloMessage, records } from "./hellos.ts";

const name = (port: number): Destination => ({ host: "api.example.com", kind: "name", port });
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const request = (host: string): Buffer => bytes(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);

describe("passes", () => {
  const cases: readonly [what: string, first: Buffer, port: number, protocol: string][] = [
    ["TLS to the name", hello("api.example.com"), 443, "tls"],
    ["TLS to the name on any port", hello("API.EXAMPLE.COM."), 8443, "tls"],
    ["HTTP to the name", request("api.example.com"), 80, "http"],
    ["HTTP to the name with a port", request("api.example.com:8080"), 8080, "http"],
    ["PostgreSQL asking for TLS", bytes("\x00\x00\x00\x08\x04\xd2\x16\x2f"), 5432, "other"],
    ["Redis", bytes("*1\r\n$4\r\nPING\r\n"), 6379, "other"],
    ["SSH", bytes("SSH-2.0-OpenSSH_9.6\r\n"), 22, "other"],
    ["HTTP/2 without TLS", bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 4317, "other"],
  ];
  test.each(cases)("%s", (_, first, port, protocol) => {
    expect<object>(judgeFirstBytes(first, name(port))).toEqual({
      state: "passes",
      protocol,
      encryptedHello: false,
    });
  });

  test("a large upload behind a request", () => {
    const upload = Buffer.concat([request("api.example.com"), Buffer.alloc(500_000)]);
    expect(judgeFirstBytes(upload, name(80))).toMatchObject({ state: "passes", protocol: "http" });
  });
});

describe("refused", () => {
  const inside = "inside a connection to api.example.com";
  const cases: readonly [
    what: string,
    first: Buffer,
    port: number,
    asked: string | undefined,
    reason: string,
  ][] = [
    ["TLS to another name", hello("evil.test"), 443, "evil.test", `asked for evil.test ${inside}`],
    [
      "TLS to another name on any port",
      hello("evil.test"),
      5000,
      "evil.test",
      `asked for evil.test ${inside}`,
    ],
    [
      "TLS to a name below",
      hello("x.api.example.com"),
      443,
      "x.api.example.com",
      `asked for x.api.example.com ${inside}`,
    ],
    [
      "TLS without a name",
      records(helloMessage()),
      443,
      undefined,
      "no server name in the TLS hello of a connection to api.example.com",
    ],
    [
      "broken TLS",
      records(helloMessage({ names: ["a b"] })),
      8443,
      undefined,
      `a malformed TLS hello ${inside}`,
    ],
    ["HTTP to another name", request("evil.test"), 80, "evil.test", `asked for evil.test ${inside}`],
    ["HTTP to an address", request("10.0.0.1"), 80, "10.0.0.1", `asked for 10.0.0.1 ${inside}`],
    [
      "HTTP without a name",
      bytes("GET / HTTP/1.0\r\n\r\n"),
      8080,
      undefined,
      `an HTTP request without one clear host ${inside}`,
    ],
    [
      "broken HTTP",
      bytes("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
      80,
      undefined,
      `a malformed HTTP request ${inside}`,
    ],
    [
      "HTTP on the port of TLS",
      request("api.example.com"),
      443,
      undefined,
      "a connection to api.example.com on port 443 has to begin with TLS",
    ],
    [
      "SSH on the port of TLS",
      bytes("SSH-2.0-x\r\n"),
      443,
      undefined,
      "a connection to api.example.com on port 443 has to begin with TLS",
    ],
  ];
  test.each(cases)("%s", (_, first, port, asked, reason) => {
    expect<object>(judgeFirstBytes(first, name(port))).toEqual({ state: "refused", asked, reason });
  });
});

test("waits, but not for ever", () => {
  expect(judgeFirstBytes(Buffer.alloc(0), name(443)).state).toBe("more");
  expect(judgeFirstBytes(hello("api.example.com").subarray(0, 40), name(443)).state).toBe("more");
  const endless = bytes(`GET / HTTP/1.1\r\nX: ${"x".repeat(MAX_FIRST_BYTES)}`);
  expect(judgeFirstBytes(endless.subarray(0, MAX_FIRST_BYTES - 1), name(80)).state).toBe("more");
  expect(judgeFirstBytes(endless.subarray(0, MAX_FIRST_BYTES), name(80))).toMatchObject({ state: "refused" });
  const tls = records(
    Buffer.concat([Buffer.from([1, 0xff, 0xff, 0xff]), Buffer.alloc(MAX_FIRST_BYTES)]),
    1000,
  );
  expect(judgeFirstBytes(tls, name(443))).toMatchObject({ state: "refused" });
});

test("nothing is compared with an address", () => {
  const address: Destination = { host: "10.0.0.7", kind: "address", port: 443 };
  expect(judgeFirstBytes(hello("any.test"), address)).toMatchObject({ state: "passes", protocol: "tls" });
  expect(judgeFirstBytes(records(helloMessage()), address)).toMatchObject({
    state: "passes",
    protocol: "tls",
  });
  expect(judgeFirstBytes(request("any.test"), address)).toMatchObject({ state: "passes", protocol: "http" });
  expect(judgeFirstBytes(bytes("SSH-2.0-x\r\n"), address)).toMatchObject({
    state: "passes",
    protocol: "other",
  });
});

test("a hello that hides another is marked", () => {
  const hiding = records(helloMessage({ names: ["api.example.com"], extensions: [[0xfe0d, [0]]] }));
  expect(judgeFirstBytes(hiding, name(443))).toMatchObject({ state: "passes", encryptedHello: true });
});

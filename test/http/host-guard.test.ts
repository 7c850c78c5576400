// Which Host and which Origin are let in, for each way to listen.

import { describe, expect, test } from "bun:test";
import { type GuardOptions, hostGuard } from "../../src/http/host-guard.ts";

const LOOPBACK: GuardOptions = {
  listenHost: "127.0.0.1",
  allowedHosts: [],
  allowedOrigins: [],
  publicUrl: undefined,
};
const EVERYWHERE: GuardOptions = { ...LOOPBACK, listenHost: "0.0.0.0" };
const NAMED: GuardOptions = {
  ...LOOPBACK,
  listenHost: "10.0.0.5",
  allowedHosts: ["Tools.Example.com", "only-here:8443"],
  allowedOrigins: ["https://App.Example.com"],
};
const PROXIED: GuardOptions = { ...LOOPBACK, publicUrl: "https://tools.example.com" };

describe("a Host", () => {
  const rows: readonly (readonly [string, GuardOptions, string | null, boolean])[] = [
    ["loopback", LOOPBACK, "127.0.0.1:7700", true],
    ["loopback", LOOPBACK, "127.0.0.1", true],
    ["loopback", LOOPBACK, "localhost:7700", true],
    ["loopback", LOOPBACK, "LOCALHOST:7700", true],
    ["loopback", LOOPBACK, "[::1]:7700", true],
    ["loopback", LOOPBACK, "[::1]", true],
    ["loopback", LOOPBACK, "10.0.0.5:7700", false],
    ["loopback", LOOPBACK, "evil.example", false],
    ["loopback", LOOPBACK, "localhost.evil.example", false],
    ["loopback", LOOPBACK, "127.0.0.1.evil.example:80", false],
    ["loopback", LOOPBACK, "evil.example:127.0.0.1", false],
    ["loopback", LOOPBACK, "localhost:7700:1", false],
    ["loopback", LOOPBACK, "", false],
    ["loopback", LOOPBACK, "[", false],
    ["loopback", LOOPBACK, "[::1].evil.example", false],
    ["loopback", LOOPBACK, "[::1]evil:7700", false],
    ["loopback", LOOPBACK, null, false],
    ["all addresses", EVERYWHERE, "192.168.1.9:7700", true],
    ["all addresses", EVERYWHERE, "[fd00::7]:7700", true],
    ["all addresses", EVERYWHERE, "evil.example:7700", false],
    ["all addresses", EVERYWHERE, "1.2.3.4.evil.example", false],
    ["a named host", NAMED, "10.0.0.5:7700", true],
    ["a named host", NAMED, "10.0.0.6:7700", false],
    ["a named host", NAMED, "tools.example.com", true],
    ["a named host", NAMED, "tools.example.com:443", true],
    ["a named host", NAMED, "only-here:8443", true],
    ["a named host", NAMED, "only-here:8444", false],
    ["a public URL", PROXIED, "tools.example.com", true],
    ["a public URL", PROXIED, "localhost:7700", true],
    ["a public URL", PROXIED, "other.example.com", false],
  ];
  test.each(rows.map((row) => [`${row[0]}: ${row[2]} → ${row[3]}`, ...row] as const))("%s", (...row) => {
    const [, , options, host, isLetIn] = row;
    const guard = hostGuard(options);
    const problem = guard(host, null);
    expect(problem === undefined).toBe(isLetIn);
    if (problem !== undefined && host !== null && host !== "" && host !== "[")
      expect(problem).not.toContain(host);
    // The answer is the same the second time, whatever was remembered of the first.
    expect(guard(host, null) === undefined).toBe(isLetIn);
    expect(guard("evil.example", null)).toBeDefined();
  });
});

describe("an Origin", () => {
  const rows: readonly (readonly [string, GuardOptions, string, string, boolean])[] = [
    ["its own page", LOOPBACK, "127.0.0.1:7700", "http://127.0.0.1:7700", true],
    ["a page of this machine", LOOPBACK, "127.0.0.1:7700", "http://localhost:3000", true],
    ["a page of this machine, IPv6", LOOPBACK, "127.0.0.1:7700", "http://[::1]:3000", true],
    ["a stranger's page", LOOPBACK, "127.0.0.1:7700", "https://evil.example", false],
    ["one that ends well", LOOPBACK, "127.0.0.1:7700", "https://evil-localhost", false],
    ["one that begins well", LOOPBACK, "127.0.0.1:7700", "https://localhost.evil.example", false],
    ["with a user in it", LOOPBACK, "127.0.0.1:7700", "https://localhost@evil.example", false],
    ["an opaque one", LOOPBACK, "127.0.0.1:7700", "null", false],
    ["of a browser's extension", LOOPBACK, "127.0.0.1:7700", "moz-extension://localhost", false],
    ["of a file", LOOPBACK, "127.0.0.1:7700", "file://", false],
    ["an empty one", LOOPBACK, "127.0.0.1:7700", "", false],
    ["an allowed one", NAMED, "10.0.0.5:7700", "https://app.example.com", true],
    ["an allowed one on another port", NAMED, "10.0.0.5:7700", "https://app.example.com:8443", false],
    ["an allowed one in clear", NAMED, "10.0.0.5:7700", "http://app.example.com", false],
    ["of the same host", NAMED, "tools.example.com", "https://tools.example.com", true],
    ["of the public URL", PROXIED, "localhost:7700", "https://tools.example.com", true],
  ];
  test.each(rows.map((row) => [`${row[0]}: ${row[3]}`, ...row] as const))("%s", (...row) => {
    const [, , options, host, origin, isLetIn] = row;
    expect(hostGuard(options)(host, origin) === undefined).toBe(isLetIn);
  });

  test("does not help a wrong Host", () => {
    expect(hostGuard(LOOPBACK)("evil.example", "http://evil.example")).toContain("allowed_hosts");
    expect(hostGuard(LOOPBACK)("127.0.0.1:1", "http://evil.example")).toContain("allowed_origins");
  });
});

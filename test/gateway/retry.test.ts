// What is said of a lost call: by its method, whether the server got it, and the tool's own hints.

import { describe, expect, test } from "bun:test";
import { type LostCall, retryAdvice, retryOf } from "../../src/gateway/retry.ts";
import { serverView } from "../../src/gateway/view.ts";
import { offerOf } from "./lab.ts";

describe("whether it may be made again", () => {
  const rows: readonly (readonly [string, Partial<LostCall>, "safe" | "unknown"])[] = [
    ["a tool without hints", {}, "unknown"],
    ["a tool that may be repeated", { isRepeatable: () => true }, "safe"],
    ["any tool whose server never got the call", { wasSent: false }, "safe"],
    ["any tool whose server was busy", { code: "server-busy" }, "safe"],
    ["any tool whose server was too slow", { code: "server-timeout" }, "unknown"],
    ["a list", { method: "tools/list" }, "safe"],
    ["a completion", { method: "completion/complete" }, "safe"],
    ["a method that ends like a list", { method: "vendor/list" }, "unknown"],
    ["a method that nobody knows, whatever hints say", { method: "x", isRepeatable: () => true }, "unknown"],
  ];
  test.each(rows)("%s", (_about, more, wanted) => {
    const call: LostCall = {
      method: "tools/call",
      code: "server-lost",
      wasSent: true,
      isRepeatable: () => false,
      ...more,
    };
    expect(retryOf(call)).toBe(wanted);
  });

  test("hints are looked for only where they decide", () => {
    const isRepeatable = (): boolean => {
      throw new Error("not needed");
    };
    expect(retryOf({ method: "tools/call", code: "server-lost", wasSent: false, isRepeatable })).toBe("safe");
    expect(retryOf({ method: "ping", code: "server-lost", wasSent: true, isRepeatable })).toBe("safe");
  });
});

test("the words are for calls that reached the server", () => {
  expect(retryAdvice("safe", false)).toBeUndefined();
  expect(retryAdvice("safe", true)).toBe("The call may be made again.");
  expect(retryAdvice("unknown", true)).toContain("was not repeated");
});

test("on a server's own endpoint tools go by their own names", () => {
  const tools = '[{"name":"read","annotations":{"readOnlyHint":true}},{"name":"write","annotations":{}}]';
  const view = serverView({ name: "files", offer: offerOf({ tools }) });
  expect(["read", "write", "files__read", "none"].map((name) => view.isRepeatable(name))).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(serverView({ name: "files", offer: undefined }).isRepeatable("read")).toBe(false);
});

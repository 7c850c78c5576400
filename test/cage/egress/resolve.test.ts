// Which addresses of a permitted destination may be dialled.

import { describe, expect, test } from "bun:test";
import type { Permission } from "../../../src/cage/egress/destination.ts";
import { type Lookup, resolve, type Resolved } from "../../../src/cage/egress/resolve.ts";

const OWN = new Set(["8.8.4.4"]);

function permission(literal: boolean, host = "a.example", kind: "name" | "address" = "name"): Permission {
  return { destination: { host, kind, port: 443 }, rule: "a.example:443", literal, learned: false };
}
async function rejected(error: Error): Promise<never> {
  throw error;
}
function resolved(found: readonly string[], literal: boolean): Promise<Resolved> {
  return resolve(permission(literal), async () => found, OWN, new AbortController().signal);
}

describe("by a wildcard, or by learning", () => {
  test("public addresses are left, in their order", async () => {
    const found = ["10.0.0.1", "2606:4700::1", "1.1.1.1", "8.8.4.4", "::ffff:127.0.0.1", "9.9.9.9"];
    expect(await resolved(found, false)).toEqual({ addresses: ["2606:4700::1", "1.1.1.1", "9.9.9.9"] });
  });

  test("what is left out is named, with the grant that opens it", async () => {
    expect(await resolved(["8.8.4.4"], false)).toEqual({
      refusal: {
        reason: "it leads to an address of this host, and only a grant of a.example itself opens it",
        grant: "a.example:443",
      },
    });
  });
});

describe("by a rule that names the host", () => {
  test("its network is left as well, and never credentials", async () => {
    const found = [
      "10.0.0.1",
      "127.0.0.1",
      "fe80::1",
      "8.8.4.4",
      "169.254.169.254",
      "::ffff:a9fe:a9fe",
      "0.0.0.0",
    ];
    expect(await resolved(found, true)).toEqual({
      addresses: ["10.0.0.1", "127.0.0.1", "fe80::1", "8.8.4.4"],
    });
  });
});

test("an address is not looked up, whatever it is", async () => {
  const lookup: Lookup = () => {
    throw new Error("was looked up");
  };
  const signal = new AbortController().signal;
  const answer = await resolve(permission(true, "169.254.169.254", "address"), lookup, OWN, signal);
  expect(answer).toEqual({ addresses: ["169.254.169.254"] });
});

test("what is no address, and what is beyond the sixteenth, is not looked at", async () => {
  expect(await resolved(["a.example", "", "1.1.1.1.1"], false)).toEqual({
    failure: "a.example has no address",
  });
  expect(await resolved([], false)).toEqual({ failure: "a.example has no address" });
  const many = [...Array<string>(16).fill("10.0.0.1"), "1.1.1.1"];
  expect(await resolved(many, false)).toMatchObject({ refusal: { grant: "a.example:443" } });
});

test("a failure has its code", async () => {
  const signal = new AbortController().signal;
  const fail = (error: Error): Promise<Resolved> =>
    resolve(permission(true), () => rejected(error), OWN, signal);
  expect(await fail(Object.assign(new Error("x"), { code: "ENOTFOUND" }))).toEqual({
    failure: "a.example could not be looked up (ENOTFOUND)",
  });
  expect(await fail(new Error("secret words"))).toEqual({ failure: "a.example could not be looked up" });
});

test("a look-up that never ends is left with the signal", async () => {
  const limit = new AbortController();
  const answer = resolve(permission(true), () => new Promise(() => {}), OWN, limit.signal);
  limit.abort(new Error("no answer within 10 seconds"));
  const failure = "a.example could not be looked up (no answer within 10 seconds)";
  expect(await answer).toEqual({ failure });
  const late = await resolve(permission(true), () => new Promise(() => {}), OWN, limit.signal);
  expect(late).toEqual({ failure });
});

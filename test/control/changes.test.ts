// The one writer: every change is on disk before anybody hears of it, numbered, and says who did what.

import { afterEach, describe, expect, test } from "bun:test";
import { hashToken } from "../../src/gateway/token-book.ts";
import type { ConfiguredServer } from "../../src/model/server-spec.ts";
import { specHash } from "../../src/model/spec-hash.ts";
import { type ControlLab, openControl, specOf } from "./lab.ts";

let lab: ControlLab;
afterEach(() => lab.close());

function server(name: string, command = "good"): ConfiguredServer {
  const spec = specOf(command);
  return { name, spec, package: undefined, enabled: true, specHash: specHash(spec, undefined), createdAt: 5 };
}

describe("servers", () => {
  test("are put, replaced, disabled and removed: each a revision, each at once in force", async () => {
    lab = await openControl();
    lab.changes.putServer(server("b"), false);
    lab.changes.putServer(server("a"), false);
    expect(lab.changes.servers.map(({ name }) => name)).toEqual(["a", "b"]);
    lab.changes.putServer(server("b", "other"), true);
    lab.changes.setEnabled("a", false);
    expect(lab.pool.status("a")?.state).toBe("disabled");
    lab.changes.removeServer("b");
    expect(lab.pool.status("b")).toBeUndefined();
    expect(lab.events).toEqual(["config 1", "config 2", "config 3", "config 4", "config 5"]);
    expect(lab.changes.servers).toMatchObject([{ name: "a", enabled: false, createdAt: 5 }]);
    lab = await lab.reopen();
    expect(lab.changes.servers).toMatchObject([{ name: "a", enabled: false, createdAt: 5 }]);
  });

  test("of a name in use are refused, and nothing is written", async () => {
    lab = await openControl();
    lab.changes.putServer(server("a"), false);
    expect(() => lab.changes.putServer(server("a", "other"), false)).toThrow("There is a server a already");
    expect(lab.changes.servers).toMatchObject([{ spec: { command: "good" } }]);
    expect(lab.events).toEqual(["config 1"]);
  });

  test("that are in the wanted state already make no revision", async () => {
    lab = await openControl();
    lab.changes.putServer(server("a"), false);
    lab.changes.setEnabled("a", true);
    expect(lab.events).toEqual(["config 1"]);
  });
});

describe("what cannot be written", () => {
  test("changes nothing, and nobody hears of it", async () => {
    lab = await openControl();
    lab.changes.putServer(server("a"), false);
    // No JSON can hold it.
    const broken = { ...server("b"), spec: specOf("good", { extra: { big: 1n } }) };
    expect(() => lab.changes.putServer(broken, false)).toThrow("BigInt");
    expect(lab.changes.servers.map(({ name }) => name)).toEqual(["a"]);
    expect(lab.pool.status("b")).toBeUndefined();
    expect(lab.events).toEqual(["config 1"]);
    lab.changes.putServer(server("c"), false);
    expect(lab.events).toEqual(["config 1", "config 2"]);
  });
});

describe("tokens", () => {
  test("are made, known at once, and stored without the token", async () => {
    lab = await openControl();
    const { record, token } = lab.changes.createToken({ name: "ci", servers: ["a"], expiresInSeconds: 60 });
    expect(record).toMatchObject({
      name: "ci",
      servers: ["a"],
      hash: hashToken(token),
      createdAt: lab.clock.now,
      expiresAt: lab.clock.now + 60_000,
      lastUsedAt: undefined,
    });
    expect(lab.tokenBook.caller(token)).toEqual({ id: record.id, name: "ci", servers: ["a"] });
    expect(JSON.stringify(lab.changes.tokens())).not.toContain(token);
    expect(lab.changes.tokens()).toMatchObject([{ id: record.id, name: "ci" }]);
    lab.clock.now += 60_000;
    expect(lab.tokenBook.caller(token)).toBeUndefined();
  });

  test("of a name in use are a conflict", async () => {
    lab = await openControl();
    lab.changes.createToken({ name: "ci" });
    expect(() => lab.changes.createToken({ name: "ci" })).toThrow("There is a token ci already");
    expect(lab.changes.tokens()).toHaveLength(1);
  });

  test("are revoked by name or id, and are nobody's at once", async () => {
    lab = await openControl();
    const [first, second] = ["first", "second"].map((name) => lab.changes.createToken({ name }));
    expect(lab.changes.revokeToken("first").id).toBe(first?.record.id ?? "");
    expect(lab.changes.revokeToken(second?.record.id ?? "").name).toBe("second");
    for (const made of [first, second]) expect(lab.tokenBook.caller(made?.token ?? "")).toBeUndefined();
    expect(() => lab.changes.revokeToken("first")).toThrow("There is no token first");
  });

  test("do not touch a server", async () => {
    lab = await openControl();
    lab.changes.putServer(server("a"), false);
    const upstream = await lab.pool.acquire("a");
    lab.changes.createToken({ name: "ci" });
    expect(lab.pool.ready("a")).toBe(upstream);
    expect(lab.connected).toHaveLength(1);
  });
});

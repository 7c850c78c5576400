import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { ServerSpec } from "../../src/model/server-spec.ts";
import { specHash } from "../../src/model/spec-hash.ts";

const spec = (changed: object) =>
  v.parse(ServerSpec, { kind: "stdio", command: "npx", env: { A: "1", B: "2" }, ...changed });
const pinned = {
  ecosystem: "npm",
  name: "x",
  version: "1.0.0",
  integrity: "sha512-x",
  directory: "npm/x",
  entry: "index.js",
} as const;
const base = specHash(spec({}), undefined);

test("is the same in every version: a different one would restart every server", () => {
  const cage = '{"network":[],"read":[],"write":[]}';
  const text = `{"package":null,"spec":{"args":[],"cage":${cage},"command":"npx","env":{"A":"1","B":"2"},"kind":"stdio"}}`;
  expect(base).toBe(new Bun.CryptoHasher("sha256").update(text).digest("hex"));
});

describe("the same", () => {
  const rows: [string, string][] = [
    ["keys in another order", specHash(spec({ env: { B: "2", A: "1" } }), undefined)],
    ["defaults written out", specHash(spec({ args: [], cage: { network: [] } }), undefined)],
    ["keys that are only kept", specHash(spec({ extra: { icon: "x" } }), undefined)],
  ];
  test.each(rows)("%s", (_, hash) => expect(hash).toBe(base));
});

test("anything that decides how it runs makes another", () => {
  const hashes = [
    base,
    specHash(spec({ command: "node" }), undefined),
    specHash(spec({ args: ["a", "b"] }), undefined),
    specHash(spec({ args: ["b", "a"] }), undefined),
    specHash(spec({ args: ["ab"] }), undefined),
    specHash(spec({ env: { A: "2", B: "1" } }), undefined),
    specHash(spec({ cwd: "/srv" }), undefined),
    specHash(spec({ cage: { read: ["/srv"] } }), undefined),
    specHash(spec({ cage: { write: ["/srv"] } }), undefined),
    specHash(spec({ startTimeoutMs: 100 }), undefined),
    specHash(spec({}), pinned),
    specHash(spec({}), { ...pinned, version: "1.0.1" }),
    specHash(v.parse(ServerSpec, { kind: "http", url: "https://example.com/" }), undefined),
    specHash(
      v.parse(ServerSpec, { kind: "http", url: "https://example.com/", headers: { A: "1" } }),
      undefined,
    ),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
  for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/);
});

// What an administrator sees of a cage and how it is widened: by one grant, by what was learned, or not at all.

import { describe, expect, test } from "bun:test";
import { type CageFacts, Caging } from "../../src/control/caging.ts";
import { AppError } from "../../src/errors.ts";
import type { ConfiguredServer, ServerSpec } from "../../src/model/server-spec.ts";
import { specHash } from "../../src/model/spec-hash.ts";

const FACTS: CageFacts = {
  report: () => undefined,
  refused: () => [
    { at: 1, what: "api.example.com", reason: "not allowed", count: 2, grant: "api.example.com:443" },
  ],
  learned: () => ["a.example.com:443", "b.example.com:80"],
  traffic: () => [{ grant: "a.example.com:443", connections: 1, bytesUp: 2, bytesDown: 3 }],
};

function lab(spec: Partial<ServerSpec> = {}) {
  const whole: ServerSpec = {
    kind: "stdio",
    command: "npx",
    args: [],
    env: {},
    extra: {},
    ...spec,
    cage: { read: [], write: [], network: ["a.example.com:443"], ...("cage" in spec ? spec.cage : {}) },
  } as ServerSpec;
  let server: ConfiguredServer = {
    name: "files",
    spec: whole,
    package: undefined,
    enabled: true,
    specHash: specHash(whole, undefined),
    createdAt: 0,
  };
  const saved: ConfiguredServer[] = [];
  const caging = new Caging({
    find: () => server,
    save(next) {
      saved.push(next);
      server = next;
    },
    facts: FACTS,
    refusedPaths: ({ read, write }) => ([...read, ...write].includes("/usr") ? "No /usr today." : undefined),
  });
  return { caging, saved };
}
const grants = (...list: string[]) => ({ grants: list, write: false, learned: false });

describe("view", () => {
  test("says limits that were not given, and values of brokers never", () => {
    const broker = { github: { host: "api.github.com:443", header: "authorization", value: "sekret" } };
    const view = lab({ cage: { read: [], write: [], network: [], broker } }).caging.view("files");
    expect(view).toMatchObject({
      mode: "on",
      minimum: "isolated",
      limits: { memoryBytes: 1024 ** 3, processes: 256, cpus: 2 },
      broker: [{ name: "github", host: "api.github.com:443", header: "authorization" }],
    });
    expect(JSON.stringify(view)).not.toContain("sekret");
  });

  test("what was learned and is granted already is not offered again", () => {
    expect(lab().caging.view("files").learned).toEqual(["b.example.com:80"]);
  });

  test("a server that is reached by its URL has none", () => {
    const { caging } = lab({ kind: "http", url: "https://x/", headers: {} });
    expect(() => caging.view("files")).toThrow("Server files is reached by its URL");
  });
});

describe("allow", () => {
  test("a host, a path to read, a path to write", () => {
    const { caging, saved } = lab();
    expect(caging.allow("files", grants("*.example.com:443")).network).toEqual([
      "a.example.com:443",
      "*.example.com:443",
    ]);
    expect(caging.allow("files", grants("/var")).read).toEqual(["/var"]);
    const both = caging.allow("files", { ...grants("/var"), write: true });
    expect([both.read, both.write]).toEqual([[], ["/var"]]);
    expect(new Set(saved.map((server) => server.specHash)).size).toBe(3);
  });

  test("what it has already changes nothing", () => {
    const { caging, saved } = lab();
    caging.allow("files", grants("a.example.com:443"));
    expect(saved).toEqual([]);
  });

  test("what was learned, and learning ends", () => {
    const { caging, saved } = lab({ cage: { read: [], write: [], network: [], learn: true } });
    const view = caging.allow("files", { grants: [], write: false, learned: true });
    expect(view).toMatchObject({ learn: false, network: ["a.example.com:443", "b.example.com:80"] });
    expect(saved).toHaveLength(1);
  });

  test.each([
    ["nothing", grants(), "Say what to allow"],
    ["a host without a port", grants("api.example.com"), '"api.example.com" is no grant: write host:port'],
    ["a path that is not there", grants("/nowhere/at/all"), 'There is no "/nowhere/at/all" on this host.'],
    ["a path that cannot be granted", grants("/usr"), "No /usr today."],
    ["one right and one wrong", grants("x.example.com:443", "nonsense"), '"nonsense" is no grant'],
  ])("%s is refused and nothing is changed", (_what, request, sentence) => {
    const { caging, saved } = lab();
    const act = () => caging.allow("files", request);
    expect(act).toThrow(AppError);
    expect(act).toThrow(sentence);
    expect(saved).toEqual([]);
  });
});

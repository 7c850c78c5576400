// The catalog: which view a caller gets, that a view is made once, and a single server's own view.

import { describe, expect, test } from "bun:test";
import { describeView } from "../../src/gateway/view.ts";
import { compose } from "../../src/wire/compose.ts";
import { catalogOf, text, toolsOf } from "./lab.ts";

const all = { kind: "merged", servers: undefined } as const;
const some = (...servers: readonly string[]) => ({ kind: "merged", servers }) as const;
const one = (name: string) => ({ kind: "server", name }) as const;

const catalog = () => catalogOf({ b: toolsOf("x"), a: toolsOf("y"), c: null });
const tools = (bytes: Uint8Array | undefined): string[] => {
  const entries: { name: string }[] = JSON.parse(text(bytes ?? new Uint8Array()));
  return entries.map(({ name }) => name);
};

describe("a caller sees", () => {
  test.each([
    ["all servers, by name", all, ["a__y", "b__x"]],
    ["the servers of its token", some("b"), ["b__x"]],
    ["no other, though the token names one that is gone", some("b", "gone"), ["b__x"]],
    ["nothing where the token names none", some(), []],
  ] as const)("%s", (_about, scope, wanted) => {
    expect(tools(catalog().view(scope)?.list("tools"))).toEqual([...wanted]);
  });

  test("of a token's view, no name of another server resolves", () => {
    const view = catalog().view(some("b"));
    expect(view?.resolve("tools", "b__x")).toEqual({ server: "b", name: "x" });
    expect(view?.resolve("tools", "a__y")).toBeUndefined();
    // Nor of one that was never read.
    expect(view?.resolve("tools", "c__anything")).toBeUndefined();
    expect(catalog().view(all)?.resolve("tools", "c__anything")).toEqual({ server: "c", name: "anything" });
  });
});

describe("views", () => {
  test("are made once for each set of servers", () => {
    const made = catalog();
    expect(made.view(all)).toBe(made.view({ kind: "merged", servers: undefined }));
    expect(made.view(some("a", "b"))).toBe(made.view(some("a", "b")));
    expect(made.view(some("a"))).not.toBe(made.view(some("b")));
    expect(made.view(some("a"))).not.toBe(made.view(one("a")));
    expect(made.view(one("a"))).toBe(made.view(one("a")));
  });

  test("are kept up to a bound", () => {
    const made = catalog();
    const first = made.view(some("s0"));
    for (let index = 1; index <= 256; index++) made.view(some(`s${index}`));
    expect(made.view(some("s256"))).toBe(made.view(some("s256")));
    expect(made.view(some("s0"))).not.toBe(first);
  });

  test("of a server that is not there are none", () => {
    expect(catalog().view(one("gone"))).toBeUndefined();
    expect(catalog().view(one(""))).toBeUndefined();
    expect([catalog().has("a"), catalog().has("gone"), catalog().has("__proto__")]).toEqual([
      true,
      false,
      false,
    ]);
    expect(catalog().serverNames).toEqual(["a", "b", "c"]);
  });
});

describe("a server's own view", () => {
  test("changes nothing: lists, names, words", () => {
    const raw = '[ {"name":"a b.c","big":9007199254740993}, 7 ]';
    const view = catalogOf({
      s: { tools: raw, serverInfo: '{"name":"own","x":1.0}', instructions: "use me" },
    }).view(one("s"));
    expect(text(view?.list("tools") ?? new Uint8Array())).toBe(raw);
    expect(view?.serverInfo).toBe('{"name":"own","x":1.0}');
    expect(view?.instructions).toBe("use me");
    expect(view?.only).toBe("s");
    expect(view?.names("tools")).toEqual(["a b.c"]);
    // It knows best what it has.
    expect(view?.resolve("tools", "anything")).toEqual({ server: "s", name: "anything" });
    expect(view?.resolveResource("any://thing")).toBe("s");
  });

  test.each([
    ['{"tools":{"listChanged":false}}', { tools: { listChanged: true } }],
    [
      '{"prompts":{},"resources":{"subscribe":true},"logging":{}}',
      { prompts: { listChanged: true }, resources: { listChanged: true } },
    ],
    ['{"completions":{},"experimental":{"x":{}},"vendor":1}', { completions: {} }],
    ["{}", {}],
  ])("claims of %s only what is carried", (capabilities, wanted) => {
    const view = catalogOf({ s: { capabilities } }).view(one("s"));
    expect(JSON.parse(view?.capabilities ?? "")).toEqual(wanted);
  });

  test("of one that was never read claims lists, which are empty so far", () => {
    const view = catalogOf({ s: null }).view(one("s"));
    expect(Object.keys(JSON.parse(view?.capabilities ?? ""))).toEqual(["tools", "prompts", "resources"]);
    expect(JSON.parse(view?.serverInfo ?? "")).toEqual({ name: "s", version: "0" });
    expect(text(view?.list("tools") ?? new Uint8Array())).toBe("[]");
  });

  test("is described in JSON, whatever its instructions say", () => {
    const view = catalogOf({ s: { instructions: 'a "quoted"\nline é' } }).view(one("s"));
    if (view === undefined) throw new Error("no view");
    const described: unknown = JSON.parse(compose("{", ...describeView(view), "}").toString());
    expect(described).toMatchObject({ instructions: 'a "quoted"\nline é' });
  });
});

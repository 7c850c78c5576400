// The merged view: one list out of many, changed in nothing but the names, and who serves what.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { mergedName } from "../../src/gateway/merged-names.ts";
import { mergedView } from "../../src/gateway/merged-view.ts";
import type { View } from "../../src/gateway/view.ts";
import { type RawOffer, SELF, serversOf, text, toolsOf } from "./lab.ts";

const view = (offers: Readonly<Record<string, RawOffer | null>>): View => mergedView(serversOf(offers), SELF);
const names = (list: Uint8Array): string[] => {
  const entries: { name: string }[] = JSON.parse(text(list));
  return entries.map(({ name }) => name);
};

describe("lists", () => {
  test("stand in the order of the servers, then in the server's own", () => {
    const merged = view({ b: toolsOf("z", "a"), a: toolsOf("m"), c: {} });
    expect(names(merged.list("tools"))).toEqual(["b__z", "b__a", "a__m"]);
  });

  test("are empty without servers, without lists and before they were read", () => {
    for (const offers of [{}, { a: {} }, { a: null }]) {
      const merged = view(offers);
      for (const kind of ["tools", "prompts", "resources", "resourceTemplates"] as const) {
        expect(text(merged.list(kind))).toBe("[]");
      }
    }
  });

  test("change nothing of an entry but its name", () => {
    const tools =
      '[ {"big":9007199254740993,"one":1.0, "minusZero":-0 , "name" : "read" ,"huge":1e400,"twice":1,"twice":2,' +
      '"text":"\\u00e9 é \\/ \\ud83d","nested":{"name":"not this one"},"x":[{"name":"nor this"}]} ]';
    expect(text(view({ files: { tools } }).list("tools"))).toBe(
      '[{"big":9007199254740993,"one":1.0, "minusZero":-0 , "name" : "files__read" ,"huge":1e400,"twice":1,"twice":2,' +
        '"text":"\\u00e9 é \\/ \\ud83d","nested":{"name":"not this one"},"x":[{"name":"nor this"}]}]',
    );
  });

  test("find the name behind its escapes", () => {
    const tools = String.raw`[{"n\u0061me":"r\u0065ad","x":1}]`;
    const merged = view({ files: { tools } });
    expect(text(merged.list("tools"))).toBe(String.raw`[{"n\u0061me":"files__read","x":1}]`);
    expect(merged.resolve("tools", "files__read")).toEqual({ server: "files", name: "read" });
  });

  test("leave out what has no name, and what comes twice", () => {
    const tools = '[{"name":"a","n":1},{},7,"text",null,[],{"name":5},{"name":"a","n":2},{"name":"b"}]';
    expect(text(view({ s: { tools } }).list("tools"))).toBe('[{"name":"s__a","n":1},{"name":"s__b"}]');
  });

  test("of prompts are named like tools; resources keep their URIs, the first server's count", () => {
    const merged = view({
      a: { prompts: '[{"name":"p"}]', resources: '[{"uri":"file:///x","n":1},{"name":"no uri"}]' },
      b: { prompts: '[{"name":"p"}]', resources: '[{"uri":"file:///x","n":2},{"uri":"file:///y"}]' },
    });
    expect(text(merged.list("prompts"))).toBe('[{"name":"a__p"},{"name":"b__p"}]');
    expect(text(merged.list("resources"))).toBe('[{"uri":"file:///x","n":1},{"uri":"file:///y"}]');
    expect(merged.resolveResource("file:///x")).toBe("a");
    expect(merged.resolveResource("file:///y")).toBe("b");
  });

  test("are made once", () => {
    const merged = view({ a: toolsOf("x") });
    expect(merged.list("tools")).toBe(merged.list("tools"));
    expect(merged.list("resources")).toBe(merged.list("resources"));
  });
});

describe("names", () => {
  test("lead back to the server and to its own name", () => {
    const long = "x".repeat(100);
    const merged = view({ files: toolsOf("read", "a.b", "a/b", long, "été"), db: toolsOf("read") });
    for (const [server, name] of [
      ["files", "read"],
      ["files", "a.b"],
      ["files", "a/b"],
      ["files", long],
      ["files", "été"],
      ["db", "read"],
    ] as const) {
      expect(merged.resolve("tools", mergedName(server, name))).toEqual({ server, name });
    }
    expect(merged.names("tools")).toHaveLength(6);
  });

  test("that nobody has lead nowhere, the bare ones included", () => {
    const merged = view({ files: toolsOf("read") });
    for (const name of [
      "read",
      "files__write",
      "files__",
      "files",
      "db__read",
      "__read",
      "",
      "FILES__read",
    ]) {
      expect(merged.resolve("tools", name)).toBeUndefined();
    }
    expect(merged.resolve("prompts", "files__read")).toBeUndefined();
  });

  test("of a server that was never read lead to it by their beginning: it answers for itself", () => {
    const merged = view({ unread: null, read: toolsOf("a") });
    expect(merged.resolve("tools", "unread__any__thing")).toEqual({ server: "unread", name: "any__thing" });
    expect(merged.resolve("prompts", "unread__p")).toEqual({ server: "unread", name: "p" });
    expect(merged.resolve("tools", "read__b")).toBeUndefined();
    expect(merged.resolve("tools", "other__b")).toBeUndefined();
    expect(merged.names("tools")).toEqual(["read__a"]);
  });

  test("of any kind come back, on random catalogs", () => {
    const offers = fc.dictionary(
      fc.stringMatching(/^[a-z]{1,6}$/),
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 70 }), { maxLength: 12 }),
      { maxKeys: 6 },
    );
    fc.assert(
      fc.property(offers, (servers) => {
        const entries = Object.entries(servers);
        const merged = view(
          Object.fromEntries(entries.map(([server, tools]) => [server, toolsOf(...tools)])),
        );
        const listed = names(merged.list("tools"));
        expect(new Set(listed).size).toBe(listed.length);
        expect(listed.length).toBe(entries.reduce((sum, [, tools]) => sum + tools.length, 0));
        for (const [server, tools] of entries) {
          for (const name of tools) {
            expect(merged.resolve("tools", mergedName(server, name))).toEqual({ server, name });
          }
        }
      }),
    );
  });
});

test("a resource that two servers list is of the one that was added first, whatever their names", () => {
  const servers = serversOf({
    aaa: { resources: '[{"uri":"file:///x","of":"aaa"}]' },
    files: { resources: '[{"uri":"file:///x","of":"files"}]' },
  }).map((server) => ({ ...server, addedAt: server.name === "files" ? 1 : 2 }));
  const merged = mergedView(servers, SELF);
  expect(merged.resolveResource("file:///x")).toBe("files");
  expect(text(merged.list("resources"))).toBe('[{"uri":"file:///x","of":"files"}]');
});

describe("resources that no list names", () => {
  const templates = (...uris: readonly string[]): RawOffer => ({
    resourceTemplates: JSON.stringify(uris.map((uriTemplate) => ({ uriTemplate, name: "t" }))),
  });

  test.each([
    ["file:///{path}", "file:///a/b", true],
    ["file:///{path}", "file:///", true],
    ["file:///{path}", "file://", false],
    ["file:///{path}", "http:///a", false],
    ["db://{table}/rows/{id}", "db://users/rows/7", true],
    ["db://{table}/rows/{id}", "db://users/row/7", false],
    ["db://{table}/rows", "db://users/rows", true],
    ["db://{table}/rows", "db://users/rows/7", false],
    ["db://{a}{b}/x", "db://1/x", true],
    ["a{x}a", "a", false],
    ["a{x}a", "aa", true],
    ["plain://fixed", "plain://fixed", true],
    ["plain://fixed", "plain://fixed/more", false],
    ["(a+)+{x}$", "(a+)+anything$", true],
    ["{+path}", "anything", true],
    ["{", "{", true],
    ["{", "anything", false],
  ])("%s: %s → %p", (template, uri, matches) => {
    expect(view({ s: templates(template) }).resolveResource(uri)).toBe(matches ? "s" : undefined);
  });

  test("a list comes before a template, and a template with more words before one with fewer", () => {
    const merged = view({
      all: templates("{any}"),
      files: templates("file:///{path}"),
      docs: templates("file:///docs/{path}"),
      listed: { resources: '[{"uri":"file:///docs/one"}]' },
    });
    expect(merged.resolveResource("file:///docs/one")).toBe("listed");
    expect(merged.resolveResource("file:///docs/two")).toBe("docs");
    expect(merged.resolveResource("file:///other")).toBe("files");
    expect(merged.resolveResource("http://x")).toBe("all");
  });

  test("templates stand in the list as they came", () => {
    const raw = '[{"uriTemplate":"a://{x}","n":1.0},{"no":"template"}]';
    expect(text(view({ s: { resourceTemplates: raw } }).list("resourceTemplates"))).toBe(
      '[{"uriTemplate":"a://{x}","n":1.0}]',
    );
  });

  test("neither a long URI nor a hostile template takes long", () => {
    const merged = view({ s: templates(...("{a}x{b}x{c}x{d}".repeat(40).match(/.{1,600}/g) ?? [])) });
    expect(merged.resolveResource("x".repeat(8_000))).toBe("s");
    expect(merged.resolveResource("x".repeat(10_000_000))).toBeUndefined();
  });
});

describe("what it says of itself", () => {
  test("is the appliance's own name, the same capabilities for all, and the servers' instructions, cut", () => {
    const merged = view({ a: { instructions: "use me" }, b: {}, c: { instructions: "x".repeat(9_000) } });
    expect(JSON.parse(merged.serverInfo)).toEqual(SELF);
    expect(JSON.parse(merged.capabilities)).toEqual({
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true },
    });
    expect(merged.instructions).toBe(`# a\nuse me\n\n# c\n${"x".repeat(4_000)}`);
    expect(view({ b: {} }).instructions).toBeUndefined();
    expect(merged.only).toBeUndefined();
  });
});

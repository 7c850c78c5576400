// Reading what a server offers: its pages, its lies, and the bounds that hold against them.

import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { readOffer } from "../../src/upstream/offer.ts";
import { type Answer, type AnsweringUpstream, answeringUpstream, type Asked } from "./answering-upstream.ts";

const TIMEOUT_MS = 1234;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** A server that claims tools only, unless told otherwise. */
function server(answer: (asked: Asked) => Answer, capabilities = '{"tools":{}}'): AnsweringUpstream {
  return answeringUpstream(answer, { hello: { capabilities } });
}

/** The tools, or the sentence of the failure. */
async function tools(answer: (asked: Asked) => Answer): Promise<string> {
  try {
    return text((await readOffer(server(answer), TIMEOUT_MS)).tools);
  } catch (thrown) {
    return `${thrown instanceof AppError ? thrown.code : "?"}: ${thrown instanceof Error ? thrown.message : ""}`;
  }
}

describe("what is asked for", () => {
  const ALL = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];
  test.each([
    ["{}", []],
    ['{"tools":{}}', ["tools/list"]],
    ['{"prompts":{"listChanged":true},"vendor":1}', ["prompts/list"]],
    ['{"resources":{}}', ["resources/list", "resources/templates/list"]],
    ['{"tools":{},"prompts":{},"resources":{}}', ALL],
  ])("%s", async (capabilities, methods) => {
    const upstream = server(({ method }) => {
      const member = method === "resources/templates/list" ? "resourceTemplates" : method.split("/")[0];
      return { result: `{"${member}":[{"name":"${method}"}]}` };
    }, capabilities);
    const offer = await readOffer(upstream, TIMEOUT_MS);
    expect(upstream.asked.map(({ method }) => method)).toEqual(methods);
    for (const { params, timeoutMs } of upstream.asked) {
      expect([params, timeoutMs]).toEqual([undefined, TIMEOUT_MS]);
    }
    const lists = [offer.tools, offer.prompts, offer.resources, offer.resourceTemplates].map(text);
    expect(lists).toEqual(ALL.map((each) => (methods.includes(each) ? `[{"name":"${each}"}]` : "[]")));
    expect(offer).toMatchObject({ revision: "2025-11-25", capabilities });
  });

  test("of a list that the server refuses, nothing: many claim more than they have", async () => {
    expect(await tools(() => ({ error: '{"code":-32601,"message":"Method not found"}' }))).toBe("[]");
  });

  test("a connection that breaks is no empty list", async () => {
    expect(await tools(() => ({ lost: new AppError("server-lost", "gone") }))).toBe("server-lost: gone");
  });
});

describe("pages", () => {
  test("are joined, each entry byte for byte; the cursor goes back as it came", async () => {
    const pages = new Map<string | undefined, string>([
      [
        undefined,
        '{"tools":[{"name":"a","n":9007199254740993}, {"name":"b","x":1.0}],"nextCursor":"at é \\u0000 / 1"}',
      ],
      ['{"cursor":"at é \\u0000 / 1"}', '{ "nextCursor" : "2" , "tools" : [ ] }'],
      ['{"cursor":"2"}', '{"tools":[\n{"name":"c","twice":1,"twice":2}\n]}'],
    ]);
    const upstream = server(({ params }) => ({ result: pages.get(params) ?? "{}" }));
    const offer = await readOffer(upstream, TIMEOUT_MS);
    expect(text(offer.tools)).toBe(
      '[{"name":"a","n":9007199254740993},{"name":"b","x":1.0},{"name":"c","twice":1,"twice":2}]',
    );
    expect(upstream.asked).toHaveLength(3);
  });

  test.each([
    ["null", '{"tools":[1],"nextCursor":null}'],
    ["a number", '{"tools":[1],"nextCursor":7}'],
    ["an object", '{"tools":[1],"nextCursor":{}}'],
  ])("a cursor that is %s is none", async (_about, result) => {
    const upstream = server(() => ({ result }));
    expect(text((await readOffer(upstream, TIMEOUT_MS)).tools)).toBe("[1]");
    expect(upstream.asked).toHaveLength(1);
  });

  test("without end are given up", async () => {
    let pages = 0;
    const told = await tools(() => ({
      result: `{"tools":[{"name":"t${pages}"}],"nextCursor":"${++pages}"}`,
    }));
    expect(told).toBe("start-failed: What the server answered to tools/list has more than 1000 pages.");
    expect(pages).toBe(1000);
  });
});

describe("a list that is none", () => {
  test.each([
    ["no member", "{}"],
    ["another member", '{"prompts":[]}'],
    ["an object", '{"tools":{}}'],
    ["null", '{"tools":null}'],
    ["text", '{"tools":"[]"}'],
    ["a result that is no object", "[]"],
    ["a list that is not one", '{"tools":[1 2]}'],
    ["a list with a hole", '{"tools":[1,]}'],
  ])("%s", async (_about, result) => {
    expect(await tools(() => ({ result }))).toContain(
      "start-failed: What the server answered to tools/list is not a list",
    );
  });

  test.each([
    ["a word that is none", '{"tools":[{"name":"good"},{"name":tru}]}', 2],
    ["a number that is none", '{"tools":[{"n":01}]}', 1],
    ["brackets that cross", '{"tools":[{"n":[1}}]}', 1],
    ["a control character", '{"tools":[{"n":"a\u0001b"}]}', 1],
    ["a comma too much", '{"tools":[{"n":1,}]}', 1],
  ])("an entry with %s would spoil the list of all servers", async (_about, result, number) => {
    expect(await tools(() => ({ result }))).toContain(`has an entry that is not JSON (number ${number})`);
  });

  test("nor may it be in another encoding", async () => {
    const result = Buffer.from('{"tools":[{"name":"caf\u00e9"}]}', "latin1");
    expect(await tools(() => ({ result }))).toContain("is not JSON (number 1)");
  });
});

describe("bounds", () => {
  test("of entries, over all pages and within one", async () => {
    const some = `[${"0,".repeat(9_999)}0]`;
    let pages = 0;
    expect(await tools(() => ({ result: `{"tools":${some},"nextCursor":"${++pages}"}` }))).toContain(
      "more than 20000 entries",
    );
    expect(pages).toBe(3);
    expect(await tools(() => ({ result: `{"tools":[${"0,".repeat(3_000_000)}0]}` }))).toContain(
      "more than 20000 entries",
    );
  });

  test("of bytes, over all pages and within one", async () => {
    const entry = `{"name":"${"x".repeat(1_000_000)}"}`;
    let pages = 0;
    const told = await tools(() => ({ result: `{"tools":[${entry}],"nextCursor":"${++pages}"}` }));
    expect(told).toContain("is over 8 MiB");
    expect(pages).toBe(9);
    expect(await tools(() => ({ result: `{"tools":[${Array(9).fill(entry).join()}]}` }))).toContain(
      "is over 8 MiB",
    );
  });

  test("as many as they allow are read", async () => {
    expect((await tools(() => ({ result: `{"tools":[${"0,".repeat(19_999)}0]}` }))).length).toBe(40_001);
  });
});

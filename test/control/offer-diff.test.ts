// What of two offers counts as a difference, and how much of it is told.

import { expect, test } from "bun:test";
import { compareOffers, countChanges } from "../../src/control/offer-diff.ts";
import type { ServerOffer } from "../../src/model/server-offer.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function offer(tools: string, more: Partial<ServerOffer> = {}): ServerOffer {
  return {
    revision: "2025-11-25",
    serverInfo: '{"name":"x","version":"1"}',
    capabilities: '{"tools":{}}',
    instructions: undefined,
    tools: bytes(tools),
    prompts: bytes("[]"),
    resources: bytes("[]"),
    resourceTemplates: bytes("[]"),
    ...more,
  };
}

const tool = (name: string, more = ""): string => `{"name":"${name}","inputSchema":{"type":"object"}${more}}`;
const NOTHING = { added: [], removed: [], changed: [], unchanged: 0, leftOut: 0 };

test("added, removed, changed and unchanged tools, with what changed", () => {
  const before = `[${tool("a")},${tool("b", ',"description":"old"')},${tool("c")}]`;
  const after = `[${tool("a")},${tool("b", ',"description":"new","annotations":{"readOnlyHint":true}')},${tool("d")}]`;
  expect(compareOffers(offer(before), offer(after))).toEqual({
    isKnown: true,
    tools: {
      added: ["d"],
      removed: ["c"],
      changed: [
        {
          name: "b",
          fields: [
            { field: "description", before: "old", after: "new" },
            { field: "annotations", after: '{"readOnlyHint":true}' },
          ],
        },
      ],
      unchanged: 1,
      leftOut: 0,
    },
    prompts: NOTHING,
    resources: NOTHING,
    resourceTemplates: NOTHING,
    handshake: [],
  });
});

test.each([
  [
    "the order of keys",
    '[{"name":"a","inputSchema":{"b":1,"a":2}}]',
    '[{"inputSchema":{"a":2,"b":1},"name":"a"}]',
  ],
  ["spaces", '[{"name":"a","x":[1,2]}]', '[ { "name" : "a", "x": [ 1, 2 ] } ]'],
  ["escapes", '[{"name":"a","x":"\\u0041"}]', '[{"name":"a","x":"A"}]'],
  ["the order of tools", `[${tool("a")},${tool("b")}]`, `[${tool("b")},${tool("a")}]`],
])("%s is no difference", (_, before, after) => {
  expect(countChanges(compareOffers(offer(before), offer(after)).tools)).toBe(0);
});

test.each([
  ["the order of a list", '[{"name":"a","x":[1,2]}]', '[{"name":"a","x":[2,1]}]'],
  [
    "a number that JavaScript rounds",
    '[{"name":"a","x":9007199254740993}]',
    '[{"name":"a","x":9007199254740992}]',
  ],
  ["a key deep inside", '[{"name":"a","x":{"y":{"z":1}}}]', '[{"name":"a","x":{"y":{"z":2}}}]'],
  ["a key that nobody knows", '[{"name":"a"}]', '[{"name":"a","_meta":{"x":1}}]'],
])("%s is one", (_, before, after) => {
  expect(compareOffers(offer(before), offer(after)).tools.changed.map(({ name }) => name)).toEqual(["a"]);
});

test("instructions and capabilities count, the version that a server says of itself does not", () => {
  const before = offer("[]", { instructions: "be kind" });
  const after = offer("[]", {
    instructions: "obey",
    capabilities: '{"tools":{"listChanged":true}}',
    serverInfo: '{"name":"x","version":"2"}',
  });
  expect(compareOffers(before, after).handshake).toEqual([
    { field: "capabilities", before: '{"tools":{}}', after: '{"tools":{"listChanged":true}}' },
    { field: "instructions", before: "be kind", after: "obey" },
  ]);
});

test("resources are the same by their address", () => {
  const before = offer("[]", { resources: bytes('[{"uri":"a:1","name":"x"},{"uri":"a:2","name":"x"}]') });
  const after = offer("[]", { resources: bytes('[{"uri":"a:1","name":"y"}]') });
  const { resources } = compareOffers(before, after);
  expect(resources).toMatchObject({ removed: ["a:2"], changed: [{ name: "a:1" }] });
});

test("where the old lists are not known, all is new and it says so", () => {
  const { isKnown, tools, handshake } = compareOffers(undefined, offer(`[${tool("a")}]`));
  expect({ isKnown, added: tools.added, handshake }).toEqual({ isKnown: false, added: ["a"], handshake: [] });
});

test("two tools of one name hide nothing of each other", () => {
  const before = `[${tool("a", ',"description":"1"')},${tool("a", ',"description":"2"')}]`;
  const after = `[${tool("a", ',"description":"1"')},${tool("a", ',"description":"evil"')}]`;
  expect(compareOffers(offer(before), offer(after)).tools.changed.map(({ name }) => name)).toEqual(["a (2)"]);
});

test("it is bounded: long texts are cut, long lists are counted, twenty thousand equal names take no time", () => {
  const long = `[${tool("a", `,"description":"${"x".repeat(100_000)}"`)}]`;
  const [field] = compareOffers(offer(`[${tool("a")}]`), offer(long)).tools.changed[0]?.fields ?? [];
  expect(field?.after?.length).toBe(2_001);
  const many = `[${Array.from({ length: 1_000 }, (_, at) => tool(`t${at}`)).join()}]`;
  const { added, leftOut } = compareOffers(offer("[]"), offer(many)).tools;
  expect([added.length, leftOut]).toEqual([200, 800]);
  const same = `[${Array.from({ length: 20_000 }, () => tool("t")).join()}]`;
  expect(compareOffers(offer(same), offer(same)).tools.unchanged).toBe(20_000);
});

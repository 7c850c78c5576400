// The methods that both eras share, over servers of the test: what each answers itself, what reaches a server and in
// which bytes.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { createBus } from "../../src/events.ts";
import { Forwarder } from "../../src/gateway/forward.ts";
import { mergedName } from "../../src/gateway/merged-names.ts";
import { OPERATIONS } from "../../src/gateway/operations.ts";
import {
  ASKER,
  type FakeServers,
  catalogOf,
  fakeServers,
  type RawOffer,
  recordingReply,
  type RecordingReply,
  requestOf,
  toolsOf,
} from "./lab.ts";

const NOT_FOUND = -32002;

interface Outcome {
  readonly reply: RecordingReply;
  readonly servers: FakeServers;
  readonly isForwarded: boolean;
}

type Offers = Readonly<Record<string, RawOffer | null>>;

function run(offers: Offers, method: string, params?: string, only?: string): Outcome {
  const servers = fakeServers(Object.keys(offers));
  const scope =
    only === undefined
      ? ({ kind: "merged", servers: undefined } as const)
      : ({ kind: "server", name: only } as const);
  const view = catalogOf(offers).view(scope);
  const operation = OPERATIONS.get(method);
  if (view === undefined || operation === undefined) throw new Error(`no view or no operation ${method}`);
  const reply = recordingReply();
  const forwarder = new Forwarder(servers, createBus());
  const call = operation({
    view,
    asker: ASKER,
    request: requestOf(method, params),
    reply,
    forwarder,
    resourceNotFoundCode: NOT_FOUND,
  });
  return { reply, servers, isForwarded: call !== undefined };
}

const OFFERS: Offers = {
  files: { ...toolsOf("read", "read.file"), prompts: '[{"name":"p"}]', resources: '[{"uri":"file:///a"}]' },
  db: { ...toolsOf("read"), resourceTemplates: '[{"uriTemplate":"db://{t}"}]' },
};

describe("lists", () => {
  test.each([
    ["tools/list", '{"tools":[', 3],
    ["prompts/list", '{"prompts":[', 1],
    ["resources/list", '{"resources":[', 1],
    ["resources/templates/list", '{"resourceTemplates":[', 1],
  ] as const)("%s is answered from the catalog, without a server", (method, head, count) => {
    const { reply, servers, isForwarded } = run(OFFERS, method);
    expect(reply.resultText.startsWith(head)).toBe(true);
    const [entries]: unknown[][] = Object.values(JSON.parse(reply.resultText));
    expect(entries).toHaveLength(count);
    expect([servers.reached.length, isForwarded]).toEqual([0, false]);
  });

  test.each(["{}", '{"cursor":null}', '{"_meta":{}}', '{"cursor":7}'])(
    "params %s ask for the first page",
    (params) => {
      expect(run(OFFERS, "tools/list", params).reply.resultText).toContain("files__read");
    },
  );

  test("a cursor cannot have come from here", () => {
    const { refusal } = run(OFFERS, "tools/list", '{"cursor":"x"}').reply;
    expect(refusal).toMatchObject({ code: -32602 });
    expect(refusal.message).toContain("cursor");
  });
});

describe("a name", () => {
  const reached = (offers: Offers, method: string, params: string, only?: string): unknown => {
    const { servers, reply } = run(offers, method, params, only);
    expect(reply.said).toEqual([]);
    expect(servers.reached).toHaveLength(1);
    const [first] = servers.reached;
    return { server: first?.server, params: first?.params, token: first?.token };
  };
  const dotted = mergedName("files", "read.file");

  test.each([
    ['{"name":"files__read","arguments":{}}', "files", '{"name":"read","arguments":{}}', undefined],
    [
      '{"arguments":{"name":"files__read"},"name":"db__read"}',
      "db",
      '{"arguments":{"name":"files__read"},"name":"read"}',
      undefined,
    ],
    [`{"name":"${dotted}"}`, "files", '{"name":"read.file"}', undefined],
    // The token stands behind the name and moves with it, or before it and does not.
    [
      '{"name":"files__read","_meta":{"progressToken":"t"},"x":9007199254740993}',
      "files",
      '{"name":"read","_meta":{"progressToken":"t"},"x":9007199254740993}',
      '"t"',
    ],
    [
      '{"_meta":{"progressToken":12},"name":"files__read"}',
      "files",
      '{"_meta":{"progressToken":12},"name":"read"}',
      "12",
    ],
    [
      `{"é":1.0, "name" : "${dotted}" , "_meta" : { "progressToken" : -7 } }`,
      "files",
      '{"é":1.0, "name" : "read.file" , "_meta" : { "progressToken" : -7 } }',
      "-7",
    ],
    [String.raw`{"n\u0061me":"files__r\u0065ad"}`, "files", String.raw`{"n\u0061me":"read"}`, undefined],
  ] as const)("%s", (params, server, sent, token) => {
    expect(reached(OFFERS, "tools/call", params)).toEqual({ server, params: sent, token });
  });

  test("of a prompt leads the same way", () => {
    expect(reached(OFFERS, "prompts/get", '{"name":"files__p"}')).toMatchObject({ params: '{"name":"p"}' });
  });

  test("with characters beyond ASCII reaches the server as what it says", () => {
    const name = "été 😀\n";
    const sent = run({ s: toolsOf(name) }, "tools/call", JSON.stringify({ name: mergedName("s", name) }));
    const params: { name: string } = JSON.parse(sent.servers.reached[0]?.params ?? "");
    expect(params.name).toBe(name);
    expect(sent.servers.reached[0]?.params).not.toContain("\n");
  });

  test("on a server's own endpoint is not touched, known or not", () => {
    for (const params of [
      '{"name":"read","x":1.0}',
      '{"name":"anything at all"}',
      '{"name":"files__read"}',
    ]) {
      expect(reached(OFFERS, "tools/call", params, "files")).toMatchObject({ server: "files", params });
    }
  });

  test("of a server that was never read goes to it", () => {
    expect(reached({ unread: null }, "tools/call", '{"name":"unread__x__y"}')).toMatchObject({
      server: "unread",
      params: '{"name":"x__y"}',
    });
  });

  test.each([
    ["tools/call", undefined, "params.name is missing"],
    ["tools/call", "{}", "params.name is missing"],
    ["tools/call", '{"name":7}', "params.name is missing"],
    ["prompts/get", '{"name":null}', "params.name is missing: it names the prompt"],
    ["tools/call", '{"name":"files__raed"}', "Unknown tool: files__raed. Did you mean files__read?"],
    ["tools/call", '{"name":"read"}', "Unknown tool: read."],
    ["tools/call", '{"name":"quite another"}', "Unknown tool: quite another. tools/list has the names."],
    ["prompts/get", '{"name":"files__read"}', "Unknown prompt: files__read."],
    ["tools/call", '{"name":""}', "Unknown tool: "],
  ])("%s with %s is refused: %s", (method, params, sentence) => {
    const { reply, servers, isForwarded } = run(OFFERS, method, params);
    expect(reply.refusal.code).toBe(-32602);
    expect(reply.refusal.message).toContain(sentence);
    expect([servers.reached.length, isForwarded]).toEqual([0, false]);
  });

  test("that is unknown and endless makes no endless answer, and takes no long time", () => {
    const many = toolsOf(
      ...Array.from({ length: 5_000 }, (_, index) => `get_something_by_its_number_${index}`),
    );
    const { reply } = run({ s: many }, "tools/call", `{"name":"s__${"x".repeat(100_000)}"}`);
    expect(reply.refusal.message.length).toBeLessThan(300);
    expect(
      run({ s: many }, "tools/call", '{"name":"s__get_somthing_by_its_number_7"}').reply.refusal.code,
    ).toBe(-32602);
  });

  test("in any params: the token is found where it has come to stand", () => {
    const member = fc.constantFrom(
      '"a":"files__read"',
      '"b":[1.0,{"name":"x"}]',
      '"é":"😀"',
      '"c" : {"_meta":{}}',
    );
    const params = fc.tuple(
      fc.uniqueArray(member),
      fc.constantFrom("7", '"token é"'),
      fc.boolean(),
      fc.constantFrom("files__read", dotted),
    );
    fc.assert(
      fc.property(params, ([others, token, nameFirst, name]) => {
        const own = [`"name" : "${name}"`, `"_meta":{"x":[],"progressToken":${token}}`];
        const raw = `{${[...others, ...(nameFirst ? own : own.toReversed())].join(" , ")}}`;
        const [first] = run(OFFERS, "tools/call", raw).servers.reached;
        expect(first?.token).toBe(token);
        const wanted = name === dotted ? "read.file" : "read";
        expect(first?.params).toBe(raw.replace(`"name" : "${name}"`, `"name" : "${wanted}"`));
      }),
    );
  });
});

describe("a resource", () => {
  test("is read from the server that has it, the params untouched", () => {
    for (const [uri, server] of [
      ["file:///a", "files"],
      ["db://users", "db"],
    ] as const) {
      const params = `{"x":1.0,"uri":"${uri}"}`;
      expect(run(OFFERS, "resources/read", params).servers.reached[0]).toMatchObject({ server, params });
    }
  });

  test("that nobody has is refused with the code of the era", () => {
    const { refusal } = run(OFFERS, "resources/read", '{"uri":"ftp://x"}').reply;
    expect(refusal).toMatchObject({ code: NOT_FOUND, data: { uri: "ftp://x" } });
  });

  test("without a URI is refused", () => {
    expect(run(OFFERS, "resources/read", "{}").reply.refusal.code).toBe(-32602);
  });
});

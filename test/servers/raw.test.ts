// Does each misbehaviour of raw.ts misbehave as its table says? Tests elsewhere rely on that.

import { expect, test } from "bun:test";
import { ODD_RESULT } from "./raw/answers.ts";
import { rawMember } from "./raw/peer.ts";
import { type Talk, sayHello, talkTo } from "./talk.ts";

const MIB = 1024 * 1024;

/** What a server does after the handshake, and how it ends when stdin does. */
const BEHAVIOURS: readonly [args: readonly string[], look: (talk: Talk) => Promise<void>, exit?: number][] = [
  [["hang-initialize"], async (talk) => expect(await talk.line('"tools"')).toContain('"id":2')],
  [["hang", "tools/list"], async (talk) => expect(await answer(talk, 7, "ping")).toBe("{}")],
  [["slow-start", "50"], async (talk) => expect(await call(talk, 7, "noop")).toContain("done")],
  [["old", "2024-11-05"], async (talk) => expect(await talk.line('"id":1')).toContain("2024-11-05")],
  [["other-language"], async (talk) => expect(await talk.line("HTTP/1.1")).toStartWith("HTTP/1.1 400")],
  [
    ["garbage"],
    async (talk) => {
      expect(await talk.line("*** My Great Server")).toBeString();
      expect(await call(talk, 7, "find")).toContain("found");
      expect(await talk.line("{ not json")).toBeString();
    },
  ],
  [
    ["line", "300"],
    async (talk) => {
      await call(talk, 7, "line");
      expect((await talk.line('"id":7')).length).toBe(300);
      await call(talk, 8, "line", { bytes: 3 * MIB });
      expect((await talk.line('"id":8')).length).toBe(3 * MIB);
    },
  ],
  [["floods-stdout", "2"], floods],
  [["floods-stderr", "2"], floods],
  [
    ["endless-line", "call", "2"],
    async (talk) => {
      await talk.line('"id":2');
      const before = talk.receivedBytes;
      talk.send({ id: 7, method: "tools/call", params: { name: "flood" } });
      talk.send({ id: 8, method: "ping" });
      await talk.end();
      expect(talk.receivedBytes).toBeGreaterThan(before + 64 * 1024);
      await expect(talk.line('"id":7')).rejects.toThrow("the stream ended");
    },
  ],
  [
    ["echo"],
    async (talk) => {
      expect(await answer(talk, 7, "custom/method", { a: [1, { b: "}" }] })).toBe(
        '{"content":[],"params":{"a":[1,{"b":"}"}]}}',
      );
      expect(await call(talk, 8, "odd")).toBe(ODD_RESULT);
    },
  ],
  [
    ["lies"],
    async (talk) => {
      await call(talk, 7, "stranger");
      expect(await talk.line('"id":987654321')).toContain("lie");
      talk.send({ id: 9, method: "tools/call", params: { name: "duplicate_id" } });
      expect(JSON.parse(await talk.line('"id":77'))).toMatchObject({ id: 9 });
    },
  ],
  [
    ["server-requests"],
    async (talk) => {
      expect(await talk.line("sampling/createMessage")).toContain('"id":3');
      talk.send({ id: 1, result: { late: true } });
      talk.send({
        id: 7,
        method: "tools/call",
        params: { name: "ask", arguments: { method: "roots/list" } },
      });
      expect(await talk.line('"id":4')).toContain("roots/list");
      talk.send({ id: 4, error: { code: -32601, message: "no" } });
      expect(await talk.line('"id":7')).toContain("-32601");
      expect(await call(talk, 8, "answers")).toContain("late");
    },
  ],
  [
    ["pages", "5", "2"],
    async (talk) => {
      const first = JSON.parse(await talk.line('"id":2')).result;
      expect(first.tools).toHaveLength(2);
      const second = JSON.parse(await answer(talk, 7, "tools/list", { cursor: first.nextCursor }));
      const third = JSON.parse(await answer(talk, 8, "tools/list", { cursor: second.nextCursor }));
      expect(third).toMatchObject({ tools: [{ name: "tool_0004" }] });
      expect(third).not.toHaveProperty("nextCursor");
      talk.send({ id: 9, method: "tools/list", params: { cursor: "elsewhere" } });
      expect(await talk.line('"id":9')).toContain("unknown cursor");
    },
  ],
  [
    ["endless-pages"],
    async (talk) => expect(JSON.parse(await talk.line('"id":2')).result).toHaveProperty("nextCursor"),
  ],
  [
    ["n-tools", "50", "435"],
    async (talk) => {
      const { tools } = JSON.parse(await talk.line('"id":2')).result;
      expect(tools.map((tool: unknown) => JSON.stringify(tool).length)).toEqual(Array(50).fill(435));
      expect(await call(talk, 7, "tool_0049")).toContain("tool_0049");
    },
  ],
];

test.each(BEHAVIOURS)("%p", async (args, look) => {
  const talk = talkTo("raw.ts", args);
  try {
    await look(talk);
    expect(await talk.end()).toBe(0);
  } finally {
    await talk.kill();
  }
});

test("exit-at-once says why on stderr", async () => {
  const talk = talkTo("raw.ts", ["exit-at-once"], false);
  expect(await talk.errorLine("missing")).toBe("missing API key");
  expect(await talk.exited).toBe(2);
});

test("exit-after 1 answers one call and dies at the second", async () => {
  const talk = talkTo("raw.ts", ["exit-after", "1"]);
  expect(await call(talk, 7, "count")).toContain("0 left");
  talk.send({ id: 8, method: "tools/call", params: { name: "count" } });
  expect(await talk.exited).toBe(4);
  await expect(talk.line('"id":8')).rejects.toThrow("the stream ended");
});

test("never-reads says that it stopped, and answers nothing after that", async () => {
  const talk = talkTo("raw.ts", ["never-reads", "1"]);
  try {
    expect(await talk.line('"id":2')).toContain("noop");
    await talk.errorLine("stopped reading");
    talk.send({ id: 7, method: "ping" });
  } finally {
    await talk.kill();
  }
  await expect(talk.line('"id":7')).rejects.toThrow("the stream ended");
});

test("ignores-term outlives SIGTERM and the end of stdin, and so does its grandchild", async () => {
  const talk = talkTo("raw.ts", ["ignores-term"], false);
  const [, own = "", grandchild = ""] = (await talk.errorLine("pids")).split(" ");
  try {
    expect(Number(own)).toBe(talk.pid);
    process.kill(talk.pid, "SIGTERM");
    process.kill(Number(grandchild), "SIGTERM");
    sayHello(talk);
    expect(await call(talk, 7, "pids")).toContain(grandchild);
    process.kill(Number(grandchild), 0);
  } finally {
    process.kill(Number(grandchild), "SIGKILL");
    await talk.kill();
  }
});

test.each([
  ['{"a":{"id":1},"id":2}', "id", "2"],
  ['{"id":1,"id": "two" }', "id", '"two"'],
  ['{"a":"id","b":["id",{"id":3}],"id":9007199254740993,"c":"\\"id\\":4"}', "id", "9007199254740993"],
  ['{"params":{"x":1.0,"y":[1,2]}, "z":"}"}', "params", '{"x":1.0,"y":[1,2]}'],
  ['{"a":1}', "id", undefined],
])("rawMember %s", (json, key, expected) => expect(rawMember(json, key)).toBe(expected));

async function floods(talk: Talk): Promise<void> {
  expect(await call(talk, 7, "float")).toContain("afloat");
}

/** The raw result of a request. */
async function answer(talk: Talk, id: number, method: string, params: object = {}): Promise<string> {
  talk.send({ id, method, params });
  return rawMember(await talk.line(`"id":${id},`), "result") ?? "";
}

function call(talk: Talk, id: number, name: string, args: object = {}): Promise<string> {
  return answer(talk, id, "tools/call", { name, arguments: args });
}

import { describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import { AppError } from "../src/errors.ts";
import { createLog, type LogFields, nullLog, stderrWriter } from "../src/log.ts";
import { Secret } from "../src/secret.ts";

const TOKEN = `tc_${"Ab3-_".repeat(8)}xyz`;
const now = () => Date.UTC(2026, 0, 2, 3, 4, 5, 6);

function lines(level: "debug" | "info" | "warn" | "error" = "debug", readable = false) {
  const written: string[] = [];
  return { written, log: createLog({ level, readable, now, write: (line) => written.push(line) }) };
}

function logged(fields: LogFields, message = "m"): Record<string, unknown> {
  const { written, log } = lines();
  log.info(message, fields);
  expect(written).toHaveLength(1);
  expect(written[0]).toEndWith("}\n");
  return JSON.parse(written[0] ?? "");
}

test("a line is one JSON object", () => {
  const { written, log } = lines();
  log.warn("server ended", { server: "files", pid: 7, exits: [1, null], gone: undefined });
  expect(written).toEqual([
    '{"time":"2026-01-02T03:04:05.006Z","level":"warn","msg":"server ended","server":"files","pid":7,"exits":[1,null]}\n',
  ]);
});

test("a person gets text", () => {
  const { written, log } = lines("info", true);
  log.info("server ended", { server: "files", reason: "exit 1\u001b[2J\nfake line", n: 3, gone: undefined });
  expect(written).toEqual([
    '03:04:05.006 INFO  server ended server=files reason="exit 1\\u001b[2J\\nfake line" n=3\n',
  ]);
});

describe("levels", () => {
  const all = ["debug", "info", "warn", "error"] as const;
  test.each(all)("%s", (level) => {
    const { written, log } = lines(level);
    for (const each of all) log[each]("m");
    const expected = all.slice(all.indexOf(level));
    expect(written.map((line) => JSON.parse(line).level)).toEqual(expected);
    expect(all.filter((each) => log.enabled(each))).toEqual(expected);
  });
  test("none", () => {
    for (const each of all) nullLog[each]("m");
    expect(all.some((each) => nullLog.enabled(each))).toBe(false);
  });
});

describe("secrets do not get out", () => {
  const hidden = "hunter2hunter2";
  const rows: [string, LogFields, LogFields][] = [
    [
      "a Secret",
      { value: new Secret(hidden), list: [new Secret(hidden)] },
      { value: "[secret]", list: ["[secret]"] },
    ],
    ["a Secret in a text", { text: `<${new Secret(hidden)}>` }, { text: "<[secret]>" }],
    [
      "keys",
      { authorization: hidden, API_KEY: hidden, dbPassword: hidden },
      { authorization: "[secret]", API_KEY: "[secret]", dbPassword: "[secret]" },
    ],
    [
      "keys far inside",
      { a: { b: [{ access_token: [hidden] }] } },
      { a: { b: [{ access_token: "[secret]" }] } },
    ],
    ["counts stay", { tokens: 3, secretKnown: true }, { tokens: 3, secretKnown: true }],
    ["our tokens", { text: `got ${TOKEN}, ${TOKEN}` }, { text: "got [secret], [secret]" }],
    ["our tokens as keys", { [TOKEN]: 1 }, { "[secret]": 1 }],
    ["bearer tokens", { text: `header "bearer  ${hidden}"` }, { text: 'header "bearer [secret]"' }],
    ["passwords in URLs", { url: `https://me:${hidden}@host/x@y` }, { url: "https://[secret]@host/x@y" }],
    [
      "errors",
      { error: new AppError("denied", `no ${TOKEN}`) },
      { error: { code: "denied", message: "no [secret]" } },
    ],
  ];
  test.each(rows)("%s", (_, fields, expected) => {
    const line = logged(fields);
    expect(line).toMatchObject(expected);
    expect(JSON.stringify(line)).not.toContain(hidden);
    expect(JSON.stringify(line)).not.toContain(TOKEN);

    const { written, log } = lines("debug", true);
    log.info("m", fields);
    expect(written.join()).not.toContain(hidden);
    expect(written.join()).not.toContain(TOKEN);
  });

  test("in the message", () => {
    expect(logged({}, `Bearer ${hidden} ${TOKEN}`)["msg"]).toBe("Bearer [secret] [secret]");
  });

  test("where a long text is cut", () => {
    for (let before = 8192 - 46; before <= 8192; before++) {
      const text = String(logged({ text: `${" ".repeat(before)}${TOKEN}` })["text"]);
      expect(text.trim().replace("[secret]", "").length).toBeLessThan(4);
    }
  });

  test("a cause, and the stack of what was not expected", () => {
    const error = new AppError("internal", "outer", { cause: new TypeError(`inner ${TOKEN}`) });
    const { error: line } = logged({ error });
    expect(line).toMatchObject({
      code: "internal",
      message: "outer",
      cause: { name: "TypeError", message: "inner [secret]" },
    });
    expect(JSON.stringify(line)).toContain("log.test.ts");
    expect(JSON.stringify(line)).not.toContain(TOKEN);
  });
});

test("a Secret shows itself to nobody but the one who asks", () => {
  const secret = new Secret("hunter2");
  expect([
    String(secret),
    JSON.stringify({ secret }),
    inspect({ secret }),
    Bun.inspect(secret),
    `${Object.values(secret)}`,
  ]).toEqual(["[secret]", '{"secret":"[secret]"}', "{ secret: [secret] }", "[secret]", ""]);
  expect(secret.expose()).toBe("hunter2");
});

describe("hostile text", () => {
  test("stays on its line and steers nothing", () => {
    const text = "a\r\n\u0000\u0007\u001b]0;x\u0007\u007f\u009b2J\u2028\u202e\u2066\ufeffü€";
    for (const readable of [false, true]) {
      const { written, log } = lines("debug", readable);
      log.info(text, { text, [text]: 1 });
      const line = written.join("");
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u);
      expect(line).toContain("ü€");
    }
    expect(logged({ text })["text"]).toBe(text);
  });

  test("does not take the place of the line's own fields", () => {
    expect(logged({ level: "error", time: 1, msg: "x" })).toMatchObject({ level: "info", msg: "m" });
  });

  test("is bounded", () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index]));
    const many = Array.from({ length: 1000 }, () => "x".repeat(100));
    expect(JSON.stringify(logged({ circular })).length).toBeLessThan(200);
    expect(JSON.stringify(logged(wide)).length).toBeLessThan(1000);
    expect(JSON.stringify(logged({ many })).length).toBeLessThan(8000);
    expect(String(logged({ text: "x".repeat(1_000_000) })["text"])).toHaveLength(8193);
    expect(logged({ bytes: new Uint8Array(1_000_000) })["bytes"]).toBe("[1000000 bytes]");
  });

  test("odd values", () => {
    const fields = {
      big: 2n ** 60n,
      nan: Number.NaN,
      date: new Date(0),
      bad: new Date(Number.NaN),
      symbol: Symbol("s"),
    };
    expect(logged(fields)).toMatchObject({
      big: "1152921504606846976n",
      nan: "NaN",
      date: "1970-01-01T00:00:00.000Z",
      bad: "invalid date",
      symbol: "Symbol(s)",
    });
  });
});

test("a reader of stderr that does not keep up costs lines, not memory", () => {
  const written: string[] = [];
  const drains: (() => void)[] = [];
  let full = false;
  const stream = {
    write: (line: string) => written.push(line) > 0 && !full,
    once(_: string, listener: () => void) {
      drains.push(listener);
      return this;
    },
  };
  const write = stderrWriter(stream);
  write("1\n");
  full = true;
  write("2\n");
  for (let count = 0; count < 1000; count++) write("lost\n");
  expect(written).toEqual(["1\n", "2\n"]);
  expect(drains).toHaveLength(1);
  full = false;
  drains.shift()?.();
  write("3\n");
  expect(written).toHaveLength(4);
  expect(JSON.parse(written[2] ?? "")).toMatchObject({ level: "warn", count: 1000 });
  expect(written[3]).toBe("3\n");
  expect(drains).toHaveLength(0);
});

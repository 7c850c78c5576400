// What an administrator asks for, as the API hands it on: calls, tokens, servers, and the words for what is not there.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { toAppError } from "../../src/errors.ts";
import { until } from "../e2e/wait.ts";
import { addRequest, type ControlLab, openControl, specOf, tools } from "./lab.ts";

let lab: ControlLab;
beforeEach(async () => {
  lab = await openControl();
});
afterEach(() => lab.close());

const never = new AbortController().signal;

async function failure(run: () => unknown): Promise<{ code: string; message: string }> {
  try {
    await run();
  } catch (thrown) {
    const { code, message } = toAppError(thrown);
    return { code, message };
  }
  throw new Error("it did not fail");
}

describe("a call", () => {
  const call = async (tool: string, args = "{}", as?: string, signal = never): Promise<string> => {
    const request = { tool, arguments: args, ...(as === undefined ? {} : { as }) };
    return Buffer.from(await lab.administration.call(request, signal)).toString();
  };

  beforeEach(async () => {
    lab.behaviours.set("echo", {
      answer: ({ method, params }) =>
        method === "tools/list" ? { result: tools("echo", "fail", "hold") } : answerTo(params ?? ""),
    });
    await lab.add(addRequest("one", "echo"));
  });
  const answerTo = (params: string) => {
    if (params.includes('"fail"')) return { error: '{"code":-32000,"message":"own words"}' };
    return params.includes('"hold"') ? "silence" : { result: `{"content":[],"params":${params}}` };
  };

  test("carries its arguments as they were typed, on one line", async () => {
    const args = '{"big":9007199254740993,\n"one":1.0,\r\n"text":"a\\nb"}';
    expect(await call("one__echo", args)).toBe(
      '{"content":[],"params":{"name":"echo","arguments":{"big":9007199254740993, "one":1.0,  "text":"a\\nb"}}}',
    );
  });

  test.each(["", "x", "[]", "7", "null", '{"a":}', '{"a":1}{"b":2}'])(
    "with arguments %p is refused",
    async (args) => {
      expect((await failure(() => call("one__echo", args))).code).toBe("usage");
      expect(lab.connected[0]?.upstream.asked).toHaveLength(1);
    },
  );

  test("of a tool that is not there says which there is", async () => {
    expect(await failure(() => call("one__ecko"))).toMatchObject({
      code: "not-found",
      message: expect.stringContaining("one__echo"),
    });
  });

  test("that the server refuses is told in its words", async () => {
    expect((await failure(() => call("one__fail"))).message).toContain("own words");
  });

  test("that is called off is cancelled at the server", async () => {
    const abort = new AbortController();
    const failing = failure(() => call("one__hold", "{}", undefined, abort.signal));
    await until("it is at the server", () => lab.connected[0]?.upstream.asked.length === 2);
    abort.abort();
    expect((await failing).code).toBe("interrupted");
    expect(lab.connected[0]?.upstream.cancelled).toEqual(["cancelled by the administrator"]);
  });

  test("of a disabled server says how it is enabled", async () => {
    await lab.administration.setEnabled("one", false);
    expect(await failure(() => call("one__echo"))).toMatchObject({
      code: "server-disabled",
      message: expect.stringContaining("toolcrib enable one"),
    });
  });

  test("as a token reaches what the token may use, and no more", async () => {
    await lab.add(addRequest("two", "echo"));
    lab.administration.createToken({ name: "narrow", servers: ["two"] });
    expect(await call("two__echo", "{}", "narrow")).toContain('"name":"echo"');
    expect((await failure(() => call("one__echo", "{}", "narrow"))).code).toBe("not-found");
    expect(lab.administration.tools("narrow").map(({ server }) => server)).toEqual(["two", "two", "two"]);
    expect(await failure(() => call("one__echo", "{}", "nobody"))).toMatchObject({ code: "not-found" });
    expect(await failure(() => lab.administration.tools("nobody"))).toMatchObject({ code: "not-found" });
  });
});

describe("a server", () => {
  test("that is not there is told with the nearest name, whatever is asked of it", async () => {
    await lab.add(addRequest("files", "good"));
    const { administration } = lab;
    for (const ask of [
      () => administration.server("flies"),
      () => administration.remove("flies"),
      () => administration.setEnabled("flies", true),
      () => administration.restart("flies"),
      () => administration.logs("flies"),
      () => administration.followLogs("flies", () => undefined),
      () => administration.createToken({ name: "t", servers: ["flies"] }),
    ]) {
      expect(await failure(ask)).toEqual({
        code: "not-found",
        message: "There is no server flies; did you mean files?",
      });
    }
    expect((await failure(() => administration.server("x".repeat(10_000)))).message.length).toBeLessThan(200);
    expect(administration.tokens()).toEqual([]);
  });

  test("is shown without the values of its variables", async () => {
    const spec = specOf("good", { env: { API_KEY: "very secret" }, args: ["a b"] });
    await lab.add({ ...addRequest("one", "good"), spec });
    const shown = lab.administration.server("one");
    expect(shown).toMatchObject({
      kind: "stdio",
      env: ["API_KEY"],
      revision: "2025-11-25",
      serverInfo: { name: "scripted" },
    });
    expect(shown.runs).toContain("a b");
    expect(JSON.stringify([shown, lab.administration.servers()])).not.toContain("very secret");
  });

  test("is restarted: read again, and ready when it is told", async () => {
    await lab.add(addRequest("one", "good"));
    lab.behaviours.set("good", { answer: () => ({ result: tools("newer") }) });
    const view = await lab.administration.restart("one");
    expect(view).toMatchObject({ state: "ready", toolNames: ["newer"] });
    expect(lab.connected).toHaveLength(2);
  });

  test("is removed, and so is what was known of it", async () => {
    await lab.add(addRequest("one", "good"));
    await lab.administration.remove("one");
    expect(lab.administration.servers()).toEqual([]);
    expect(lab.administration.tools(undefined)).toEqual([]);
    expect(lab.store.loadOffers().size).toBe(0);
  });
});

describe("a token", () => {
  test("is shown once, and then never again", async () => {
    const created = lab.administration.createToken({ name: "ci", expiresInSeconds: 1 });
    expect(created.token).toMatch(/^tc_/);
    expect(created).toMatchObject({ name: "ci", servers: "all", expired: false });
    const [listed] = lab.administration.tokens();
    expect(listed).not.toContainKey("token");
    expect(listed).not.toContainKey("hash");
    lab.clock.now += 1_000;
    expect(lab.administration.tokens()).toMatchObject([{ name: "ci", expired: true }]);
  });

  test("that was just used says when", () => {
    const { token } = lab.administration.createToken({ name: "ci" });
    expect(lab.administration.tokens()[0]).not.toContainKey("lastUsedAt");
    lab.tokenBook.caller(token);
    expect(lab.administration.tokens()[0]?.lastUsedAt).toBe(new Date(lab.clock.now).toISOString());
  });

  test("that is revoked ends its sessions, and no others", () => {
    const [mine, other] = ["mine", "other"].map((name) => lab.administration.createToken({ name }));
    const scope = { kind: "merged", servers: undefined } as const;
    const [gone, stays] = [mine, other].map((token) =>
      lab.gateway.sessions.open(token?.id ?? "", scope, "2025-11-25"),
    );
    lab.administration.revokeToken("mine");
    expect([...lab.gateway.sessions]).toEqual(stays === undefined ? [] : [stays]);
    expect(gone?.id).not.toBe(stays?.id);
  });
});

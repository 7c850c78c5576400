// A new catalog: who is told that which list changed, and whose session is over.

import { describe, expect, test } from "bun:test";
import type { Scope } from "../../src/gateway/catalog.ts";
import type { Session, SessionStream } from "../../src/gateway/sessions.ts";
import { catalogOf, openGateway, text, toolsOf } from "./lab.ts";

const MERGED: Scope = { kind: "merged", servers: undefined };
const TOOLS = "notifications/tools/list_changed";
const PROMPTS = "notifications/prompts/list_changed";
const RESOURCES = "notifications/resources/list_changed";

const A = toolsOf("x");

interface Listening {
  readonly session: Session;
  readonly methods: string[];
  closed: boolean;
}

function listen(
  lab: ReturnType<typeof openGateway>,
  scope: Scope,
  session = lab.gateway.sessions.open("t", scope, "2025-11-25"),
): Listening {
  const listening: Listening = { session, methods: [], closed: false };
  const stream: SessionStream = {
    send: (message) => {
      const { jsonrpc, method }: { jsonrpc: string; method: string } = JSON.parse(text(message));
      expect(jsonrpc).toBe("2.0");
      listening.methods.push(method);
    },
    close: () => {
      listening.closed = true;
    },
  };
  session.listen(stream);
  return listening;
}

describe("a session hears", () => {
  test.each([
    ["nothing when nothing changed", { a: A }, []],
    ["of tools", { a: toolsOf("x", "y") }, [TOOLS]],
    ["of prompts", { a: { ...A, prompts: '[{"name":"p"}]' } }, [PROMPTS]],
    [
      "of resources and templates once",
      { a: { ...A, resources: '[{"uri":"u"}]', resourceTemplates: '[{"uriTemplate":"t"}]' } },
      [RESOURCES],
    ],
    ["of a new server", { a: A, b: toolsOf("z") }, [TOOLS]],
    ["of one that is gone", {}, [TOOLS]],
    [
      "of all at once",
      { a: { ...toolsOf("y"), prompts: '[{"name":"p"}]', resources: '[{"uri":"u"}]' } },
      [TOOLS, PROMPTS, RESOURCES],
    ],
    ["nothing of other instructions", { a: { ...A, instructions: "new" } }, []],
  ])("%s", (_about, offers, methods) => {
    const lab = openGateway({ a: A });
    const { methods: heard } = listen(lab, MERGED);
    lab.gateway.publish(catalogOf(offers));
    expect(heard).toEqual(methods);
  });

  test("only of servers that it may see", () => {
    const lab = openGateway({ a: A, b: toolsOf("z") });
    const [mine, own, others] = [
      listen(lab, { kind: "merged", servers: ["a"] }),
      listen(lab, { kind: "server", name: "a" }),
      listen(lab, { kind: "merged", servers: ["b"] }),
    ];
    lab.gateway.publish(catalogOf({ a: A, b: toolsOf("new") }));
    expect([mine.methods, own.methods, others.methods]).toEqual([[], [], [TOOLS]]);
  });

  test("between two streams, when the next one opens: of each list once", () => {
    const lab = openGateway({ a: A });
    const session = lab.gateway.sessions.open("t", MERGED, "2025-11-25");
    for (const tool of ["y", "z"]) lab.gateway.publish(catalogOf({ a: toolsOf(tool) }));
    expect(lab.gateway.sessions.find(session.id, "t")).toBe(session);
    const first = listen(lab, MERGED, session);
    expect(first.methods).toEqual([TOOLS]);
    // Which takes the place of the one before, and what was told is told.
    const second = listen(lab, MERGED, session);
    expect(first.closed).toBe(true);
    lab.gateway.publish(catalogOf({ a: toolsOf("x") }));
    expect([first.methods, second.methods]).toEqual([[TOOLS], [TOOLS]]);
  });
});

describe("what is in use", () => {
  test("is a server on whose own endpoint somebody listens, and a session that listens anywhere", () => {
    const lab = openGateway({ a: A, b: A });
    const silent = lab.gateway.sessions.open("t", { kind: "server", name: "b" }, "2025-11-25");
    const [own, merged] = [listen(lab, { kind: "server", name: "a" }), listen(lab, MERGED)];
    const { servers, sessions } = lab.gateway.leases();
    expect([...servers]).toEqual(["a"]);
    expect(sessions).toEqual(new Set([own.session.id, merged.session.id]));
    expect(sessions.has(silent.id)).toBe(false);
    own.session.end();
    expect([...lab.gateway.leases().servers]).toEqual([]);
  });

  test("ends with the session or its caller, whose processes are told", () => {
    const lab = openGateway({ a: A });
    const sessions = ["t", "t", "u"].map((caller) => lab.gateway.sessions.open(caller, MERGED, "2025-11-25"));
    const [first, second, other] = sessions.map(({ id }) => id);
    lab.gateway.sessions.end(sessions[0] ?? lab.gateway.sessions.open("t", MERGED, "2025-11-25"));
    expect<unknown>(lab.servers.released).toEqual([first]);
    lab.gateway.sessions.endAllOf("t");
    expect<unknown>(lab.servers.released).toEqual([first, second, "t"]);
    expect(lab.servers.released).not.toContain(other);
    lab.clock += 2_000;
    lab.gateway.sessions.expire();
    expect<unknown>(lab.servers.released).toEqual([first, second, "t", other]);
  });
});

test("a session of a server that is gone is over, with its stream; the others are not", () => {
  const lab = openGateway({ a: A, b: A });
  const [gone, stays, merged] = [
    listen(lab, { kind: "server", name: "a" }),
    listen(lab, { kind: "server", name: "b" }),
    listen(lab, MERGED),
  ];
  lab.gateway.publish(catalogOf({ b: A }));
  expect([gone.closed, stays.closed, merged.closed]).toEqual([true, false, false]);
  expect(lab.gateway.sessions.size).toBe(2);
  expect(merged.methods).toEqual([TOOLS]);
});

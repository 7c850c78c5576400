// The legacy era: which revision is agreed on, what a session can ask for, and what it cannot.

import { describe, expect, test } from "bun:test";
import type { Caller } from "../../src/gateway/caller.ts";
import type { Scope } from "../../src/gateway/catalog.ts";
import { initialize, sessionNotification, sessionRequest } from "../../src/gateway/legacy.ts";
import type { Session } from "../../src/gateway/sessions.ts";
import { LEGACY_REVISIONS } from "../../src/model/protocol.ts";
import { compose } from "../../src/wire/compose.ts";
import {
  bytes,
  type GatewayLab,
  openGateway,
  recordingReply,
  type RecordingReply,
  requestOf,
  SELF,
  toolsOf,
} from "./lab.ts";

const CALLER: Caller = { id: "t1", name: "ci", servers: undefined };
const MERGED: Scope = { kind: "merged", servers: undefined };
const OWN: Scope = { kind: "server", name: "files" };

const OFFERS = {
  files: {
    ...toolsOf("read"),
    resources: '[{"uri":"file:///a"}]',
    capabilities: '{"tools":{}}',
    instructions: "be kind",
  },
};

function open(lab: GatewayLab, scope: Scope, params?: string): { session: Session; result: unknown } {
  const opened = initialize(lab.gateway, CALLER, scope, requestOf("initialize", params));
  if (!("session" in opened)) throw new Error(opened.message);
  return { session: opened.session, result: JSON.parse(compose(...opened.result).toString()) };
}

const hello = (revision: string): string =>
  `{"protocolVersion":${JSON.stringify(revision)},"capabilities":{},"clientInfo":{"name":"c","version":"1"}}`;

function begin(scope: Scope = MERGED): { lab: GatewayLab; session: Session; ask: Ask } {
  const lab = openGateway(OFFERS);
  const { session } = open(lab, scope, hello("2025-11-25"));
  const ask: Ask = (method, params, id) => {
    const reply = recordingReply();
    sessionRequest(lab.gateway, session, requestOf(method, params, id), reply);
    return reply;
  };
  return { lab, session, ask };
}
type Ask = (method: string, params?: string, id?: string) => RecordingReply;

describe("initialize", () => {
  const rows: readonly (readonly [string, string])[] = [
    ...LEGACY_REVISIONS.map((revision) => [revision, revision] as const),
    ["2026-07-28", "2025-11-25"],
    ["2024-01-01", "2025-11-25"],
    ["", "2025-11-25"],
    ["x".repeat(10_000), "2025-11-25"],
  ];
  test.each(rows)("with %s agrees on %s", (wanted, agreed) => {
    const lab = openGateway(OFFERS);
    const { session, result } = open(lab, MERGED, hello(wanted));
    expect(session).toMatchObject({ callerId: "t1", scope: MERGED, revision: agreed });
    expect(result).toEqual({
      protocolVersion: agreed,
      serverInfo: SELF,
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true },
      },
      instructions: "# files\nbe kind",
    });
    expect(lab.gateway.sessions.find(session.id, "t1")).toBe(session);
  });

  test.each([undefined, "{}", '{"protocolVersion":20251125}', '{"protocolVersion":null}'])(
    "with params %p opens nothing",
    (params) => {
      const lab = openGateway(OFFERS);
      const opened = initialize(lab.gateway, CALLER, MERGED, requestOf("initialize", params));
      expect(opened).toMatchObject({ code: -32602 });
      expect(lab.gateway.sessions.size).toBe(0);
    },
  );

  test("on a server's own endpoint speaks in its name, of what it has", () => {
    const { result } = open(openGateway(OFFERS), OWN, hello("2025-06-18"));
    expect(result).toEqual({
      protocolVersion: "2025-06-18",
      serverInfo: { name: "its own name", version: "1" },
      capabilities: { tools: { listChanged: true } },
      instructions: "be kind",
    });
  });

  test("on a server that is gone is 404", () => {
    const lab = openGateway({});
    expect(initialize(lab.gateway, CALLER, OWN, requestOf("initialize", hello("2025-11-25")))).toMatchObject({
      httpStatus: 404,
    });
    expect(lab.gateway.sessions.size).toBe(0);
  });
});

describe("a session", () => {
  test("is answered what the appliance knows", () => {
    const { lab, ask } = begin();
    expect(ask("ping").resultText).toBe("{}");
    expect(ask("tools/list").resultText).toContain("files__read");
    expect(lab.servers.reached).toEqual([]);
  });

  test("calls, and no result is stamped", () => {
    const { lab, ask } = begin();
    const reply = ask("tools/call", '{"name":"files__read"}');
    expect(lab.servers.reached[0]?.params).toBe('{"name":"read"}');
    lab.servers.reached[0]?.sink.result(bytes('{"content":[]}'));
    expect(reply.resultText).toBe('{"content":[]}');
  });

  test("is what its calls are for: a process of its own knows it by that", () => {
    const { lab, session, ask } = begin();
    ask("tools/call", '{"name":"files__read"}');
    const own = begin(OWN);
    own.ask("completion/complete", "{}");
    const [merged, passedOn] = [lab.servers.reached[0]?.asker, own.lab.servers.reached[0]?.asker];
    expect([merged?.callerId, merged?.sessionId]).toEqual(["t1", session.id]);
    expect([passedOn?.callerId, passedOn?.sessionId]).toEqual(["t1", own.session.id]);
  });

  test("is told of a resource that is not there with the code of its time", () => {
    expect(begin().ask("resources/read", '{"uri":"x:y"}').refusal.code).toBe(-32002);
  });

  test.each([
    "completion/complete",
    "x/y",
    "initialize",
    "server/discover",
    "logging/setLevel",
    "tasks/get",
    "",
  ])("on the merged endpoint cannot ask for %p", (method) => {
    const { lab, ask } = begin();
    const { refusal } = ask(method, "{}");
    expect(refusal.code).toBe(-32601);
    expect(refusal.httpStatus).toBeUndefined();
    expect(lab.servers.reached).toEqual([]);
  });

  test("on a server's own endpoint, unknown methods go through as they are", () => {
    const { lab, ask } = begin(OWN);
    const params = '{"ref":{"big":9007199254740993},"_meta":{"progressToken":7}}';
    for (const method of ["completion/complete", "vendor/é", "vendor/get"]) {
      const reply = ask(method, params);
      const reached = lab.servers.reached.at(-1);
      expect(reached).toMatchObject({ server: "files", method, params, token: "7" });
      reached?.sink.error(bytes('{"code":-32601,"message":"own words"}'));
      expect(reply.said).toEqual([{ kind: "serverError", text: '{"code":-32601,"message":"own words"}' }]);
    }
    ask("vendor/none");
    expect(lab.servers.reached.at(-1)?.params).toBeUndefined();
  });

  test.each([
    "initialize",
    "server/discover",
    "subscriptions/listen",
    "logging/setLevel",
    "tasks/get",
    "tasks/cancel",
    "resources/subscribe",
    "resources/unsubscribe",
  ])("but not %s: it would reach others who use the same process", (method) => {
    const { lab, ask } = begin(OWN);
    expect(ask(method, "{}").refusal.code).toBe(-32601);
    expect(lab.servers.reached).toEqual([]);
  });

  test("whose server is gone is told so", () => {
    const { lab, session } = begin(OWN);
    const reply = recordingReply();
    const other = openGateway({});
    sessionRequest(other.gateway, session, requestOf("tools/list"), reply);
    expect(reply.refusal).toMatchObject({ httpStatus: 404 });
    expect(lab.servers.reached).toEqual([]);
  });
});

describe("cancelling", () => {
  const cancelled = (requestId: string): Uint8Array => bytes(`{"requestId":${requestId},"reason":"enough"}`);

  test.each(["7", '"seven"', "-1", "1e3", "9007199254740993"])("the call %s, and no other", (id) => {
    const { lab, session, ask } = begin();
    const reply = ask("tools/call", '{"name":"files__read"}', id);
    const other = ask("tools/call", '{"name":"files__read"}', '"other"');
    sessionNotification(session, "notifications/cancelled", cancelled(id));
    expect(lab.servers.reached[0]?.cancelled).toEqual(["cancelled by the client"]);
    expect(reply.said).toEqual([{ kind: "drop" }]);
    expect(other.said).toEqual([]);
    expect(session.busy).toBe(true);
  });

  test.each([
    ["an unknown id", "notifications/cancelled", '{"requestId":8}'],
    ["the id as another type", "notifications/cancelled", '{"requestId":"7"}'],
    ["no id", "notifications/cancelled", "{}"],
    ["nothing at all", "notifications/cancelled", undefined],
    ["another notification", "notifications/progress", '{"requestId":7}'],
    ["one that nobody knows", "", '{"requestId":7}'],
  ])("with %s does nothing", (_about, method, params) => {
    const { lab, session, ask } = begin();
    const reply = ask("tools/call", '{"name":"files__read"}', "7");
    sessionNotification(session, method, params === undefined ? undefined : bytes(params));
    expect(lab.servers.reached[0]?.cancelled).toEqual([]);
    expect(reply.said).toEqual([]);
  });

  test("of another session's call is not possible", () => {
    const { lab, ask } = begin();
    ask("tools/call", '{"name":"files__read"}', "7");
    const { session: other } = open(lab, MERGED, hello("2025-11-25"));
    sessionNotification(other, "notifications/cancelled", cancelled("7"));
    expect(lab.servers.reached[0]?.cancelled).toEqual([]);
  });

  test("is over with the answer: the session keeps nothing of it", () => {
    const { lab, session, ask } = begin();
    ask("tools/call", '{"name":"files__read"}', "7");
    expect(session.busy).toBe(true);
    lab.servers.reached[0]?.sink.result(bytes("{}"));
    expect(session.busy).toBe(false);
    sessionNotification(session, "notifications/cancelled", cancelled("7"));
    expect(lab.servers.reached[0]?.cancelled).toEqual([]);
  });

  test("by the end of the session reaches all that is in flight", () => {
    const { lab, session, ask } = begin();
    const replies = ["1", "2"].map((id) => ask("tools/call", '{"name":"files__read"}', id));
    lab.gateway.sessions.end(session);
    expect(lab.servers.reached.map(({ cancelled: reasons }) => reasons)).toEqual([
      ["the session ended"],
      ["the session ended"],
    ]);
    for (const reply of replies) expect(reply.said).toEqual([{ kind: "drop" }]);
  });
});

// One POST and its answer: JSON or events, one answer whatever happens, and the pulse that keeps it alive.

import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { type Accepts, Exchange } from "../../src/http/exchange.ts";
import { NotificationStream } from "../../src/http/event-stream.ts";
import { Pulse } from "../../src/http/pulse.ts";
import { Scratch } from "../../src/wire/scratch.ts";

const BOTH: Accepts = { json: true, events: true };
const JSON_ONLY: Accepts = { json: true, events: false };
const EVENTS_ONLY: Accepts = { json: false, events: true };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Lab {
  readonly exchange: Exchange;
  readonly pulse: Pulse;
}

function begin(accepts: Accepts): Lab {
  const pulse = new Pulse();
  const exchange = new Exchange(bytes('"id é"'), accepts, { pulse, scratch: new Scratch() });
  return { exchange, pulse };
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

async function read({ exchange }: Lab): Promise<{ status: number; type: string | null; text: string }> {
  const response = await exchange.response;
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

const RESULT = '{"jsonrpc":"2.0","id":"id é","result":{"x":1.0}}';

describe("an answer", () => {
  test.each([
    ["JSON for who reads both", BOTH, "application/json", RESULT],
    ["JSON for who reads JSON", JSON_ONLY, "application/json", RESULT],
    [
      "one event for who reads events",
      EVENTS_ONLY,
      "text/event-stream",
      `event: message\ndata: ${RESULT}\n\n`,
    ],
  ])("is %s", async (_about, accepts, type, text) => {
    const lab = begin(accepts);
    lab.exchange.result('{"x":', bytes("1.0"), "}");
    expect(await read(lab)).toEqual({ status: 200, type, text });
  });

  test("that is an error of the server comes in its bytes", async () => {
    const lab = begin(BOTH);
    lab.exchange.serverError(bytes('{"code":-1,"message":"é","x":1.0}'));
    expect((await read(lab)).text).toBe(
      '{"jsonrpc":"2.0","id":"id é","error":{"code":-1,"message":"é","x":1.0}}',
    );
  });

  test.each([
    [BOTH, undefined, 200],
    [BOTH, 404, 404],
    [EVENTS_ONLY, 400, 400],
  ] as const)(
    "that refuses has its status, and is JSON unless it is 200: %#",
    async (accepts, httpStatus, status) => {
      const lab = begin(accepts);
      const data = { a: [1] };
      lab.exchange.refuse({
        code: -32601,
        message: "no é",
        data,
        ...(httpStatus === undefined ? {} : { httpStatus }),
      });
      const answer = await read(lab);
      expect([answer.status, answer.type]).toEqual([status, "application/json"]);
      expect(JSON.parse(answer.text)).toEqual({
        jsonrpc: "2.0",
        id: "id é",
        error: { code: -32601, message: "no é", data },
      });
    },
  );

  test("counts once", async () => {
    const lab = begin(BOTH);
    lab.exchange.result("{}");
    lab.exchange.result('{"second":1}');
    lab.exchange.refuse({ code: 1, message: "late" });
    lab.exchange.serverError(bytes("{}"));
    lab.exchange.notify("notifications/progress", "{}");
    lab.exchange.drop();
    expect((await read(lab)).text).toBe('{"jsonrpc":"2.0","id":"id é","result":{}}');
  });

  test("is not the next one's, though both are put together in one place", async () => {
    const pulse = new Pulse();
    const scratch = new Scratch();
    const exchanges = ["1", "2", "3"].map((id) => new Exchange(bytes(id), BOTH, { pulse, scratch }));
    for (const exchange of exchanges) exchange.result(`"${"x".repeat(30_000)}"`);
    const responses = await Promise.all(exchanges.map(({ response }) => response));
    const texts = await Promise.all(responses.map((response) => response.text()));
    expect(texts.map((text) => text.slice(0, 24))).toEqual(
      [1, 2, 3].map((id) => `{"jsonrpc":"2.0","id":${id},`),
    );
    pulse.close();
  });

  test("that opens a session names it", async () => {
    for (const accepts of [BOTH, EVENTS_ONLY]) {
      const { exchange } = begin(accepts);
      exchange.sessionId = "s1";
      exchange.result("{}");
      expect((await exchange.response).headers.get("mcp-session-id")).toBe("s1");
    }
  });
});

describe("a notification", () => {
  test("makes it a stream, in order, with the answer last and then the end", async () => {
    const lab = begin(BOTH);
    lab.exchange.notify("notifications/progress", '{"progress":', bytes("1.0"), "}");
    lab.exchange.notify("notifications/progress", '{"progress":2}');
    lab.exchange.result('{"x":1.0}');
    const answer = await read(lab);
    expect(answer.type).toBe("text/event-stream");
    expect(answer.text).toBe(
      'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0}}\n\n' +
        'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":2}}\n\n' +
        `event: message\ndata: ${RESULT}\n\n`,
    );
  });

  test("of which a line break is part stays one event", async () => {
    const lab = begin(BOTH);
    lab.exchange.notify("notifications/progress", bytes('{"a":\n1,\r\n"b":2}'));
    lab.exchange.result(bytes('{\n"x":1.0}'));
    const { text } = await read(lab);
    expect(text.split("\n\n")).toHaveLength(3);
    expect(text.split("\n").filter((line) => line !== "" && !/^(event|data): /.test(line))).toEqual([]);
  });

  test("that cannot be read is left out", async () => {
    const lab = begin(JSON_ONLY);
    lab.exchange.notify("notifications/progress", "{}");
    lab.exchange.result('{"x":1.0}');
    expect((await read(lab)).text).toBe(RESULT);
  });

  test("is left out beyond what may wait for the client, and the answer is not", async () => {
    const lab = begin(BOTH);
    const filler = `"${"x".repeat(100_000)}"`;
    for (let index = 0; index < 50; index++) lab.exchange.notify("n", filler);
    lab.exchange.result('{"x":1.0}');
    const { text } = await read(lab);
    expect(text.length).toBeLessThan(1_300_000);
    expect(text.endsWith(`data: ${RESULT}\n\n`)).toBe(true);
  });
});

describe("a request that was dropped", () => {
  test("has no answer, in whatever form it was to come", async () => {
    expect(await read(dropped(begin(BOTH)))).toEqual({ status: 200, type: "text/event-stream", text: "" });
    expect(await read(dropped(begin(JSON_ONLY)))).toEqual({ status: 202, type: null, text: "" });
    const streaming = begin(BOTH);
    streaming.exchange.notify("n", "{}");
    expect((await read(dropped(streaming))).text).toBe(
      'event: message\ndata: {"jsonrpc":"2.0","method":"n","params":{}}\n\n',
    );
  });
});

describe("the pulse", () => {
  test("shows a client that waits long that somebody is at work", async () => {
    const { exchange } = begin(BOTH);
    jest.advanceTimersByTime(30_000);
    const response = await exchange.response;
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    jest.advanceTimersByTime(15_000);
    exchange.result('{"x":1.0}');
    expect(await response.text()).toBe(`:\n\n:\n\nevent: message\ndata: ${RESULT}\n\n`);
  });

  test("leaves alone who takes no events, and who was answered", async () => {
    const blind = begin(JSON_ONLY);
    jest.advanceTimersByTime(60_000);
    blind.exchange.result('{"x":1.0}');
    expect((await read(blind)).text).toBe(RESULT);
    jest.advanceTimersByTime(60_000);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe("the stream of a session", () => {
  test("opens with a comment, carries what is sent, and beats", async () => {
    const stream = new NotificationStream(() => undefined);
    const response = stream.response({ "mcp-session-id": "s1" });
    expect(response.headers.get("mcp-session-id")).toBe("s1");
    stream.send(bytes('{"a":1}'));
    stream.beat();
    stream.close();
    stream.send(bytes('{"late":1}'));
    stream.beat();
    stream.close();
    expect(await response.text()).toBe(':\n\nevent: message\ndata: {"a":1}\n\n:\n\n');
  });

  test("tells that it is over, whoever ended it", async () => {
    let ends = 0;
    const closed = new NotificationStream(() => ends++);
    closed.close();
    expect(ends).toBeGreaterThan(0);
    ends = 0;
    const left = new NotificationStream(() => ends++);
    await left.response({}).body?.cancel();
    expect(ends).toBe(1);
  });

  test("keeps no more than may wait for its client", async () => {
    const stream = new NotificationStream(() => undefined);
    const message = bytes(`"${"x".repeat(100_000)}"`);
    for (let index = 0; index < 200; index++) stream.send(message);
    stream.close();
    expect((await stream.response({}).text()).length).toBeLessThan(1_300_000);
  });
});

function dropped(lab: Lab): Lab {
  lab.exchange.drop();
  lab.exchange.drop();
  lab.exchange.result("{}");
  return lab;
}

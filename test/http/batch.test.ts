// Several messages in one POST: read as a whole or refused as a whole, answered in one array or one event stream.

import { afterEach, describe, expect, test } from "bun:test";
import { readBatch, serveBatch } from "../../src/http/batch.ts";
import type { Accepts } from "../../src/http/exchange.ts";
import { Pulse } from "../../src/http/pulse.ts";
import { bytes, type GatewayLab, openGateway, toolsOf } from "../gateway/lab.ts";

const BOTH: Accepts = { json: true, events: true };
const JSON_ONLY: Accepts = { json: true, events: false };
const EVENTS_ONLY: Accepts = { json: false, events: true };

let pulse = new Pulse();
afterEach(() => {
  pulse.close();
  pulse = new Pulse();
});

const ping = (id: string): string => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
const call = (id: string, meta = ""): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"files__read"${meta}}}`;
const notification = (method: string, params = "{}"): string =>
  `{"jsonrpc":"2.0","method":"${method}","params":${params}}`;

function refusalOf(body: string): string {
  const batch = readBatch(bytes(body));
  if (typeof batch !== "string") throw new Error(`not refused: ${body}`);
  return batch;
}

/** Sends a batch in a new session. */
function send(messages: readonly string[], accepts = BOTH): { lab: GatewayLab; response: Promise<Response> } {
  const lab = openGateway({ files: toolsOf("read") });
  const session = lab.gateway.sessions.open("caller", { kind: "merged", servers: undefined }, "2025-03-26");
  const batch = readBatch(bytes(` [ ${messages.join(" , ")} ]`));
  if (typeof batch === "string") throw new Error(batch);
  return { lab, response: serveBatch(batch, { gateway: lab.gateway, session, accepts, pulse }) };
}

/** The data of each event, in order. */
async function events(response: Response): Promise<readonly string[]> {
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const text = await response.text();
  return text.split("\n\n").flatMap((event) => /^data: (.*)$/m.exec(event)?.[1] ?? []);
}

describe("a batch is refused whole", () => {
  test.each([
    ["[]", "empty"],
    [`[${ping("1")},7]`, "message 2 is not valid: the message is not a JSON object"],
    [`[[${ping("1")}]]`, "message 1 is not valid"],
    [`[{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":1,"name":2}}]`, "twice"],
    ['[{"jsonrpc":"2.0","id":null,"method":"ping"}]', '"id"'],
    [`[${ping("1")},{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}]`, "initialize"],
    [`[${Array.from({ length: 101 }, () => ping("1")).join()}]`, "more than 100 messages"],
  ])("%s", (body, sentence) => {
    expect(refusalOf(body)).toContain(sentence);
  });

  test("but not one of as many as are allowed", async () => {
    const answer = await send(Array.from({ length: 100 }, (_, index) => ping(String(index)))).response;
    const ids = [...(await answer.text()).matchAll(/"id":(\d+)/g)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});

describe("the answers", () => {
  test("are one array, each with its own id and bytes, as they came", async () => {
    const { lab, response } = send([call("7"), ping('"\\u00e9"'), notification("notifications/initialized")]);
    expect(lab.servers.reached[0]?.params).toBe('{"name":"read"}');
    lab.servers.reached[0]?.sink.result(bytes('{"content":[],"one":1.0}'));
    const answer = await response;
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(await answer.text()).toBe(
      '[{"jsonrpc":"2.0","id":"\\u00e9","result":{}},' +
        '{"jsonrpc":"2.0","id":7,"result":{"content":[],"one":1.0}}]',
    );
  });

  test("may be errors", async () => {
    const { lab, response } = send([call("1"), '{"jsonrpc":"2.0","id":2,"method":"no/such"}']);
    lab.servers.reached[0]?.sink.error(bytes('{"code":-32042,"message":"no","data":{"x":1.0}}'));
    const text = await (await response).text();
    expect(text).toContain(
      '{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"no","data":{"x":1.0}}}',
    );
    expect(JSON.parse(text)).toMatchObject([{ id: 2, error: { code: -32601 } }, { id: 1 }]);
  });

  test("are events from the first progress on, those before it too", async () => {
    const { lab, response } = send([ping("1"), call("2", ',"_meta":{"progressToken":"p"}'), call("3")]);
    const [second, third] = lab.servers.reached;
    second?.sink.progress(bytes('{"progressToken":44,"progress":1.0}'), { start: 17, end: 19 });
    third?.sink.result(bytes("{}"));
    second?.sink.result(bytes("{}"));
    expect(await events(await response)).toEqual([
      '{"jsonrpc":"2.0","id":1,"result":{}}',
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1.0}}',
      '{"jsonrpc":"2.0","id":3,"result":{}}',
      '{"jsonrpc":"2.0","id":2,"result":{}}',
    ]);
  });

  test("stay an array for a client that reads no events, without the progress", async () => {
    const { lab, response } = send([call("2", ',"_meta":{"progressToken":"p"}')], JSON_ONLY);
    lab.servers.reached[0]?.sink.progress(bytes('{"progressToken":44}'), { start: 17, end: 19 });
    pulse.beat();
    pulse.beat();
    lab.servers.reached[0]?.sink.result(bytes("{}"));
    expect(await (await response).json()).toEqual([{ jsonrpc: "2.0", id: 2, result: {} }]);
  });

  test("are events for a client that reads nothing else", async () => {
    const answers = await events(await send([ping("1"), ping("2")], EVENTS_ONLY).response);
    expect(answers).toHaveLength(2);
  });

  test("that are large go out one by one, and are not kept for the last", async () => {
    const { lab, response } = send([call("1"), call("2")]);
    lab.servers.reached[0]?.sink.result(bytes(`{"x":"${"x".repeat(1_048_576)}"}`));
    const answer = await response;
    lab.servers.reached[1]?.sink.result(bytes("{}"));
    expect(await events(answer)).toHaveLength(2);
  });

  test("that are too large together are refused, each for itself", async () => {
    const { lab, response } = send([call("1"), call("2"), call("3")], JSON_ONLY);
    const large = bytes(`"${"x".repeat(40 * 1_048_576)}"`);
    lab.servers.reached[0]?.sink.result(large);
    lab.servers.reached[1]?.sink.result(large);
    lab.servers.reached[2]?.sink.result(bytes("{}"));
    const text = await (await response).text();
    expect(text.length).toBeLessThan(41 * 1_048_576);
    expect(text.slice(-200)).toContain('"id":2,"error":{"code":4130,');
    expect(text.endsWith('{"jsonrpc":"2.0","id":3,"result":{}}]')).toBe(true);
  });

  test("that are long in coming are announced by comments", async () => {
    const { lab, response } = send([call("1")]);
    pulse.beat();
    pulse.beat();
    const answer = await response;
    lab.servers.reached[0]?.sink.result(bytes("{}"));
    expect(await answer.text()).toMatch(
      /^:\n\n(event: message\n)?data: \{"jsonrpc":"2.0","id":1,"result":\{\}\}\n\n$/,
    );
  });

  test("of cancelled requests do not come; the others do", async () => {
    const { lab, response } = send([
      call("1"),
      call('"two"'),
      notification("notifications/cancelled", '{"requestId":1}'),
    ]);
    expect(lab.servers.reached[0]?.cancelled).toEqual(["cancelled by the client"]);
    lab.servers.reached[1]?.sink.result(bytes("{}"));
    expect(await (await response).json()).toEqual([{ jsonrpc: "2.0", id: "two", result: {} }]);
  });

  test("of nothing but cancelled requests are an empty stream, or nothing", async () => {
    const messages = [call("1"), notification("notifications/cancelled", '{"requestId":1}')];
    const silent = await send(messages, JSON_ONLY).response;
    expect({ status: silent.status, text: await silent.text() }).toEqual({ status: 202, text: "" });
    expect(await events(await send(messages, EVENTS_ONLY).response)).toEqual([]);
  });

  test("are not due where nothing was asked", async () => {
    const messages = [notification("notifications/initialized"), '{"jsonrpc":"2.0","id":1,"result":{}}'];
    const answer = await send(messages).response;
    expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 202, text: "" });
  });
});

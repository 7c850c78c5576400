// Connections that the broker answers, and faults of whoever is asked on the way. All else is told by egress.test.ts.

import { afterEach, describe, expect, jest, test } from "bun:test";
import type { Socket } from "node:net";
import { AppError, toAppError } from "../../../src/errors.ts";
import type { InterceptedConnection } from "../../../src/cage/egress/interceptor.ts";
import { hello, helloMessage, records } from "./hellos.ts";
import { ending, received, standIn, type StandIn, type StandInOptions, until } from "./stand-in.ts";

const open: StandIn[] = [];
afterEach(async () => {
  jest.useRealTimers();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const PUBLIC = "93.184.215.14";
const REQUEST = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n";

/** A cage whose connections to api.example.com are answered by `taken`. */
async function brokered(
  options: StandInOptions = {},
  take: (connection: InterceptedConnection) => void = () => {},
): Promise<{ readonly one: StandIn; readonly taken: InterceptedConnection[] }> {
  const taken: InterceptedConnection[] = [];
  const one = await standIn({
    rules: ["*.example.com:443", "*.example.com:80", "10.0.0.7:443"],
    hosts: { "api.example.com": [PUBLIC], "other.example.com": [PUBLIC] },
    intercept: (host) => {
      if (host !== "api.example.com" && host !== "10.0.0.7") return undefined;
      return (connection) => {
        taken.push(connection);
        take(connection);
      };
    },
    ...options,
  });
  open.push(one);
  return { one, taken };
}

async function started(one: StandIn, port: number, first: string | Uint8Array): Promise<Socket> {
  const socket = await one.connect("api.example.com", port);
  socket.write(first);
  return socket;
}

describe("the broker", () => {
  test("gets what the agent said, and nothing is dialled before it asks", async () => {
    const { one, taken } = await brokered();
    const bytes = hello("api.example.com");
    const agent = await started(one, 443, bytes);
    await until(() => taken.length === 1);
    const [connection] = taken;
    expect(connection).toMatchObject({ host: "api.example.com", port: 443, protocol: "tls" });
    expect(connection?.first).toEqual(bytes);
    expect(one.lookedUp).toEqual([]);
    agent.write("more");
    if (connection === undefined) throw new Error("nothing was taken");
    expect((await received(connection.socket)).toString()).toBe("more");
    connection.socket.end("answered");
    expect((await ending(agent)).bytes.toString()).toBe("answered");
  });

  test("gets requests without TLS as well, and what comes through the proxy", async () => {
    const { one, taken } = await brokered();
    await started(one, 80, REQUEST);
    await until(() => taken.length === 1);
    expect(taken[0]).toMatchObject({ protocol: "http", port: 80 });
    const agent = await one.connect("127.0.0.1", 3128);
    agent.write(
      Buffer.concat([Buffer.from("CONNECT api.example.com:443 HTTP/1.1\r\n\r\n"), hello("api.example.com")]),
    );
    expect((await received(agent, ESTABLISHED.length)).toString()).toBe(ESTABLISHED);
    await until(() => taken.length === 2);
    expect(taken[1]).toMatchObject({ protocol: "tls", port: 443, first: hello("api.example.com") });
  });

  test("gets what goes to an address, whatever name is in it", async () => {
    const rules = ["127.9.9.9:443"];
    const taken: InterceptedConnection[] = [];
    const one = await standIn({ rules, intercept: () => (connection) => void taken.push(connection) });
    open.push(one);
    (await one.connect("127.9.9.9", 443)).write(records(helloMessage()));
    await until(() => taken.length === 1);
    expect(taken[0]).toMatchObject({ host: "127.9.9.9", protocol: "tls" });
  });

  test("does not get other hosts of the same rule", async () => {
    const { one, taken } = await brokered();
    await one.serve(PUBLIC, 80, (socket) => void socket.end("other"));
    const agent = await one.connect("other.example.com", 80);
    agent.write(REQUEST.replace("api", "other"));
    expect((await ending(agent)).bytes.toString()).toBe("other");
    expect(taken).toEqual([]);
  });

  test("dials the checked address, and is told why it cannot", async () => {
    const { one, taken } = await brokered();
    await one.serve(PUBLIC, 80, (socket) => void socket.write("hi"));
    await started(one, 80, REQUEST);
    await until(() => taken.length === 1);
    const host = await taken[0]?.dial();
    if (host === undefined) throw new Error("nothing was dialled");
    expect((await received(host)).toString()).toBe("hi");
    expect(one.dialled).toEqual([`${PUBLIC}:80`]);
    taken[0]?.up(7);
    taken[0]?.down(9);
    expect(one.egress.traffic().find(({ rule }) => rule === "*.example.com:80")).toEqual({
      rule: "*.example.com:80",
      open: 1,
      connections: 1,
      bytesUp: 7,
      bytesDown: 9,
    });
    await started(one, 443, hello("api.example.com"));
    await until(() => taken.length === 2);
    const why = await taken[1]?.dial().catch(toAppError);
    expect(why).toBeInstanceOf(AppError);
    expect(why).toMatchObject({
      code: "unreachable",
      message: "api.example.com:443 could not be reached (ECONNREFUSED).",
    });
  });

  test("is kept from private networks like everybody", async () => {
    const { one, taken } = await brokered({ hosts: { "api.example.com": ["10.0.0.1"] } });
    await started(one, 80, REQUEST);
    await until(() => taken.length === 1);
    const reason =
      "it leads to an address of a private network, and only a grant of api.example.com itself opens it";
    const why = await taken[0]?.dial().catch(toAppError);
    expect(why).toMatchObject({ code: "denied", message: `api.example.com:80: ${reason}.` });
    expect(one.egress.refused()).toMatchObject([{ what: "api.example.com:80", reason }]);
    expect(one.dialled).toEqual([]);
  });

  test("loses the host with the agent, and the agent not with the host", async () => {
    const { one, taken } = await brokered();
    const hosts: Socket[] = [];
    await one.serve(PUBLIC, 80, (socket) => void hosts.push(socket));
    const agent = await started(one, 80, REQUEST);
    await until(() => taken.length === 1);
    const first = await taken[0]?.dial();
    await until(() => hosts.length === 1);
    hosts[0]?.resetAndDestroy();
    await until(() => first?.destroyed === true);
    expect(taken[0]?.socket.destroyed).toBe(false);
    const second = await taken[0]?.dial();
    await until(() => hosts.length === 2);
    agent.resetAndDestroy();
    await until(() => second?.destroyed === true && one.egress.traffic().every(({ open: now }) => now === 0));
    expect(await taken[0]?.dial().catch(toAppError)).toMatchObject({ code: "unreachable" });
  });

  test("does not get what asks for another name, or speaks another protocol", async () => {
    const { one, taken } = await brokered();
    expect((await ending(await started(one, 443, hello("evil.test")))).how).toBe("reset");
    expect((await ending(await started(one, 80, "SSH-2.0-x\r\n"))).how).toBe("reset");
    const agent = await one.connect("127.0.0.1", 3128);
    agent.write("CONNECT api.example.com:80 HTTP/1.1\r\n\r\nSSH-2.0-x\r\n");
    expect(await ending(agent)).toEqual({ bytes: Buffer.from(ESTABLISHED), how: "reset" });
    expect(taken).toEqual([]);
    expect(one.lookedUp).toEqual([]);
    expect(one.egress.refused()).toMatchObject([
      { what: "evil.test:443", count: 1 },
      { what: "api.example.com:80", count: 2, reason: expect.stringContaining("by TLS or HTTP") },
    ]);
  });

  test("does not wait for an agent that says nothing", async () => {
    const { one, taken } = await brokered();
    jest.useFakeTimers();
    const agent = await one.connect("api.example.com", 80);
    await until(() => jest.getTimerCount() > 0);
    const over = ending(agent);
    jest.advanceTimersByTime(10_000);
    expect((await over).how).toBe("reset");
    expect(taken).toEqual([]);
  });
});

describe("a fault on the way ends one connection, and is told", () => {
  const fault = (): never => {
    throw new Error("a fault of the test");
  };
  const faults: readonly [what: string, options: StandInOptions][] = [
    ["of the look-up", { lookup: fault }],
    ["of the broker", { intercept: () => fault }],
    ["of who asks for a broker", { intercept: fault }],
    ["of the one that dials", { dial: fault }],
  ];
  test.each(faults)("%s", async (_, options) => {
    const one = await standIn({
      rules: ["api.example.com:80"],
      hosts: { "api.example.com": [PUBLIC] },
      ...options,
    });
    open.push(one);
    const agent = await one.connect("api.example.com", 80);
    agent.write(REQUEST);
    expect((await ending(agent)).how).toBe("reset");
    expect(one.logLines.filter((line) => line.includes("a fault of the test"))).toHaveLength(1);
    expect((await one.ask("api.example.com")).addresses).toHaveLength(1);
  });
});

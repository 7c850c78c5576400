// Which of several addresses is connected to, and how long each of them gets.

import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type Server, Socket } from "node:net";
import { dialAddress, dialFirst } from "../../../src/cage/egress/dial.ts";
import { portOf, until } from "./stand-in.ts";

let server: Server;
let dialled: string[] = [];
let sockets: Socket[] = [];
beforeEach(async () => {
  [dialled, sockets] = [[], []];
  server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  jest.useRealTimers();
  for (const socket of sockets) socket.destroy();
  server.close();
});

/** `good` is connected to, `refused` refuses, and all others never answer. */
function dial(address: string): Socket {
  dialled.push(address);
  const socket =
    address === "good"
      ? connect(portOf(server), "127.0.0.1")
      : address === "refused"
        ? connect(1, "127.0.0.1")
        : new Socket();
  sockets.push(socket);
  return socket;
}
const first = (
  addresses: readonly string[],
  signal = new AbortController().signal,
): Promise<Socket | string> => dialFirst(addresses, 443, dial, signal);

test("the first that answers, in their order", async () => {
  expect(await first(["refused", "good", "good"])).toBe(sockets[1] ?? "none");
  expect(dialled).toEqual(["refused", "good"]);
});

test("why the last one failed, when all did", async () => {
  expect(await first(["refused", "refused"])).toBe("ECONNREFUSED");
  expect(dialled).toHaveLength(2);
  expect(await first([])).toBe("no address");
});

test("four at most", async () => {
  expect(await first(Array(9).fill("refused"))).toBe("ECONNREFUSED");
  expect(dialled).toHaveLength(4);
});

test("one that never answers has three seconds, and is given up", async () => {
  jest.useFakeTimers();
  const found = first(["never", "good"]);
  jest.advanceTimersByTime(2999);
  expect(dialled).toEqual(["never"]);
  jest.advanceTimersByTime(1);
  expect(await found).toBe(sockets[1] ?? "none");
  expect(sockets[0]?.destroyed).toBe(true);
  expect(sockets[1]?.destroyed).toBe(false);
});

test("the last one has all the time that the signal leaves", async () => {
  const limit = new AbortController();
  jest.useFakeTimers();
  const found = first(["never"], limit.signal);
  jest.advanceTimersByTime(60_000);
  expect(sockets[0]?.destroyed).toBe(false);
  limit.abort(new Error("no answer within 10 seconds"));
  expect(await found).toBe("no answer within 10 seconds");
  expect(sockets[0]?.destroyed).toBe(true);
});

test("nothing is dialled for who is gone already", async () => {
  expect(await first(["good"], AbortSignal.abort(new Error("the server hung up")))).toBe(
    "the server hung up",
  );
  expect(dialled).toEqual([]);
});

test("errors that come later are nobody's problem", async () => {
  const accepted = once(server, "connection");
  const socket = await first(["good"]);
  const [other] = await accepted;
  other.resetAndDestroy();
  await until(() => socket instanceof Socket && socket.resume().destroyed);
});

test("connects to an address without asking anybody about it", async () => {
  const socket = dialAddress("127.0.0.1", portOf(server));
  sockets.push(socket);
  await once(socket, "connect");
  expect(socket.remoteAddress).toBe("127.0.0.1");
});

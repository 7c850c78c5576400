// The DNS server inside of a cage: each query gets its answer from the name alone, nothing is asked of anybody. Egress
// gives it the sockets and decides about names.

import type { Socket as UdpSocket } from "node:dgram";
import type { Socket } from "node:net";
import { encodeAnswer, MAX_QUERY_BYTES, parseQuery, RCODE } from "./dns-message.ts";

/** The address that stands for a name; undefined when there is no such name. What is no host name is asked as undefined. */
export type AddressOf = (name: string | undefined) => string | undefined;

const IDLE_MS = 10_000;
/** Queries in one connection: who has more begins another, which costs it more than us. */
const MAX_QUERIES = 100;
/** Datagrams that are answered before others have their turn. */
const MAX_IN_A_TURN = 64;
const LENGTH_BYTES = 2;

/** Undefined for what gets no answer. */
export function respond(message: Uint8Array, addressOf: AddressOf): Uint8Array | undefined {
  const query = parseQuery(message);
  if (query === undefined) return undefined;
  if (query.fault !== undefined) return encodeAnswer(query, { rcode: query.fault });
  const address = addressOf(query.name);
  if (address === undefined) return encodeAnswer(query, { rcode: RCODE.noSuchName });
  // A name that exists and has nothing of this type: programs go on with the address.
  return encodeAnswer(query, query.wantsAddress ? { address } : { rcode: RCODE.ok });
}

/**
 * NB: the runtime hands over whatever came until nothing is left, without a turn of the event loop for anybody else. Of
 * a flood, most is dropped unread: who really wants to know asks again.
 */
export function serveUdp(socket: UdpSocket, addressOf: AddressOf): void {
  let inThisTurn = 0;
  socket.on("message", (message, { address, port }) => {
    if (inThisTurn === 0) setImmediate(() => (inThisTurn = 0));
    inThisTurn++;
    if (inThisTurn > MAX_IN_A_TURN) return;
    const answer = respond(message, addressOf);
    // NB: with a callback, or a full buffer would be an uncaught error.
    if (answer !== undefined) socket.send(answer, port, address, () => {});
  });
}

/** One query after the other, each with its length before it (RFC 7766). Ends what is idle, broken or does not read. */
export function serveTcp(socket: Socket, addressOf: AddressOf): void {
  let held: Buffer = Buffer.alloc(0);
  let queries = 0;
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (; held.length >= LENGTH_BYTES; queries++) {
      const end = LENGTH_BYTES + held.readUInt16BE(0);
      if (end > LENGTH_BYTES + MAX_QUERY_BYTES || queries >= MAX_QUERIES) return void socket.destroy();
      if (held.length < end) return;
      const answer = respond(held.subarray(LENGTH_BYTES, end), addressOf);
      held = held.subarray(end);
      if (answer === undefined) return void socket.destroy();
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
    if (socket.writableNeedDrain) socket.pause();
  });
  socket.on("drain", () => socket.resume());
  socket.once("end", () => socket.end());
  socket.resume();
}

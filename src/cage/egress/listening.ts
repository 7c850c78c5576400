// The sockets of one egress: which ones a cage needs, and how those that the launcher made inside are taken over.

import { closeSync } from "node:fs";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { AppError } from "../../errors.ts";
import type { Listener } from "../launch-plan.ts";

export const DNS_PORT = 53;
export const PROXY_PORT = 3128;
export const INNER_ADDRESS = "127.0.0.1";
const ANY_ADDRESS = "0.0.0.0";

/** Whether a rule names them or not: what is refused there is seen. */
const WEB_PORTS = [80, 443];
/** Where learning listens as well; a program in the cage cannot listen on them itself, so none that servers like. */
const LEARNING_PORTS = [
  22, 25, 143, 389, 465, 587, 636, 993, 1433, 1521, 3306, 4317, 4318, 5432, 5671, 5672, 6379, 6443, 8443,
  9092, 9200, 9418, 27017,
];
/** One message takes 253 descriptors from the launcher (SCM_MAX_FD). */
const MAX_RULE_PORTS = 200;

/** A socket that is being served. */
export interface Serving {
  /** Resolves when its descriptor is free. Connections are not waited for. */
  close(): Promise<void>;
}

/** In the order in which the descriptors come. @throws AppError `bad-configuration` for too many ports */
export function listenersFor(rulePorts: readonly number[], learn: boolean): readonly Listener[] {
  if (rulePorts.length > MAX_RULE_PORTS) {
    throw new AppError(
      "bad-configuration",
      `A cage can reach at most ${MAX_RULE_PORTS} different ports, and this one names ${rulePorts.length}: take some away.`,
    );
  }
  const open = new Set([...rulePorts, ...WEB_PORTS, ...(learn ? LEARNING_PORTS : [])]);
  // NB: where a rule needs such a port as well, one socket takes both; two could not listen.
  const inner = [DNS_PORT, PROXY_PORT].map((port): Listener => ({
    protocol: "tcp",
    address: open.has(port) ? ANY_ADDRESS : INNER_ADDRESS,
    port,
  }));
  const outer = [...open]
    .filter((port) => port !== DNS_PORT && port !== PROXY_PORT)
    .toSorted((a, b) => a - b)
    .map((port): Listener => ({ protocol: "tcp", address: ANY_ADDRESS, port }));
  return [{ protocol: "udp", address: INNER_ADDRESS, port: DNS_PORT }, ...inner, ...outer];
}

/** Owns the descriptor from now on, also when it fails. Connections come paused and may be half open. */
export async function serveTcpDescriptor(fd: number, take: (socket: Socket) => void): Promise<Serving> {
  const server = newServer(take);
  // NB: net only. http.createServer() and Bun.serve() listen on a random port of every address when given a descriptor.
  await listening(server, fd, () => server.listen({ fd }));
  return servingTcp(server);
}

/** On a random port of the host's loopback, which is returned as well. */
export async function serveTcpLoopback(
  take: (socket: Socket) => void,
): Promise<Serving & { readonly port: number }> {
  const server = newServer(take);
  server.listen(0, INNER_ADDRESS);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new TypeError("A TCP server has an address and a port.");
  return { ...servingTcp(server), port: address.port };
}

/** Owns the descriptor from now on, also when it fails. */
export async function serveUdpDescriptor(fd: number, take: (socket: UdpSocket) => void): Promise<Serving> {
  const socket = createSocket("udp4");
  take(socket);
  await listening(socket, fd, () => socket.bind({ fd }));
  // What goes wrong with one datagram is the problem of its sender.
  socket.on("error", () => {});
  return { close: () => new Promise((resolve) => socket.close(() => resolve())) };
}

function newServer(take: (socket: Socket) => void): Server {
  return createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, take);
}

function servingTcp(server: Server): Serving {
  // Such as too many open files: the next connection may be well.
  server.on("error", () => {});
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function listening(emitter: Server | UdpSocket, fd: number, begin: () => void): Promise<void> {
  try {
    const listens = once(emitter, "listening");
    begin();
    await listens;
  } catch (cause) {
    closeDescriptor(fd);
    throw new AppError("internal", "The appliance could not take over a socket of a cage.", { cause });
  }
}

/** Whatever it is, it is ours, and nobody else closes it. */
export function closeDescriptor(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It was closed with what failed.
  }
}

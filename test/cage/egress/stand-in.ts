// An Egress on loopback instead of in a cage: its listeners are on random ports of every address, its stand-in addresses
// are in 127.64.0.0/16, which is local as well, and what it dials are servers of the test.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Egress, type EgressOptions } from "../../../src/cage/egress/egress.ts";
import { FakeAddresses } from "../../../src/cage/egress/fake-addresses.ts";
import { createLog } from "../../../src/log.ts";
import type { RefusedAttempt } from "../../../src/model/cage-report.ts";
import { type HostRule, parseHostRule } from "../../../src/model/host-rule.ts";
import { openListener } from "./descriptors.ts";
import { dnsQuery, type QueryOptions, readAnswer, type ReadAnswer } from "./dns-queries.ts";

export interface StandInOptions extends Partial<
  Pick<EgressOptions, "learn" | "intercept" | "lookup" | "dial" | "own">
> {
  readonly rules?: readonly string[];
  /** What the host would look up. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** Adopts listeners unless told otherwise. */
  readonly adopt?: boolean;
}

export interface StandIn {
  readonly egress: Egress;
  readonly announced: readonly RefusedAttempt[];
  readonly logLines: readonly string[];
  readonly clock: { now: number };
  /** Names, in the order in which they were looked up, and `address:port` of what was dialled. */
  readonly lookedUp: readonly string[];
  readonly dialled: readonly string[];
  /** Answers connections that are dialled to this address and port. */
  serve(address: string, port: number, take: (socket: Socket) => void): Promise<void>;
  ask(name: string, options?: QueryOptions): Promise<ReadAnswer>;
  /** From inside of the cage: a name is looked up first. Throws where there is no such name. */
  connect(host: string, port: number): Promise<Socket>;
  /** What the kernel chose for a port inside. */
  realPort(protocol: "tcp" | "udp", port: number): number;
  close(): Promise<void>;
}

const FAKE_BASE = 127 * 2 ** 24 + 64 * 2 ** 16;

export async function standIn(options: StandInOptions = {}): Promise<StandIn> {
  const { rules = [], hosts = {}, learn = false, adopt = true } = options;
  const [announced, logLines, lookedUp, dialled]: [RefusedAttempt[], string[], string[], string[]] = [
    [],
    [],
    [],
    [],
  ];
  const clock = { now: 1_700_000_000_000 };
  const served = new Map<string, number>();
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).once("close", () => sockets.delete(socket));
  };

  const egress = new Egress({
    lookup: async (name) => {
      lookedUp.push(name);
      const found = hosts[name];
      if (found === undefined) throw Object.assign(new Error(`no ${name}`), { code: "ENOTFOUND" });
      return found;
    },
    dial: (address, port) => {
      dialled.push(`${address}:${port}`);
      // Nobody listens on port 1.
      return connect({ host: "127.0.0.1", port: served.get(`${address}:${port}`) ?? 1, allowHalfOpen: true });
    },
    own: () => new Set(["8.8.4.4"]),
    ...options,
    server: "files",
    rules: rules.map(hostRule),
    learn,
    onRefused: (attempt) => announced.push(attempt),
    log: createLog({ level: "debug", write: (line) => logLines.push(line) }),
    now: () => clock.now,
    fakes: new FakeAddresses({ base: FAKE_BASE, size: 65_534 }),
  });
  const opened = egress.listeners().map((listener) => ({
    ...listener,
    real: adopt ? openListener(listener.protocol, listener.address) : undefined,
  }));
  if (adopt) await egress.adopt(opened.flatMap(({ real }) => (real === undefined ? [] : [real.fd])));

  const realPort = (protocol: "tcp" | "udp", port: number): number => {
    const found = opened.find((listener) => listener.protocol === protocol && listener.port === port)?.real;
    if (found === undefined) throw new Error(`nobody listens on ${protocol} ${port}`);
    return found.port;
  };
  const ask = async (name: string, query: QueryOptions = {}): Promise<ReadAnswer> => {
    const client = createSocket("udp4");
    try {
      const answered = once(client, "message");
      client.send(dnsQuery(name, query), realPort("udp", 53), "127.0.0.1");
      const [message] = await answered;
      return readAnswer(message);
    } finally {
      client.close();
    }
  };
  return {
    egress,
    announced,
    logLines,
    clock,
    lookedUp,
    dialled,
    realPort,
    ask,
    serve: async (address, port, take) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => take(keep(socket)));
      servers.push(server);
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      served.set(`${address}:${port}`, portOf(server));
    },
    connect: async (host, port) => {
      const isAddress = /^[\d.]+$/.test(host);
      const [address] = isAddress ? [host] : (await ask(host)).addresses;
      if (address === undefined) throw new Error(`no such name: ${host}`);
      const socket = keep(connect({ host: address, port: realPort("tcp", port), allowHalfOpen: true }));
      await once(socket, "connect");
      return socket;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all([
        egress.close(),
        ...servers.map((server) => new Promise((done) => server.close(done))),
      ]);
    },
  };
}

export function hostRule(text: string): HostRule {
  const rule = parseHostRule(text);
  if (rule === undefined) throw new Error(`not a rule: ${text}`);
  return rule;
}

export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export interface Ending {
  readonly bytes: Buffer;
  /** `reset` where it did not end in order. */
  readonly how: "end" | "reset";
}

/** All that comes until it is over. */
export function ending(socket: Socket): Promise<Ending> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    let how: Ending["how"] = "reset";
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("end", () => {
      how = "end";
      socket.end();
    });
    socket.once("close", () => resolve({ bytes: Buffer.concat(chunks), how }));
    socket.resume();
  });
}

/** Says something that is no protocol, and reads all that comes: what is turned away hears of it then. */
export function knocked(socket: Socket): Promise<Ending> {
  socket.write("\0");
  return ending(socket);
}

/** The first bytes that come, at least as many as `atLeast`; the socket is paused then. */
export function received(socket: Socket, atLeast = 1): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const onClose = (): void => reject(new Error(`closed after ${bytes.toString()}`));
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < atLeast) return;
      socket.pause().off("data", onData).off("close", onClose);
      resolve(bytes);
    };
    socket.on("data", onData).once("close", onClose).resume();
  });
}

/** Waits until it is so, for ten seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("it did not become so");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// What the tests of the broker stand on: a host with a certificate of its own authority, a gate in the place of Egress
// that hands every connection to the broker, and a client. All on loopback, under the name `localhost`.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { CertificateAuthority } from "../../../src/cage/egress/authority.ts";
import { type BrokerLimits, type BrokerInterceptor, openBroker } from "../../../src/cage/egress/broker.ts";
import { createPlaceholders } from "../../../src/cage/egress/broker-credential.ts";
import { trustBundle, trustContext } from "../../../src/cage/egress/broker-trust.ts";

export const SECRET = "s3cr3t-value/of+the=host";

export const PLACEHOLDER = createPlaceholders(new Uint8Array(32))("lab", "token");

export interface LabOptions {
  /** Of the broker; by default one value in `authorization`. */
  readonly brokers?: Readonly<
    Record<string, { readonly header: string; readonly value: string; readonly host?: string }>
  >;
  readonly limits?: Partial<BrokerLimits>;
  /** Who may vouch for the host; by default the authority that does. */
  readonly trusted?: readonly string[];
  readonly dial?: () => Promise<Socket>;
  readonly now?: () => number;
}

export interface Lab {
  readonly port: number;
  readonly broker: BrokerInterceptor;
  /** A file with all that a client has to trust. */
  readonly bundle: string;
  readonly troubles: readonly string[];
  /** Bytes as Egress counts them. */
  readonly traffic: { up: number; down: number };
  /** A connection of a client through the broker. */
  connect(): Promise<TLSSocket>;
  close(): Promise<void>;
}

/** A host that speaks TLS as `localhost`. */
export interface Host {
  readonly port: number;
  readonly ca: string;
  close(): Promise<void>;
}

/** `serve` gets each connection. */
export async function openHost(serve: (socket: TLSSocket) => void, name = "localhost"): Promise<Host> {
  const authority = new CertificateAuthority("host", [name]);
  const { privateKey, certificates } = authority.leaf(name);
  const sockets = new Set<Socket>();
  const server = createTlsServer(
    { key: privateKey, cert: certificates, ALPNProtocols: ["http/1.1"] },
    (socket) => {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      serve(socket);
    },
  );
  const port = await listen(server);
  return { port, ca: authority.caCertificatePem(), close: () => shut(server, sockets) };
}

/** A host that answers each connection's bytes: `answer` gets all that came so far, and what it gives is sent. */
export function openScriptedHost(
  answer: (seen: string, socket: TLSSocket) => string | undefined,
  name?: string,
): Promise<Host> {
  return openHost((socket) => {
    let seen = "";
    socket.on("data", (chunk: Buffer) => {
      seen += chunk.toString("latin1");
      const bytes = answer(seen, socket);
      if (bytes === undefined) return;
      seen = "";
      socket.write(Buffer.from(bytes, "latin1"));
    });
  }, name);
}

export async function openLab(host: Pick<Host, "port" | "ca">, options: LabOptions = {}): Promise<Lab> {
  const directory = mkdtempSync(join(tmpdir(), "toolcrib-broker-"));
  const sockets = new Set<Socket>();
  const troubles: string[] = [];
  const traffic = { up: 0, down: 0 };
  const gate: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    // As Egress does: up to the whole ClientHello, then paused.
    socket.once("data", (first: Buffer) => {
      socket.pause();
      broker.intercept(
        "localhost",
        port,
      )?.({
        socket,
        first,
        protocol: first[0] === 0x16 ? "tls" : "http",
        host: "localhost",
        port,
        dial: options.dial ?? (() => dial(host.port, sockets)),
        up: (bytes) => (traffic.up += bytes),
        down: (bytes) => (traffic.down += bytes),
      });
    });
  });
  const port = await listen(gate);
  const given = Object.entries(options.brokers ?? { token: { header: "Authorization", value: SECRET } });
  const broker = await openBroker({
    server: "lab",
    brokers: Object.fromEntries(
      given.map(([name, { header, value, host: written = "localhost" }]) => [
        name,
        { host: `${written}:${port}`, header, value },
      ]),
    ),
    placeholderFor: createPlaceholders(new Uint8Array(32)),
    trust: trustContext(options.trusted ?? [host.ca]),
    onTrouble: (_host, sentence) => troubles.push(sentence),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.now === undefined ? {} : { now: options.now }),
  });
  const bundle = join(directory, "bundle.pem");
  writeFileSync(bundle, trustBundle([], broker.caCertificatePem()));
  return {
    port,
    broker,
    bundle,
    troubles,
    traffic,
    connect: () => connectSecurely(port, broker.caCertificatePem(), sockets),
    close: async () => {
      broker.close();
      await shut(gate, sockets);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Sends `bytes` on a connection of its own; resolves to all that came until its end, or until `isEnough`. */
export async function ask(
  lab: Lab,
  bytes: string | Uint8Array,
  isEnough: (text: string) => boolean = () => false,
): Promise<string> {
  const socket = await lab.connect();
  const answer = hear(socket, isEnough);
  socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  const text = await answer;
  socket.destroy();
  return text;
}

/** What comes from now on, until the end or until `isEnough`. */
export function hear(socket: Socket, isEnough: (text: string) => boolean = () => false): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  const text = (): string => Buffer.concat(chunks).toString("latin1");
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    if (isEnough(text())) finish();
  };
  function finish(): void {
    socket.off("data", onData).off("end", finish).off("close", finish);
    resolve(text());
  }
  socket.on("data", onData).once("end", finish).once("close", finish);
  return promise;
}

async function dial(port: number, sockets: Set<Socket>): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => resolve(socket));
  socket.on("error", reject);
  sockets.add(socket);
  await promise;
  socket.pause();
  return socket;
}

function connectSecurely(port: number, ca: string, sockets: Set<Socket>): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca }, () => resolve(socket));
  socket.on("error", reject);
  sockets.add(socket);
  return promise;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return portOf(server.address());
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

async function shut(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await closed;
}

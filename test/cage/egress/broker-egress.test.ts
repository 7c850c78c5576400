// The broker behind the egress of a cage: what a server reaches by name, and by the proxy, is answered by the broker and
// by nobody else.

import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type BrokerInterceptor, openBroker } from "../../../src/cage/egress/broker.ts";
import { createPlaceholders } from "../../../src/cage/egress/broker-credential.ts";
import { trustContext } from "../../../src/cage/egress/broker-trust.ts";
import { hear, openScriptedHost, PLACEHOLDER, SECRET } from "./broker-lab.ts";
import { standIn, type StandIn, until } from "./stand-in.ts";

const NAME = "api.example.com";
const PUBLIC = "93.184.215.14";
const METADATA = "169.254.169.254";
const REQUEST = `GET / HTTP/1.1\r\nHost: ${NAME}\r\nAuthorization: Bearer ${PLACEHOLDER}\r\nConnection: close\r\n\r\n`;

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).toReversed()) await thing.close();
});

interface Cage {
  readonly cage: StandIn;
  readonly broker: BrokerInterceptor;
  readonly seen: readonly string[];
}

async function open(address: string): Promise<Cage> {
  const seen: string[] = [];
  const host = await openScriptedHost((said) => {
    if (!said.includes("\r\n\r\n")) return undefined;
    seen.push(said);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${said.length}\r\n\r\n${said}`;
  }, NAME);
  const broker = await openBroker({
    server: "lab",
    brokers: { token: { host: `${NAME}:443`, header: "authorization", value: SECRET } },
    placeholderFor: createPlaceholders(new Uint8Array(32)),
    trust: trustContext([host.ca]),
  });
  const cage = await standIn({
    rules: [`${NAME}:443`],
    hosts: { [NAME]: [address] },
    intercept: broker.intercept,
  });
  opened.push(host, { close: () => broker.close() }, cage);
  await cage.serve(PUBLIC, 443, (socket) => {
    const there = connect(host.port, "127.0.0.1").on("error", () => socket.destroy());
    opened.push({ close: () => there.destroy() });
    socket.pipe(there).pipe(socket);
  });
  return { cage, broker, seen };
}

function secured(socket: Socket, broker: BrokerInterceptor): TLSSocket {
  return connectTls({ socket, servername: NAME, ca: broker.caCertificatePem() }).on("error", () => {});
}

test("a connection to the name is answered, dialled to the checked address, and counted", async () => {
  const { cage, broker, seen } = await open(PUBLIC);
  const socket = secured(await cage.connect(NAME, 443), broker);
  const answer = hear(socket);
  socket.write(REQUEST);
  expect(await answer).toContain(`\r\nAuthorization: Bearer ${"*".repeat(SECRET.length)}\r\n`);
  expect(seen[0]).toContain(`\r\nAuthorization: Bearer ${SECRET}\r\n`);
  expect(cage.dialled).toEqual([`${PUBLIC}:443`]);
  expect(cage.egress.traffic()[0]?.bytesUp).toBe(seen[0]?.length ?? 0);
  socket.destroy();
  await until(() => broker.connections === 0);
  expect(cage.logLines.join("")).not.toContain(SECRET);
});

test("so is one through the proxy", async () => {
  const { cage, broker, seen } = await open(PUBLIC);
  await cage.egress.listenProxy();
  const { port, username, password } = new URL(cage.egress.proxyUrl());
  const socket = connect(Number(port), "127.0.0.1");
  const credentials = Buffer.from(`${username}:${password}`).toString("base64");
  const connected = hear(socket, (text) => text.endsWith("\r\n\r\n"));
  socket.write(
    `CONNECT ${NAME}:443 HTTP/1.1\r\nHost: ${NAME}:443\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
  );
  expect(await connected).toStartWith("HTTP/1.1 200 ");
  const inner = secured(socket, broker);
  const answer = hear(inner);
  inner.write(REQUEST);
  expect(await answer).toStartWith("HTTP/1.1 200 OK\r\n");
  expect(seen).toHaveLength(1);
});

test("an address that is refused is not dialled, and the server reads why", async () => {
  const { cage, broker, seen } = await open(METADATA);
  const socket = secured(await cage.connect(NAME, 443), broker);
  const answer = hear(socket);
  socket.write(REQUEST);
  expect(await answer).toMatch(/^HTTP\/1\.1 403 [^]*api\.example\.com:443: /);
  expect(seen).toEqual([]);
  expect(cage.egress.refused()).toHaveLength(1);
});

test("with the cage, everything ends", async () => {
  const { cage, broker } = await open(PUBLIC);
  const socket = secured(await cage.connect(NAME, 443), broker);
  const answer = hear(socket, (text) => text.endsWith("\r\n\r\n"));
  socket.write(REQUEST.replace("Connection: close\r\n", ""));
  expect(await answer).toStartWith("HTTP/1.1 200 OK\r\n");
  await cage.egress.close();
  await until(() => broker.connections === 0);
});

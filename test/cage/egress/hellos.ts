// ClientHellos for tests: made by hand, and caught from a real client.

import { once } from "node:events";
import { createServer } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";

export interface HelloOptions {
  readonly names?: readonly (string | readonly [type: number, name: string])[];
  /** Instead of a list of names. */
  readonly nameExtension?: readonly number[];
  readonly extensions?: readonly (readonly [type: number, body: readonly number[]])[];
  readonly sessionBytes?: number;
}

/** The handshake message, without records. */
export function helloMessage({
  names,
  nameExtension,
  extensions = [],
  sessionBytes = 32,
}: HelloOptions = {}): Buffer {
  const list = (names ?? []).flatMap((entry) => {
    const [type, name] = typeof entry === "string" ? [0, entry] : entry;
    return [type, ...u16(name.length), ...Buffer.from(name, "latin1")];
  });
  const body = nameExtension ?? [...u16(list.length), ...list];
  const all = [
    ...(names === undefined && nameExtension === undefined ? [] : [[0, body] as const]),
    [0x2b, [2, 3, 4]] as const,
    ...extensions,
  ].flatMap(([type, bytes]) => [...u16(type), ...u16(bytes.length), ...bytes]);
  const fields = [
    3,
    3,
    ...Array<number>(32).fill(7),
    sessionBytes,
    ...Array<number>(sessionBytes).fill(8),
    ...u16(2),
    0x13,
    0x01,
    1,
    0,
    ...u16(all.length),
    ...all,
  ];
  return Buffer.from([1, 0, ...u16(fields.length), ...fields]);
}

/** In records of at most so many bytes. */
export function records(message: Uint8Array, size = 16_384): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    pieces.push(Buffer.from([22, 3, 1, ...u16(piece.length)]), Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

export function hello(name: string): Buffer {
  return records(helloMessage({ names: [name] }));
}

/** What the TLS client of this runtime sends first. */
export async function caughtHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const client = connect({ ...options, host: "127.0.0.1", port: address.port });
  client.on("error", () => {});
  const [socket] = await once(server, "connection");
  const [bytes] = await once(socket, "data");
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

export function u16(value: number): readonly [number, number] {
  return [(value >> 8) & 0xff, value & 0xff];
}

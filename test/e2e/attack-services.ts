// Services of the host that greet whoever reaches them: on loopback by TCP and UDP, by the path and by the abstract
// name of a socket. Nobody in a cage has any business with them.

import { createSocket } from "node:dgram";
import { chmodSync } from "node:fs";
import { createServer, type AddressInfo, type ListenOptions, type Server } from "node:net";

/** What all of them say. */
export const GREETING = "canary";

export interface Services {
  /** Names for attempts: `tcp`, `tcp6`, `udp` as HOST:PORT, `path`, and `abstract` with an @ before it. */
  readonly targets: Readonly<Record<string, string>>;
  /** How many connections came, of all that were made to services of TCP. */
  readonly connections: () => number;
  close(): Promise<void>;
}

/** @param at for TCP; else a port of 127.0.0.1 that is free */
export async function openServices(
  path: string,
  at: { readonly host: string; readonly port: number } = { host: "127.0.0.1", port: 0 },
): Promise<Services> {
  const servers: Server[] = [];
  let connections = 0;
  const open = async (options: ListenOptions): Promise<number> => {
    const server = createServer((socket) => {
      connections++;
      socket.on("error", () => {});
      // Else it would wait for whoever reads what was said to it.
      socket.resume();
      socket.end(`${GREETING}\r\n`);
    });
    servers.push(server);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(options, resolve);
    await promise;
    return portOf(server.address());
  };
  const port = await open(at);
  const port6 = await open({ host: "::1", port: 0 }).catch(() => undefined);
  const abstract = `toolcrib-attack-${process.pid}-${port}`;
  await open({ path });
  await open({ path: `\0${abstract}` });
  chmodSync(path, 0o777);

  const udp = createSocket("udp4");
  udp.on("message", (_, { address, port: from }) => udp.send(GREETING, from, address));
  const bound = Promise.withResolvers<void>();
  udp.bind(0, "127.0.0.1", bound.resolve);
  await bound.promise;

  return {
    targets: {
      tcp: `${at.host}:${port}`,
      ...(port6 === undefined ? {} : { tcp6: `::1:${port6}` }),
      port: String(port),
      udp: `127.0.0.1:${udp.address().port}`,
      path,
      abstract: `@${abstract}`,
    },
    connections: () => connections,
    close: async () => {
      udp.close();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}

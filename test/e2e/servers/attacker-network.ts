// What the attacker tries on the network. To have reached something means to have heard what only it says: within a
// cage every address accepts connections, and hands them to the appliance.

import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { basename } from "node:path";
import { type Attempt, refusal } from "./attacker-attempt.ts";

/** A service that does not answer on loopback within this is not there. */
const PATIENCE_MS = 5_000;
/** Of one datagram, to a service on loopback that answers at once. */
const DATAGRAM_MS = 300;

/** The first bytes that come, after saying something or nothing. */
function hear(open: () => Socket, say: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = open();
  const timer = setTimeout(() => reject(refusal("silence")), PATIENCE_MS);
  socket.once("connect", () => void (say !== "" && socket.write(say)));
  socket.once("data", (chunk) => resolve(chunk.toString().split("\r\n")[0] ?? ""));
  socket.once("error", reject);
  socket.once("close", () => reject(refusal("closed")));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function datagram(host: string, port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const timer = setTimeout(() => reject(refusal("silence")), DATAGRAM_MS);
  socket.once("message", (message) => resolve(message.toString()));
  socket.once("error", reject);
  socket.send("who is there?", port, host, (error) => void (error && reject(error)));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

/** How each is told to get something, by what it has itself. */
const PROGRAMS: Readonly<Record<string, (url: string) => readonly string[]>> = {
  curl: (url) => ["-sS", "--max-time", "10", url],
  node: (url) => ["-e", `fetch(${JSON.stringify(url)}).then((got) => got.text()).then(console.log)`],
  python3: (url) => [
    "-c",
    `import urllib.request as r; print(r.urlopen(${JSON.stringify(url)}).read().decode())`,
  ],
};

const RULE = /^(.*):(\d+)$/;

export const ON_NETWORKS: Readonly<Record<string, Attempt>> = {
  /** HOST:PORT, an IPv6 address without brackets. What a service says. */
  reach: ([where = ""]) => {
    const [, host = "", port = ""] = RULE.exec(where) ?? [];
    return hear(() => connect({ host, port: Number(port) }), "who is there?\r\n");
  },
  "reach-path": ([path = ""]) =>
    hear(() => connect({ path: path.replace("@", "\0") }), "GET / HTTP/1.0\r\n\r\n"),
  /** By a proxy, such as that of a cage. */
  tunnel: async ([proxy = "", where = ""]) => {
    const [, host = "", port = ""] = RULE.exec(proxy) ?? [];
    const request = `CONNECT ${where} HTTP/1.1\r\nhost: ${where}\r\n\r\n`;
    const [, status = "no answer"] = (await hear(() => connect({ host, port: Number(port) }), request)).split(
      " ",
    );
    if (status !== "200") throw refusal(status);
    return "";
  },
  /** Each time by a connection of its own. */
  get: async ([url = "", host]) => {
    const response = await fetch(url, {
      keepalive: false,
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(host === undefined ? {} : { headers: { host } }),
    });
    return `${response.status} ${(await response.text()).trim()}`;
  },
  /** The same by a program of the host. */
  "get-by": async ([program = "", url = ""]) => {
    const args = PROGRAMS[basename(program)]?.(url) ?? [url];
    const child = Bun.spawn([program, ...args], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    const [code, out] = await Promise.all([child.exited, child.stdout.text()]);
    if (code !== 0) throw refusal(`exit ${code}`);
    return out.trim();
  },
  datagram: ([where = ""]) => {
    const [, host = "", port = ""] = RULE.exec(where) ?? [];
    return datagram(host, Number(port));
  },
  resolve: async ([name = ""]) => (await lookup(name)).address,
  interfaces: () => {
    const others = Object.keys(networkInterfaces()).filter((name) => name !== "lo");
    if (others.length === 0) throw refusal("lo alone");
    return others.join(" ");
  },
};

// The contract's servers over Streamable HTTP: the SDK's own server, and raw.ts behind a face of ours.

import { join } from "node:path";
import { nullLog } from "../../src/log.ts";
import { remoteConnector } from "../../src/upstream/remote.ts";
import { openHttpFace, type HttpFace } from "./http-face.ts";
import { CLIENT_INFO, LAB_LIMITS, type Lab, type ServerUnderTest } from "./lab.ts";

const SERVERS = join(import.meta.dir, "../servers");

export async function openRemoteLab(): Promise<Lab> {
  const servers: HttpFace[] = [];

  return {
    async connect(wanted, options = {}) {
      const server = await open(wanted);
      servers.push(server);
      const connector = remoteConnector({
        spec: { url: server.url, headers: {} },
        clientInfo: CLIENT_INFO,
        startTimeoutMs: options.startTimeoutMs ?? LAB_LIMITS.startTimeoutMs,
        maxMessageBytes: LAB_LIMITS.maxMessageBytes,
        log: nullLog,
      });
      const listener = options.listener ?? { notification: () => undefined };
      const signal = options.signal ?? new AbortController().signal;
      return { upstream: await connector.connect(listener, signal), stderr: () => server.stderr() };
    },
    leftovers: () => servers.flatMap((server) => server.leftovers()),
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

function open(wanted: ServerUnderTest): Promise<HttpFace> | HttpFace {
  if (wanted === "sdk") return openSdkServer();
  return openHttpFace([process.execPath, join(SERVERS, "raw.ts"), ...wanted.slice(1)]);
}

/** Its sessions are its own business: only the process could be left, and that ends with `close`. */
export async function openSdkServer(...flags: readonly string[]): Promise<HttpFace> {
  const child = Bun.spawn([process.execPath, join(SERVERS, "sdk-http.ts"), ...flags], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  let stderr = "";
  const readStderr = async (): Promise<void> => {
    for await (const chunk of child.stderr) stderr += new TextDecoder().decode(chunk);
  };
  const read = readStderr();
  let greeting = "";
  for await (const chunk of child.stdout) {
    greeting += new TextDecoder().decode(chunk);
    if (greeting.includes("\n")) break;
  }
  const url = /^listening (\S+)\n/.exec(greeting)?.[1];
  if (url === undefined) throw new Error(`the server did not start: ${greeting} ${stderr}`);
  return {
    url,
    stderr: () => stderr,
    leftovers: () => [],
    async close() {
      await child.stdin.end();
      await Promise.all([child.exited, read]);
    },
  };
}

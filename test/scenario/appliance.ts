// The appliance from source, in this process, as app.ts puts it together: a home of its own, a free port, and real
// children behind it. Scenarios speak to it over HTTP, and to its admin socket.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAppliance } from "../../src/app.ts";
import { createLog } from "../../src/log.ts";
import type { StdioSpec } from "../../src/model/server-spec.ts";
import { paths, prepare } from "../../src/paths.ts";
import { readSettings } from "../../src/settings.ts";
import { until } from "../e2e/wait.ts";

const SERVERS = join(import.meta.dir, "../servers");

export interface Crib {
  readonly url: string;
  readonly port: number;
  /** Everything that was logged, one JSON line each. */
  readonly log: readonly string[];
  /** Adds a server and waits until it is ready, or for `isReady: false` until it failed. */
  add(
    name: string,
    argv: readonly string[],
    options?: { isReady?: boolean; signal?: AbortSignal; with?: Partial<StdioSpec> },
  ): Promise<void>;
  /** The text of a new token. */
  token(name: string, servers?: readonly string[]): Promise<string>;
  /** A call of the admin API; throws where the answer is an error. */
  admin(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response>;
  logs(server: string): Promise<string>;
  stop(): Promise<void>;
}

export const raw = (...args: readonly string[]): readonly string[] => [
  process.execPath,
  join(SERVERS, "raw.ts"),
  ...args,
];
export const SDK: readonly string[] = [process.execPath, join(SERVERS, "sdk-stdio.ts")];
export const OBEDIENT: readonly string[] = [process.execPath, join(import.meta.dir, "obedient-server.ts")];

export async function openCrib(flags: Readonly<Record<string, string>> = {}): Promise<Crib> {
  const home = mkdtempSync(join(tmpdir(), "tc-"));
  const where = paths({}, process.getuid?.() ?? 0, home);
  prepare(where);
  const { settings, views } = readSettings({
    flags: { listen: "127.0.0.1:0", ...flags },
    env: {},
    settingsFile: where.settingsFile,
  });
  const log: string[] = [];
  const appliance = await startAppliance({
    settings,
    settingViews: views,
    paths: where,
    env: { PATH: "/usr/bin:/bin", HOME: home },
    log: createLog({ level: "info", write: (line) => void log.push(line) }),
  });

  const admin: Crib["admin"] = async (method, path, body, signal) => {
    const json =
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const init = { method, unix: where.socket, ...json, ...(signal === undefined ? {} : { signal }) };
    const response = await fetch(`http://localhost/api/v1${path}`, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  return {
    url: appliance.url,
    port: Number(new URL(appliance.url).port),
    log,
    admin,
    async add(name, [command = "", ...args], { isReady = true, signal, with: more } = {}) {
      const response = await admin(
        "POST",
        "/servers",
        { name, spec: { kind: "stdio", command, args, ...more } },
        signal,
      );
      const events = (await response.text()).trim().split("\n");
      const last: { event: string } = JSON.parse(events.at(-1) ?? "{}");
      if ((last.event === "done") !== isReady) throw new Error(`${name} was added: ${events.join("\n")}`);
    },
    async token(name, servers) {
      const response = await admin("POST", "/tokens", servers === undefined ? { name } : { name, servers });
      const { token }: { token: string } = JSON.parse(await response.text());
      return token;
    },
    logs: async (server) => (await admin("GET", `/servers/${server}/logs`)).text(),
    async stop() {
      await appliance.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Waits for a line in what the server wrote to stderr; `times` of them. */
export async function sawOnStderr(crib: Crib, server: string, line: string, times = 1): Promise<void> {
  await until(`${server} says ${line}`, async () => (await crib.logs(server)).split(line).length > times);
}

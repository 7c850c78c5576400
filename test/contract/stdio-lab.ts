// The contract's servers as children on their standard streams.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uncaged } from "../../src/cage/launch-plan.ts";
import { bareStart } from "../../src/cage/prepared-start.ts";
import { installLauncher } from "../../src/cage/launcher.ts";
import { nullLog } from "../../src/log.ts";
import { OutputRing } from "../../src/process/output-ring.ts";
import { stdioConnector } from "../../src/upstream/stdio.ts";
import { CLIENT_INFO, LAB_LIMITS, type Lab } from "./lab.ts";

const SERVERS = join(import.meta.dir, "../servers");

export async function openStdioLab(): Promise<Lab> {
  const directory = mkdtempSync(join(tmpdir(), "toolcrib-contract-"));
  const launcher = await installLauncher(directory);
  const pids: number[] = [];

  return {
    async connect(server, options = {}) {
      const stderr = new OutputRing(65_536);
      const script = server === "sdk" ? ["sdk-stdio.ts"] : ["raw.ts", ...server.slice(1)];
      const [file = "", ...args] = script;
      const argv = [process.execPath, join(SERVERS, file), ...args];
      const connector = stdioConnector({
        prepare: async () => bareStart(uncaged({ argv, env: { HOME: directory }, cwd: directory, launcher })),
        clientInfo: CLIENT_INFO,
        startTimeoutMs: options.startTimeoutMs ?? LAB_LIMITS.startTimeoutMs,
        maxLineBytes: LAB_LIMITS.maxMessageBytes,
        maxQueuedBytes: LAB_LIMITS.maxQueuedBytes,
        stderr,
        log: nullLog,
        onSpawn: (pid) => pids.push(pid),
      });
      const listener = options.listener ?? { notification: () => undefined };
      const signal = options.signal ?? new AbortController().signal;
      return { upstream: await connector.connect(listener, signal), stderr: () => stderr.text() };
    },
    leftovers: () => pids.filter(isAlive).map((pid) => `process ${pid}`),
    async close() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

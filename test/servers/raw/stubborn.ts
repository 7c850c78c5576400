// A server that does not want to end: deaf to SIGTERM and to the end of stdin, with a grandchild that left its
// session and process group. Both give up after ten minutes, so that a failed test leaves nothing for ever.

import { spawn } from "node:child_process";
import { exitSaying, startPeer, textResult, toolNamed, writeAll } from "./peer.ts";

const LIFE_S = 600;

/** Writes `pids <own> <grandchild>` to stderr, and answers the same to tool `pids`. */
export function ignoresTerm(): void {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
  // setsid by `detached`, and the shell between ends at once: the sleeper is nobody's child any more.
  const script = `trap '' TERM INT HUP; sleep ${LIFE_S} </dev/null >/dev/null 2>&1 & echo $!`;
  const shell = spawn("/bin/sh", ["-c", script], { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let grandchild = "";
  shell.stdout.on("data", (chunk: Buffer) => (grandchild += chunk.toString()));
  shell.on("close", () => {
    const pids = `pids ${process.pid} ${grandchild.trim()}`;
    writeAll(2, `${pids}\n`);
    startPeer({
      ignoreEnd: true,
      handlers: { "tools/call": (message, peer) => peer.answer(message, textResult(pids)) },
      tools: [toolNamed("pids")],
    });
  });
  setTimeout(() => exitSaying("nobody stopped this server for ten minutes", 1), LIFE_S * 1000);
}

// A stdio server without anything around it: what every start through an appliance is compared with.

import type { CommandLine } from "./toolcrib.ts";

const MESSAGES = [
  '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}',
  '{"jsonrpc":"2.0","method":"notifications/initialized"}\n{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"pong","arguments":{}}}',
];

/** From the spawn to the answer of a first call, with the handshake before it; then it is ended. */
export async function firstAnswerMs(line: CommandLine): Promise<number> {
  const began = performance.now();
  const child = Bun.spawn([...line], { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  const answers = child.stdout.getReader();
  try {
    for (const message of MESSAGES) {
      child.stdin.write(`${message}\n`);
      await child.stdin.flush();
      const { done } = await answers.read();
      if (done) throw new Error(`${line.join(" ")} ended before it answered`);
    }
    return performance.now() - began;
  } finally {
    await child.stdin.end();
    await child.exited;
  }
}

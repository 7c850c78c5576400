// The three subjects of most rows, each with the same echo server behind it: the server itself over Streamable
// HTTP, the ideal relay, Toolcrib.

import type { Bench } from "../row.ts";
import { startProgram } from "./program.ts";
import type { Subject } from "./subject.ts";
import { ECHO_SERVER, Home } from "./toolcrib.ts";

export interface Subjects extends AsyncDisposable {
  readonly list: readonly Subject[];
}

/** All three have answered calls of every size for a moment, so that no first measurement pays for a cold start. */
export async function startEchoSubjects(bench: Bench): Promise<Subjects> {
  await using stack = new AsyncDisposableStack();
  const direct = stack.use(await startProgram("direct", "servers/bench-echo.ts", ["--http"]));
  const relay = stack.use(await startProgram("relay", "bench/subjects/relay.ts", ECHO_SERVER));
  const home = stack.use(await Home.create({ echo: ECHO_SERVER }));
  const toolcrib = stack.use(await home.start());
  const list = [direct, relay, toolcrib];
  for (const subject of list) await warmUp(bench, subject);
  const kept = stack.move();
  return { list, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The name of a tool of the echo server as this subject's clients see it. */
export function toolOf(subject: Subject, tool: string): string {
  return subject.name === "toolcrib" ? `echo__${tool}` : tool;
}

async function warmUp({ load, warmupMs }: Bench, subject: Subject): Promise<void> {
  for (const bytes of [100, 10 * 1024, 1024 * 1024]) {
    const asked = { ask: "blob", tool: toolOf(subject, "blob"), bytes } as const;
    const bounds = { concurrency: 4, warmupMs: 0, durationMs: warmupMs };
    await load.run({ kind: "ask", target: subject.target, asked, ...bounds });
  }
}

// Runs one plan to its end and keeps what it printed: for the probe that tries a cage, and for what is built in one.

import type { LaunchPlan } from "../cage/launch-plan.ts";
import { toAppError } from "../errors.ts";
import { closeAll } from "./descriptors.ts";
import { launch } from "./launch.ts";

export interface PlanEnd {
  /** The first bytes of each; the rest is read and dropped, so that it never waits for us. */
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined when it did not end by itself within the deadline, and when it was not started. */
  readonly exitCode: number | undefined;
  /** Why it was not started: the launcher's words. */
  readonly refused: string | undefined;
}

export interface RunOptions {
  readonly deadlineMs: number;
  /** Of each stream. */
  readonly maxOutputBytes: number;
  readonly signal?: AbortSignal;
}

/** Resolves when nothing of it is left, also after `signal`, which kills it. Listeners of the plan are closed. */
export async function runPlan(plan: LaunchPlan, options: RunOptions): Promise<PlanEnd> {
  const { deadlineMs, maxOutputBytes, signal } = options;
  const { process, started } = launch(plan, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  let killed = false;
  const kill = (): void => {
    killed = true;
    // The launcher ends all below it.
    process.kill("SIGUSR1");
  };
  const timer = setTimeout(kill, deadlineMs);
  signal?.addEventListener("abort", kill, { once: true });
  if (signal?.aborted === true) kill();
  const fate = started.then(
    ({ listeners }) => void closeAll(listeners),
    (thrown: unknown) => toAppError(thrown).message,
  );
  try {
    const [stdout, stderr, exitCode, refused] = await Promise.all([
      readHead(process.stdout, maxOutputBytes),
      readHead(process.stderr, maxOutputBytes),
      process.exited,
      fate,
    ]);
    const ended = !killed && typeof refused !== "string";
    return { stdout, stderr, exitCode: ended ? exitCode : undefined, refused: refused ?? undefined };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
  }
}

async function readHead(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  for await (const chunk of stream) {
    const head = chunk.subarray(0, maxBytes - keptBytes);
    if (head.byteLength === 0) continue;
    kept.push(head);
    keptBytes += head.byteLength;
  }
  return Buffer.concat(kept).toString("utf8");
}

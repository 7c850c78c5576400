// Starts one plan under the launcher: hands the specification over, and hears what became of it. Called by child.ts
// for servers and by whoever runs a single program in a cage.

import { writeSync } from "node:fs";
import type { LaunchPlan } from "../cage/launch-plan.ts";
import { encodeLaunch } from "../cage/launch-spec.ts";
import type { StartedFacts } from "../cage/prepared-start.ts";
import { AppError, systemErrorCode } from "../errors.ts";
import { printable } from "../model/printable.ts";
import { closeAll, receiveDescriptors } from "./descriptors.ts";

type Writable = Bun.Spawn.Writable;
type Readable = Bun.Spawn.Readable;

export interface Streams<In extends Writable, Out extends Readable, Err extends Readable> {
  readonly stdin: In;
  readonly stdout: Out;
  readonly stderr: Err;
}

export interface Launched<Process> {
  /** The launcher outside. SIGTERM reaches all that the program started; SIGUSR1 kills all of it; see launcher.c. */
  readonly process: Process;
  /**
   * Resolves when the program runs; whoever reads it owns the listeners. Rejects with `blocked` and the launcher's
   * words when the plan cannot be carried out here, with `start-failed` when the launcher ended or was ended before.
   */
  readonly started: Promise<StartedFacts>;
}

const MAX_REPORT_CHARACTERS = 64 * 1024;
/** Between two attempts to hand over what is more than the socket takes at once. */
const MAX_PAUSE_MS = 20;

/**
 * NB: the launcher is told to die with the *thread* that made it: on the main thread only.
 * @throws AppError `bad-configuration` for a plan that cannot be written down; the system's error where the launcher
 * itself cannot be started
 */
export function launch<In extends Writable, Out extends Readable, Err extends Readable>(
  plan: LaunchPlan,
  { stdin, stdout, stderr }: Streams<In, Out, Err>,
): Launched<Bun.Subprocess<In, Out, Err>> {
  const spec = encodeLaunch(plan);
  const process = Bun.spawn<In, Out, Err>(command(plan), {
    ...SURROUNDINGS,
    stdio: [stdin, stdout, stderr, "pipe", "pipe"],
  });
  return { process, started: watched(follow(plan, spec, process)) };
}

/** With `plan.terminal`: stdin, stdout and stderr are a new terminal, which is the program's own. */
export function launchInTerminal(plan: LaunchPlan, terminal: Bun.TerminalOptions): Launched<Bun.Subprocess> {
  const spec = encodeLaunch(plan);
  const process = Bun.spawn(command(plan), {
    ...SURROUNDINGS,
    terminal,
    stdio: [undefined, undefined, undefined, "pipe", "pipe"],
  });
  return { process, started: watched(follow(plan, spec, process)) };
}

/** A caller may look at it late, or only at how the process ends: that is no error that nobody handles. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** Everything of the program's comes with the specification. */
const SURROUNDINGS = { cwd: "/", env: {} } as const;

function command(plan: LaunchPlan): string[] {
  return [plan.launcher, String(process.pid)];
}

async function follow(
  plan: LaunchPlan,
  spec: Uint8Array,
  { stdio }: Pick<Bun.Subprocess, "stdio">,
): Promise<StartedFacts> {
  // NB: sockets of ours, which Bun never closes (1.4.5).
  const [orders, report] = [stdio[3], stdio[4]];
  if (typeof orders !== "number" || typeof report !== "number") {
    throw new AppError("internal", "There is no socket to the launcher.");
  }
  try {
    await send(orders, spec);
    // Secrets were in it.
    spec.fill(0);
    return await factsFrom(linesOf(report), orders, plan);
  } finally {
    closeAll([orders, report]);
  }
}

async function send(socket: number, bytes: Uint8Array): Promise<void> {
  let pauseMs = 1;
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(socket, bytes, sent);
      pauseMs = 1;
    } catch (error) {
      // It gave up, and its report says why.
      if (systemErrorCode(error) !== "EAGAIN") return;
      await Bun.sleep(pauseMs);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
  }
}

async function* linesOf(report: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let characters = 0;
  for await (const chunk of Bun.file(report).stream()) {
    const text = decoder.decode(chunk, { stream: true });
    characters += text.length;
    if (characters > MAX_REPORT_CHARACTERS) throw notUnderstood("a report without an end");
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

async function factsFrom(
  lines: AsyncIterable<string>,
  orders: number,
  plan: LaunchPlan,
): Promise<StartedFacts> {
  const wanted = plan.network.kind === "own" ? plan.network.listeners.length : 0;
  const notes: string[] = [];
  let innerPid: number | undefined;
  let listeners: readonly number[] = [];
  try {
    for await (const line of lines) {
      const [, word, rest = ""] = /^([a-z]+) (.*)$/.exec(line) ?? [];
      if (word === "inner") innerPid = Number(rest);
      else if (word === "listeners") listeners = receiveDescriptors(orders, wanted);
      else if (word === "note") notes.push(printable(rest));
      else if (word === "refused") throw refused(rest);
      else throw notUnderstood(line);
    }
    if (innerPid === undefined || listeners.length !== wanted) throw ended();
    return { innerPid, listeners, notes };
  } catch (error) {
    closeAll(listeners);
    throw error;
  }
}

function refused(words: string): AppError {
  return new AppError(
    "blocked",
    `The server cannot be started: ${printable(words)}. "toolcrib doctor" says what this host is able to do.`,
  );
}

function ended(): AppError {
  return new AppError("start-failed", "The launcher ended before the server was started: start it again.");
}

function notUnderstood(line: string): AppError {
  return new AppError("start-failed", `The launcher said what nobody understands: ${printable(line, 200)}`);
}

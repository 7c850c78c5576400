// The two ways in which one speaks with the program of a shell: a terminal of its own, or three pipes. Made by
// shell-session.ts, which owns them; what the program prints goes into the queue.

import type { LaunchPlan } from "../cage/launch-plan.ts";
import type { StartedFacts } from "../cage/prepared-start.ts";
import { AppError } from "../errors.ts";
import type { ShellOutput, ShellSize } from "../model/shell.ts";
import { launch, launchInTerminal } from "./launch.ts";
import type { OutputQueue } from "./shell-output.ts";

export interface ShellStreams {
  readonly process: Bun.Subprocess;
  /** As of `launch`. */
  readonly started: Promise<StartedFacts>;
  /** Resolves when all that it printed is in the queue, at its end or soon after. Never rejects. */
  readonly drained: Promise<void>;
  /** Resolves when the kernel has taken it, or nobody ever will. Never rejects. */
  write(bytes: Uint8Array): Promise<void>;
  endInput(): void;
  resize(size: ShellSize): void;
  close(): void;
}

// termios(3), of Linux.
const IXON = 0o2000;
const STOP = "\x13";
const START = "\x11";
const END_OF_FILE = "\x04";

/** @throws as `launch` */
export function terminalStreams(plan: LaunchPlan, size: ShellSize, output: OutputQueue): ShellStreams {
  const drained = Promise.withResolvers<void>();
  let writers: (() => void)[] = [];
  const taken = (): void => {
    const all = writers;
    writers = [];
    for (const resolve of all) resolve();
  };
  const { process, started } = launchInTerminal(
    { ...plan, terminal: true },
    {
      ...size,
      data: (_, bytes) => output.push("out", bytes),
      exit: () => drained.resolve(),
      // Also after what the kernel took at once.
      drain: taken,
    },
  );
  const { terminal } = process;
  if (terminal === undefined) throw new AppError("internal", "There is no terminal for the shell.");
  output.brakeWith(flowControl(terminal));
  return {
    process,
    started,
    drained: drained.promise,
    write: (bytes) =>
      new Promise((resolve) => {
        if (terminal.closed) return resolve();
        writers.push(resolve);
        terminal.write(bytes);
      }),
    endInput: () => void (terminal.closed || terminal.write(END_OF_FILE)),
    resize: ({ cols, rows }) => void (terminal.closed || terminal.resize(cols, rows)),
    close: () => {
      terminal.close();
      taken();
    },
  };
}

/**
 * Bun reads a terminal as fast as it can and cannot be told to wait (1.4.5): so the terminal is, as by a person with ^S
 * and ^Q. For a program that takes these keys for itself they are the terminal's again for as long.
 */
function flowControl(terminal: Bun.Terminal): { hold(): void; release(): void } {
  let wasOn: boolean | undefined;
  return {
    hold() {
      if (terminal.closed) return;
      const isOn = (terminal.inputFlags & IXON) !== 0;
      wasOn ??= isOn;
      if (!isOn) terminal.inputFlags |= IXON;
      terminal.write(STOP);
    },
    release() {
      if (terminal.closed || wasOn === undefined) return;
      terminal.inputFlags |= IXON;
      terminal.write(START);
      if (!wasOn) terminal.inputFlags &= ~IXON;
      wasOn = undefined;
    },
  };
}

/** @throws as `launch` */
export function pipeStreams(plan: LaunchPlan, output: OutputQueue): ShellStreams {
  const { process, started } = launch(
    { ...plan, terminal: false },
    { stdin: "pipe", stdout: "pipe", stderr: "pipe" },
  );
  const { stdin, stdout, stderr } = process;
  return {
    process,
    started,
    drained: Promise.all([pump(stdout, "out", output), pump(stderr, "err", output)]).then(
      () => undefined,
      () => undefined,
    ),
    // A program that reads no more is no error: it may have seen enough.
    write: (bytes) =>
      Promise.resolve(stdin.write(bytes)).then(
        () => undefined,
        () => undefined,
      ),
    endInput: () => void Promise.resolve(stdin.end()).catch(() => undefined),
    resize: () => undefined,
    close: () => undefined,
  };
}

/** What is not read stays in the pipe, and a full pipe holds the program back. */
async function pump(
  stream: ReadableStream<Uint8Array>,
  name: ShellOutput["stream"],
  output: OutputQueue,
): Promise<void> {
  for await (const bytes of stream) {
    output.push(name, bytes);
    await output.room();
    // NB: a read that finds data takes no turn of the event loop (Bun 1.4.5): the others get theirs here.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

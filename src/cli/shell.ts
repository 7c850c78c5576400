// `shell`: a terminal in the cage of a server, or one command in it. Where stdin and stdout are a terminal, the cage
// gets one of its own and this one is handed over to it; otherwise bytes go through pipes as they are.

import { isatty } from "node:tty";
import { AppError } from "../errors.ts";
import { printable } from "../model/printable.ts";
import { type ShellEnd, type ShellEvent, type ShellSize, TERMINAL_NAME } from "../model/shell.ts";
import { type ApiClient, pathOf } from "./client.ts";
import type { Context } from "./context.ts";
import { eventsIn } from "./events-in.ts";
import { rawMode } from "./raw-mode.ts";
import { cleanLines, type Terminal } from "./terminal.ts";

/** Of one request with input. */
const MAX_INPUT_BYTES = 256 * 1024;
/** Of a terminal that does not know its size. */
const USUAL_SIZE: ShellSize = { cols: 80, rows: 24 };
const MAX_CELLS = 4096;
/**
 * What a program sets and had no time to take back: no colour, a cursor, keys as they are, no mouse, text that is
 * pasted as it is, the screen that was there before it. The cursor is kept first, because the last puts it back.
 */
const AS_BEFORE =
  "\x1b[0m\x1b[?25h\x1b[?1l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b7\x1b[?1049l";

/** The far side of an open shell. */
interface Face {
  print(stream: "out" | "err", bytes: Uint8Array): Promise<void>;
  /** The shell runs: from now on what is typed goes to it. */
  attach(id: string): void;
  /** Gives back what was taken, in whatever way it ended. */
  release(isOver: boolean): Promise<void>;
}

/** The exit code of what ran. @throws AppError `usage`, `unreachable` when the appliance went away, and as it answers */
export async function shell(context: Context, [name = "", ...words]: readonly string[]): Promise<number> {
  const command = words[0] === "--" ? words.slice(1) : words;
  const isTerminal = isatty(0) && isatty(1);
  if (!isTerminal && command.length === 0) {
    throw new AppError(
      "usage",
      "A shell needs a terminal on stdin and stdout; without one, say what to run: toolcrib shell SERVER -- COMMAND.",
    );
  }
  const request = {
    command,
    ...(isTerminal ? { terminal: { ...screenSize(), term: kindOf(context) } } : {}),
  };
  const face = isTerminal ? terminalFace(context) : pipeFace(context);
  const end = await converse(
    eventsIn<ShellEvent>(context.api.stream("POST", pathOf`/servers/${name}/shells`, request)),
    face,
  );
  if (end.reason !== undefined) context.terminal.talk(`toolcrib: the shell ${printable(end.reason)}.`);
  return end.exitCode;
}

async function converse(events: AsyncIterable<ShellEvent>, face: Face): Promise<ShellEnd> {
  let end: ShellEnd | undefined;
  try {
    for await (const event of events) {
      if (event.event === "open") face.attach(event.id);
      else if (event.event === "ended") end = event;
      else await face.print(event.event, Buffer.from(event.bytes, "base64"));
    }
  } finally {
    await face.release(end !== undefined);
  }
  if (end !== undefined) return end;
  throw new AppError("unreachable", "The appliance went away, and the shell with it: look at its log.");
}

/** This terminal becomes the one of the cage: nothing that passes is read or changed. */
function terminalFace({ api, terminal }: Context): Face {
  let detach: (() => void) | undefined;
  return {
    print: (_, bytes) => terminal.out(bytes),
    attach(id) {
      const restore = rawMode();
      const forget = followSize(api, id);
      const die = (signal: NodeJS.Signals): void => {
        restore();
        // The handler is gone: now it has the usual effect.
        process.kill(process.pid, signal);
      };
      process.once("SIGTERM", die).once("SIGHUP", die);
      detach = () => {
        process.off("SIGTERM", die).off("SIGHUP", die);
        forget();
        restore();
      };
      void passInput(api, id);
    },
    async release(isOver) {
      if (detach === undefined) return;
      // First: the screen may be gone, and then there is an error instead.
      detach();
      if (!isOver) await terminal.out(AS_BEFORE);
    },
  };
}

function pipeFace({ api, terminal }: Context): Face {
  const decoders = { out: new TextDecoder(), err: new TextDecoder() };
  const textOf = (stream: "out" | "err", bytes: Uint8Array): string =>
    decoders[stream].decode(bytes, { stream: true });
  return {
    print(stream, bytes) {
      if (stream === "err") return Promise.resolve(terminal.talkPart(shown(textOf("err", bytes), terminal)));
      return terminal.isOutputTerminal ? terminal.outForeign(textOf("out", bytes)) : terminal.out(bytes);
    },
    attach: (id) => void passInput(api, id),
    release: () => Promise.resolve(),
  };
}

function shown(text: string, { isTalkTerminal }: Terminal): string {
  return isTalkTerminal ? cleanLines(text) : text;
}

/** Piece after piece, each when the one before was taken. What goes wrong is told by the end of the shell. */
async function passInput(api: ApiClient, id: string): Promise<void> {
  const send = (bytes: Uint8Array<ArrayBuffer>): Promise<unknown> =>
    api.bytes("POST", pathOf`/shells/${id}/input`, new Blob([bytes], { type: "application/octet-stream" }));
  try {
    for await (const chunk of Bun.stdin.stream()) {
      for (let at = 0; at < chunk.length; at += MAX_INPUT_BYTES) {
        await send(chunk.slice(at, at + MAX_INPUT_BYTES));
      }
    }
    await send(new Uint8Array());
  } catch {
    // See above.
  }
}

/** Tells each change of the screen's size; returns what ends that. The last to arrive is always the newest. */
function followSize(api: ApiClient, id: string): () => void {
  let told: Promise<unknown> = Promise.resolve();
  const tell = (): void => {
    told = told
      .then(() => api.bytes("POST", pathOf`/shells/${id}/size`, screenSize()))
      .catch(() => undefined);
  };
  // It may have changed while the shell was opened.
  tell();
  process.stdout.on("resize", tell);
  return () => void process.stdout.off("resize", tell);
}

function screenSize(): ShellSize {
  const { columns, rows } = process.stdout;
  return { cols: cells(columns, USUAL_SIZE.cols), rows: cells(rows, USUAL_SIZE.rows) };
}

function cells(count: number | undefined, usual: number): number {
  return count === undefined || count < 1 ? usual : Math.min(count, MAX_CELLS);
}

function kindOf({ env }: Context): string {
  const term = env["TERM"] ?? "";
  return TERMINAL_NAME.test(term) ? term : "dumb";
}

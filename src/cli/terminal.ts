// Where words go: results to stdout, talk to stderr, a question to a person where one sits. Made once by run.ts.
//
// NB: process.stdout and process.stderr cost 10 ms of a start, so only their width is ever asked, at a terminal.

import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { printable } from "../model/printable.ts";
import { readLine } from "./input.ts";

export interface Terminal {
  /** Columns of the terminal on stdout, or undefined where there is none and nothing need fit. */
  readonly columns: number | undefined;
  /** Results go to a terminal: they must not steer it. */
  readonly isOutputTerminal: boolean;
  /** Talk goes to a terminal: it may rewrite its last line. */
  readonly isTalkTerminal: boolean;
  /** Somebody can be asked. */
  readonly canAsk: boolean;
  readonly hasColour: boolean;
  /** A result, as it is. @throws an error with the code EPIPE when nobody reads any more */
  out(text: string | Uint8Array): Promise<void>;
  /** A result that others wrote: cleaned where it goes to a terminal, as it is elsewhere. */
  outForeign(text: string): Promise<void>;
  /** A line for the person, on stderr. */
  talk(line: string): void;
  /** The same without a line break. */
  talkPart(text: string): void;
  /** True for y or yes. @throws AppError `interrupted` */
  ask(question: string, signal: AbortSignal): Promise<boolean>;
}

export function createTerminal(env: Readonly<Record<string, string | undefined>>): Terminal {
  const isOutputTerminal = isatty(1);
  const isTalkTerminal = isatty(2);
  let writer: Bun.FileSink | undefined;

  const out = async (text: string | Uint8Array): Promise<void> => {
    // NB: not Bun.write(Bun.stdout): on a file that is appended to, it writes the first piece twice (Bun 1.4.5).
    writer ??= Bun.stdout.writer();
    writer.write(text);
    await writer.flush();
  };
  const talkPart = (text: string): void => {
    try {
      writeSync(2, text);
    } catch {
      // Nobody listens; the result and the exit code still tell.
    }
  };
  return {
    get columns() {
      return isOutputTerminal ? process.stdout.columns : undefined;
    },
    isOutputTerminal,
    isTalkTerminal,
    canAsk: isTalkTerminal && isatty(0),
    hasColour: isOutputTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb",
    out,
    outForeign: (text) => out(isOutputTerminal ? cleanLines(text) : text),
    talk: (line) => talkPart(`${line}\n`),
    talkPart,
    async ask(question, signal) {
      talkPart(question);
      return /^\s*y(es)?\s*$/i.test(await readLine(signal));
    },
  };
}

/** Text of others with its line breaks and tabs kept, and nothing else that acts or hides. */
export function cleanLines(text: string): string {
  return text
    .split("\n")
    .map((line) => printable(line.replace(/\r$/, "").replaceAll("\t", "    ")))
    .join("\n");
}

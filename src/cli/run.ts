// One command from its words to its exit code. main.ts is the only caller.

import { CommanderError } from "commander";
import { AppError, systemErrorCode, toAppError } from "../errors.ts";
import { printable } from "../model/printable.ts";
import { buildProgram } from "./program.ts";
import { createTerminal, type Terminal } from "./terminal.ts";
import { usageSentence } from "./usage.ts";

const USAGE = 2;

export async function run(words: readonly string[]): Promise<number> {
  const terminal = createTerminal(process.env);
  try {
    return await perform(words, terminal);
  } catch (error) {
    // Whoever read the results has seen enough (`toolcrib tools | head`).
    if (systemErrorCode(error) === "EPIPE") return 0;
    return explain(toAppError(error), terminal);
  }
}

async function perform(words: readonly string[], terminal: Terminal): Promise<number> {
  const host = { env: process.env, uid: process.getuid?.() ?? 0, cwd: process.cwd(), terminal };
  const { command, output, exitCode } = buildProgram(host, words);
  try {
    await command.parseAsync([...words], { from: "user" });
    if (output() !== "") await terminal.out(output());
    return exitCode();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) {
      await terminal.out(output());
      return 0;
    }
    if (error.code === "commander.help") terminal.talkPart(output());
    else terminal.talk(`toolcrib: ${usageSentence(error, command)}`);
    return USAGE;
  }
}

function explain(error: AppError, terminal: Terminal): number {
  if (error.code !== "interrupted") terminal.talk(`toolcrib: ${printable(error.message)}`);
  return error.exitCode;
}

// What is said to a command line that cannot be understood: the nearest right spelling, or that its time has not come.

import type { Command, CommanderError } from "commander";
import { BUILD } from "../build-info.ts";
import { AppError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { printable, quoted } from "../model/printable.ts";

/** Verbs that are promised and not there yet: an honest answer, and no line in the help. */
const LATER = new Set([
  "allow",
  "approve",
  "activity",
  "audit",
  "backup",
  "cage",
  "deny",
  "repo",
  "restore",
  "schema",
  "secret",
  "stdio",
  "user",
  "why",
]);

/** The verb that `help` is asked for. @throws AppError `usage` */
export function findVerb(program: Command, words: readonly string[]): Command {
  return words.reduce((command, word) => {
    const found = command.commands.find((candidate) => candidate.name() === word);
    if (found !== undefined) return found;
    if (command === program && LATER.has(word)) throw new AppError("usage", later(word));
    const names = command.createHelp().visibleCommands(command);
    const guess = didYouMean(
      word,
      names.map((candidate) => candidate.name()),
    );
    throw new AppError("usage", `There is no verb ${quoted(word)}${guess || "."}`);
  }, program);
}

/** One sentence for an error of the parser, without the name of the program in front. */
export function usageSentence(error: CommanderError, program: Command): string {
  const verb = program.args[0] ?? "";
  if (error.code === "commander.unknownCommand" && LATER.has(verb)) return later(verb);
  const [what = "", hint = ""] = error.message.replace(/^error: /, "").split("\n");
  const command = program.commands.find((candidate) => candidate.name() === verb);
  const help = command === undefined ? "toolcrib help" : `toolcrib help ${verb}`;
  const guess = hint.replace(/^\(Did you mean (.*)\?\)$/, "did you mean $1?");
  return `${printable(what)}${guess === "" ? "" : `: ${guess}`} ("${help}" tells more)`;
}

function later(verb: string): string {
  return `"${verb}" is not in this version (${BUILD.version}); "toolcrib help" lists what is.`;
}

// Completion of words in a shell: `completion` prints the few lines a shell needs, and those lines ask the hidden verb
// `complete` with the words so far. Answers are names only, and only such that no shell gives a meaning.
//
// Not @bomb.sh/tab: its bash script evaluates the words of the line, so that Tab would run a `$(…)` that is not meant
// to run yet, and needs the package bash-completion.

import type { Command } from "commander";
import { AppError } from "../errors.ts";
import type { ServerView, TokenView, ToolView } from "../model/api.ts";
import bash from "./completion.bash.txt" with { type: "text" };
import fish from "./completion.fish.txt" with { type: "text" };
import zsh from "./completion.zsh.txt" with { type: "text" };
import type { Context } from "./context.ts";

const SCRIPTS: Readonly<Record<string, string>> = { bash, zsh, fish };

const SAFE_WORD = /^[\w./@:+-]{1,200}$/;
/** More would not help anybody to choose. */
const MAX_ANSWERS = 500;
/** A person waits at the Tab key. */
const PATIENCE_MS = 1000;

type NameSource = (context: Context) => Promise<readonly string[]>;

const SERVERS: NameSource = async ({ api }) =>
  (await api.json<{ servers: readonly ServerView[] }>("GET", "/servers")).servers.map(({ name }) => name);
const TOOLS: NameSource = async ({ api }) =>
  (await api.json<{ tools: readonly ToolView[] }>("GET", "/tools")).tools.map(({ name }) => name);
const TOKENS: NameSource = async ({ api }) =>
  (await api.json<{ tokens: readonly TokenView[] }>("GET", "/tokens")).tokens.map(({ name }) => name);

/** Where the names for an argument, or for the value of an option, come from. */
const NAMES: Readonly<Record<string, NameSource>> = {
  "<server>": SERVERS,
  "<tool>": TOOLS,
  "revoke <name>": TOKENS,
  "--server": SERVERS,
  "--as": TOKENS,
  "<shell>": async () => Object.keys(SCRIPTS),
};

export async function script({ terminal }: Context, shell: string): Promise<void> {
  const text = SCRIPTS[shell];
  if (text === undefined) {
    throw new AppError("usage", `There is completion for ${Object.keys(SCRIPTS).join(", ")}.`);
  }
  await terminal.out(text);
}

/** `words` are those behind `toolcrib`; the last is the one that is being written. Never fails: it has no answer then. */
export async function complete(context: Context, program: Command, words: readonly string[]): Promise<void> {
  const current = words.at(-1) ?? "";
  const found = await candidates(context, program, words.slice(0, -1), current);
  const fitting = found
    .filter((word) => word.startsWith(current) && SAFE_WORD.test(word))
    .slice(0, MAX_ANSWERS);
  await context.terminal.out(fitting.map((word) => `${word}\n`).join(""));
}

async function candidates(
  context: Context,
  program: Command,
  before: readonly string[],
  current: string,
): Promise<readonly string[]> {
  let command = program;
  let operands = 0;
  let valueOf: string | undefined;
  for (const word of before) {
    const isValue = valueOf !== undefined;
    valueOf = undefined;
    if (isValue) continue;
    if (word.startsWith("-")) {
      const option = command.options.find(({ long, short }) => word === long || word === short);
      if (option !== undefined && option.required) valueOf = word;
      continue;
    }
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) operands++;
    else command = next;
  }
  if (valueOf !== undefined) return namesFor(context, valueOf);
  const argument = command.registeredArguments[operands];
  // From its first word on, all that follows `add` belongs to the server.
  if (command.name() === "add" && operands > 0) return [];
  if (current.startsWith("-")) return visibleOptions(command);
  if (argument === undefined) return operands === 0 ? visibleCommands(command) : [];
  const name = `<${argument.name()}>`;
  return namesFor(context, Object.hasOwn(NAMES, name) ? name : `${command.name()} ${name}`);
}

function visibleCommands(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((child) => child.name());
}

function visibleOptions(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long }) => long ?? []);
}

async function namesFor(context: Context, key: string): Promise<readonly string[]> {
  const source = NAMES[key];
  if (source === undefined) return [];
  const impatient = Bun.sleep(PATIENCE_MS).then(() => []);
  return Promise.race([source(context), impatient]).catch(() => []);
}

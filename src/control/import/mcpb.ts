// An MCP bundle's manifest as a planned server: its command line with the answers filled in, and the questions that
// are open. `${__dirname}` stays: a start fills it in, so that the vault can move. Pure. Called by the import planner.

import { printable, quoted } from "../../model/printable.ts";
import type { Answers, Question } from "../../model/question.ts";
import { understand } from "../../package/command-line.ts";
import { toServerName } from "../../package/default-name.ts";
import { type McpbManifest, type McpbOption, parseMcpbManifest } from "../../package/mcpb-manifest.ts";
import { type Draft, usage } from "./draft.ts";
import { answer, openNotes } from "./question.ts";

export interface McpbPlan {
  readonly draft: Draft;
  /** False where the manifest only names a package of a registry: that one is installed, and not the bundle. */
  readonly needsBundle: boolean;
  readonly questions: readonly Question[];
  /** Sentences about what was seen and not done; those about open questions among them. */
  readonly notes: readonly string[];
}

/** @throws AppError `usage` */
export function readMcpbManifest(text: string): McpbManifest {
  return parseMcpbManifest(text);
}

/** @throws AppError `usage` for an answer that does not fit, and for a bundle that cannot be run here */
export function planMcpb(manifest: McpbManifest, answers: Answers): McpbPlan {
  const name = toServerName(manifest.name);
  const questions = Object.entries(manifest.user_config).map(([id, option]) => questionOf(id, option));
  const values = answer(name, questions, answers);
  const { command, args, env } = commandOf(manifest);
  const needsBundle = !["npm", "pypi"].includes(understand(command, args).kind);
  const filledArgs = fillArgs(args, questions, values);
  const spec = {
    kind: "stdio" as const,
    command: fill(command, questions, values),
    args: filledArgs.args,
    env: fillEnv(env, questions, values),
    cage: { read: pathsIn(questions, values), write: [], network: [] },
  };
  const granted = spec.cage.read.map(
    (path) =>
      `${name}: may read ${quoted(path)}, as answered; --write ${printable(path, 200)} lets it write there`,
  );
  const secrets = questions
    .filter(({ id, isSecret }) => isSecret && args.some((arg) => arg.includes(placeholder(id))))
    .map(
      ({ id }) =>
        `${name}: the secret ${printable(id, 80)} is an argument, which other programs of the host can see`,
    );
  return {
    draft: { name, spec, unknownKeys: [] },
    needsBundle,
    questions,
    notes: [
      ...(needsBundle ? [] : [`${name}: the bundle only names a package: that one is installed instead.`]),
      ...filledArgs.leftOut.map((arg) => `${name}: left out, because nobody answered: ${quoted(arg)}`),
      ...granted,
      ...secrets,
      ...openNotes(name, questions, values),
    ],
  };
}

interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function commandOf({ name, server }: McpbManifest): Command {
  if (server.type === "uv") {
    throw usage(
      `The bundle ${printable(name, 100)} has its packages installed by uv when it starts, which is not done here: ` +
        "add its package with uvx, or unpack it and add `uv run` in its directory.",
    );
  }
  const { command, args, env, platform_overrides } = server.mcp_config;
  const own = platform_overrides["linux"];
  return { command: own?.command ?? command, args: own?.args ?? args, env: { ...env, ...own?.env } };
}

function questionOf(id: string, option: McpbOption): Question {
  const isPath = option.type === "directory" || option.type === "file";
  const given = option.default;
  const all = given === undefined ? undefined : Array.isArray(given) ? given : [String(given)];
  // `${HOME}/Desktop` and its like are of somebody's own machine, not of this host.
  const fallback = all?.some((text) => text.includes("${")) === true ? undefined : all;
  return {
    id,
    title: option.title,
    description: option.description,
    kind: option.type === "directory" || option.type === "file" ? "path" : option.type,
    isRequired: option.required,
    isSecret: option.sensitive,
    isMultiple: option.multiple,
    fallback: isPath && fallback?.some((path) => !path.startsWith("/")) === true ? undefined : fallback,
    choices: [],
    min: option.min,
    max: option.max,
  };
}

type Values = ReadonlyMap<string, readonly string[]>;

function placeholder(id: string): string {
  return `\${user_config.${id}}`;
}

/**
 * A question that is open and has to be answered leaves its placeholder; any other leaves nothing. NB: in one pass, so
 * that an answer is never taken for a placeholder.
 */
function fill(text: string, questions: readonly Question[], values: Values): string {
  return text.replace(/\$\{user_config\.([\w.-]+)\}/g, (whole, id: string) => {
    const question = questions.find((each) => each.id === id);
    if (question === undefined) return whole;
    return values.get(id)?.join(",") ?? (question.isRequired ? whole : "");
  });
}

/** An argument that is nothing but a list becomes an argument for each; one that may be left out and is open, is. */
function fillArgs(
  args: readonly string[],
  questions: readonly Question[],
  values: Values,
): { readonly args: string[]; readonly leftOut: readonly string[] } {
  const optional = questions.filter(({ id, isRequired }) => !isRequired && !values.has(id));
  const isLeftOut = (arg: string): boolean => optional.some(({ id }) => arg.includes(placeholder(id)));
  const filled = args
    .filter((arg) => !isLeftOut(arg))
    .flatMap((arg) => {
      const list = questions.find(({ id }) => arg === placeholder(id));
      return (list && values.get(list.id)) ?? [fill(arg, questions, values)];
    });
  return { args: filled, leftOut: args.filter(isLeftOut) };
}

function fillEnv(
  env: Readonly<Record<string, string>>,
  questions: readonly Question[],
  values: Values,
): Record<string, string> {
  const isOpen = (text: string): boolean =>
    questions.some(({ id }) => text.includes(placeholder(id)) && !values.has(id));
  const answered = Object.entries(env).filter(([, text]) => !isOpen(text));
  return Object.fromEntries(answered.map(([key, text]) => [key, fill(text, questions, values)]));
}

function pathsIn(questions: readonly Question[], values: Values): string[] {
  return questions.filter(({ kind }) => kind === "path").flatMap(({ id }) => values.get(id) ?? []);
}

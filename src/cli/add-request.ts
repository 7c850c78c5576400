// From the words and options of `add` to what the appliance is asked: whether they name a file, and what it says.

import { resolve } from "node:path";
import { AppError } from "../errors.ts";
import type { PlanRequest } from "../model/api.ts";
import { cageOf, type CageOptions, numberOf } from "./cage-options.ts";
import type { Context } from "./context.ts";
import { parseDuration } from "./duration.ts";
import { fileSize, readFile, readStart, readStdin } from "./input.ts";

export interface AddOptions extends CageOptions {
  readonly yes?: boolean;
  readonly name?: string;
  readonly env?: readonly string[];
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly startTimeout?: string;
  readonly callTimeout?: string;
  readonly replace?: boolean;
  readonly answer?: readonly string[];
  readonly sha256?: string;
  readonly allowScripts?: readonly string[];
  readonly isolation?: string;
  readonly instances?: string;
}

const MAX_DOCUMENT_BYTES = 1_048_576;
/** Enough to see past blank lines how a file begins. */
const SNIFFED_BYTES = 512;

/** @throws AppError `usage`, `too-large` */
export async function planRequest(
  words: readonly string[],
  options: AddOptions,
  { cwd, signal }: Pick<Context, "cwd" | "signal">,
): Promise<PlanRequest> {
  const { name, env, read = [], write = [], allowHost = [], startTimeout, callTimeout } = options;
  const { isolation, instances, allowScripts } = options;
  const cage = cageOf(options);
  const absolute = (path: string): string => resolve(cwd, path);
  const rest = {
    env: environmentOf(env ?? []),
    read: read.map(absolute),
    write: write.map(absolute),
    allowHosts: [...allowHost],
    ...(cage === undefined ? {} : { cage }),
    ...(allowScripts === undefined ? {} : { scripts: [...allowScripts] }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(instances === undefined ? {} : { instances: numberOf("--instances", instances) }),
    ...(name === undefined ? {} : { name }),
    ...(options.answer === undefined ? {} : { answers: answersOf(options.answer) }),
    ...(startTimeout === undefined
      ? {}
      : { startTimeoutMs: parseDuration(startTimeout, "--start-timeout", "s") }),
    ...(callTimeout === undefined
      ? {}
      : { callTimeoutMs: parseDuration(callTimeout, "--call-timeout", "s") }),
  };
  const document = await documentOf(words, cwd, signal);
  return document === undefined ? { words: [...words], ...rest } : { document, ...rest };
}

/** The text of a file, where the words are one word that names one; undefined where they say what to run. */
async function documentOf(
  words: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<PlanRequest["document"]> {
  const [word = "", ...more] = words;
  if (more.length > 0) return undefined;
  if (word === "-") return { name: "stdin", text: await readStdin(MAX_DOCUMENT_BYTES, signal) };
  if (word.includes("://")) return undefined;
  const path = resolve(cwd, word);
  const hasEnding = /\.(jsonc?|toml)$/i.test(word);
  if (fileSize(path) === undefined) {
    if (hasEnding) throw new AppError("usage", `There is no file ${word} here.`);
    return undefined;
  }
  if (/\.toml$/i.test(word)) {
    throw new AppError(
      "usage",
      `${word}: files in TOML are not in this version; a JSON file with mcpServers is read.`,
    );
  }
  if (!hasEnding && !beginsLikeJson(path)) return undefined;
  return { name: word, text: readFile(path, MAX_DOCUMENT_BYTES) };
}

function beginsLikeJson(path: string): boolean {
  const start = new TextDecoder().decode(readStart(path, SNIFFED_BYTES));
  return start.trimStart().startsWith("{");
}

/** NB: as below. */
function answersOf(pairs: readonly string[]): Record<string, string[]> {
  const answers = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1) throw new AppError("usage", "--answer wants NAME=value.");
    const name = pair.slice(0, at);
    answers.set(name, [...(answers.get(name) ?? []), pair.slice(at + 1)]);
  }
  return Object.fromEntries(answers);
}

/** NB: no sentence here repeats the text: without its `=`, it may be the value. */
export function environmentOf(pairs: readonly string[]): Record<string, string> {
  const entries = pairs.map((pair) => {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    if (at > 0 && /^[A-Za-z_]\w*$/.test(name)) return [name, pair.slice(at + 1)] as const;
    throw new AppError("usage", "--env wants NAME=value; the name has letters, digits and _.");
  });
  return Object.fromEntries(entries);
}

// Answers to what the author of a server asks, in whatever format: an MCP bundle's `user_config`, the registry's
// inputs. Pure. Called by mcpb.ts and server-json.ts.

import { printable, quoted } from "../../model/printable.ts";
import type { Answers, Question } from "../../model/question.ts";
import { usage } from "./draft.ts";

/** A file may ask no more than this. */
const MAX_QUESTIONS = 200;

/**
 * The values of all questions that have one, by id.
 * @throws AppError `usage` for an answer that does not fit, or to a question that nobody asked
 */
export function answer(
  name: string,
  questions: readonly Question[],
  answers: Answers,
): ReadonlyMap<string, readonly string[]> {
  if (questions.length > MAX_QUESTIONS) throw usage(`${name}: asks more than ${MAX_QUESTIONS} questions.`);
  const known = new Map(questions.map((question) => [question.id, question]));
  for (const id of Object.keys(answers)) {
    if (!known.has(id)) throw usage(`${name}: nobody asks for ${quoted(id)}.`);
  }
  const values = new Map<string, readonly string[]>();
  for (const question of questions) {
    const value = answers[question.id] ?? question.fallback;
    if (value !== undefined) values.set(question.id, check(name, question, value));
  }
  return values;
}

/** A note for each question that is open and has to be answered, and for none else. */
export function openNotes(
  name: string,
  questions: readonly Question[],
  values: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  return questions
    .filter(({ id, isRequired }) => isRequired && !values.has(id))
    .map(({ id, title, description }) => {
      const words = [title, description].filter((text) => text !== "").join(": ");
      return `${name}: needs ${printable(id, 80)}${words === "" ? "" : ` (${printable(words, 200)})`}`;
    });
}

/** NB: no sentence repeats an answer: it may be a secret. */
function check(name: string, question: Question, values: readonly string[]): readonly string[] {
  const { id, kind, isMultiple, choices, min, max } = question;
  const wrong = (what: string): Error => usage(`${name}: the answer to ${quoted(id)} ${what}.`);
  if (values.length > 1 && !isMultiple) throw wrong("has to be one value");
  for (const value of values) {
    if (value.includes("\0")) throw wrong("holds a NUL character");
    if (kind === "boolean" && !/^(?:true|false)$/.test(value)) throw wrong("has to be true or false");
    if (kind === "number" && !Number.isFinite(value === "" ? NaN : Number(value)))
      throw wrong("has to be a number");
    if (kind === "path" && !value.startsWith("/")) throw wrong("has to be an absolute path");
    if (choices.length > 0 && !choices.includes(value)) {
      throw wrong(`has to be one of ${choices.slice(0, 20).map(quoted).join(", ")}`);
    }
    if (kind !== "number") continue;
    if (min !== undefined && Number(value) < min) throw wrong(`has to be at least ${min}`);
    if (max !== undefined && Number(value) > max) throw wrong(`has to be at most ${max}`);
  }
  return values;
}

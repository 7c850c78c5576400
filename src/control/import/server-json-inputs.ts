// The inputs of a server.json: values that are fixed, asked for, or put together of `{variables}` that are. Pure. Called
// by server-json.ts.

import * as v from "valibot";
import type { Question } from "../../model/question.ts";

const Text = v.pipe(v.string(), v.maxLength(32_768));

const input = {
  description: v.optional(Text, ""),
  isRequired: v.optional(v.boolean(), false),
  isSecret: v.optional(v.boolean(), false),
  format: v.optional(v.string(), "string"),
  value: v.optional(Text),
  default: v.optional(v.union([Text, v.number(), v.boolean()])),
  choices: v.optional(v.pipe(v.array(Text), v.maxLength(1_000)), []),
};

export const Variables = v.record(v.pipe(v.string(), v.maxLength(100)), v.looseObject(input));

const Argument = v.looseObject({
  ...input,
  type: v.picklist(["positional", "named"]),
  name: v.optional(Text),
  valueHint: v.optional(Text),
  isRepeated: v.optional(v.boolean(), false),
  variables: v.optional(Variables, {}),
});

export const Inputs = v.pipe(v.array(Argument), v.maxLength(500));
export const KeyValueInputs = v.pipe(
  v.array(v.looseObject({ ...input, name: Text, variables: v.optional(Variables, {}) })),
  v.maxLength(500),
);

type Variable = Partial<v.InferOutput<typeof Variables>[string]>;

/** An argument, a variable of the environment, a header, an address. */
export interface NamedInput extends Variable {
  readonly type?: "positional" | "named" | undefined;
  readonly name?: string | undefined;
  readonly valueHint?: string | undefined;
  readonly isRepeated?: boolean | undefined;
  readonly variables?: Readonly<Record<string, Variable>> | undefined;
}

export type Values = ReadonlyMap<string, readonly string[]>;

/** What somebody has to say, each once. */
export function inputQuestions(inputs: readonly NamedInput[]): readonly Question[] {
  const found = new Map<string, Question>();
  for (const each of inputs) {
    for (const asked of questionsOf(each)) if (!found.has(asked.id)) found.set(asked.id, asked);
  }
  return [...found.values()];
}

/** As a program gets it; nothing for an input that nobody answered and that may be left out. */
export function argumentWords(each: NamedInput, values: Values): readonly string[] {
  const name = each.type === "named" ? each.name : undefined;
  const all = each.value === undefined ? (values.get(idOf(each)) ?? []) : [valueOf(each, values) ?? ""];
  if (all.length > 0) return all.flatMap((value) => wordsOf(name, value));
  if (each.isRequired === true) return wordsOf(name, `{${idOf(each)}}`);
  return name !== undefined && isBare(each) ? [name] : [];
}

/** Those that have a value. */
export function keyValues(inputs: readonly NamedInput[], values: Values): Record<string, string> {
  const found = inputs.flatMap((each) => {
    const value = valueOf(each, values);
    return value === undefined || each.name === undefined ? [] : [[each.name, value] as const];
  });
  return Object.fromEntries(found);
}

/** Its fixed value with its variables filled in, or the answer; undefined where there is neither. */
export function valueOf(each: NamedInput, values: Values): string | undefined {
  if (each.value === undefined) return values.get(idOf(each))?.join(",");
  const { variables = {} } = each;
  // A name in braces that is no variable stays as it is, and so does one that nobody answered.
  return each.value.replace(/\{([^{}]+)\}/g, (whole, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (variable === undefined) return whole;
    return variable.value ?? values.get(name)?.join(",") ?? whole;
  });
}

function questionsOf(each: NamedInput): readonly Question[] {
  if (each.value === undefined)
    return isBare(each) ? [] : [question(idOf(each), each, each.isRepeated === true)];
  return Object.entries(each.variables ?? {})
    .filter(([, variable]) => variable.value === undefined)
    .map(([id, variable]) => question(id, variable, false));
}

function question(id: string, each: Variable, isMultiple: boolean): Question {
  return {
    id,
    title: "",
    description: each.description ?? "",
    kind: kindOf(each.format),
    isRequired: each.isRequired === true && each.default === undefined,
    isSecret: each.isSecret === true,
    isMultiple,
    fallback: each.default === undefined ? undefined : [String(each.default)],
    choices: each.choices ?? [],
  };
}

function kindOf(format: string | undefined): Question["kind"] {
  if (format === "filepath") return "path";
  return format === "number" || format === "boolean" ? format : "string";
}

/** A named argument without a word about its value is a switch: `--verbose`. */
function isBare(each: NamedInput): boolean {
  const { type, value, valueHint, description, format, choices = [] } = each;
  const asks = each.isRequired === true || each.isSecret === true || each.default !== undefined;
  const says = [valueHint, description].some((text) => text !== undefined && text !== "");
  return (
    type === "named" && value === undefined && format === "string" && choices.length === 0 && !asks && !says
  );
}

/** `--flag=value`, as the schema has it; a short option takes the next word. */
function wordsOf(name: string | undefined, value: string): readonly string[] {
  if (name === undefined) return [value];
  return name.startsWith("--") ? [`${name}=${value}`] : [name, value];
}

function idOf(each: NamedInput): string {
  return each.name ?? each.valueHint ?? "value";
}

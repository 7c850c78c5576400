// Finds what other programs would replace in a specification (`${HOME}`, `$TOKEN`, `${input:key}`) and says that it
// stays as it is: nothing of an import is ever expanded from the appliance's own environment. Pure. Called for every
// planned server.

import { printable, quoted } from "../../model/printable.ts";
import type { ServerSpec } from "../../model/server-spec.ts";

/** Notes about one server; a file with more placeholders than this gets a last note that says so. */
const MAX_NOTES = 20;

/** What VS Code's `inputs` say about an id: the question that it would ask. */
export type InputQuestions = ReadonlyMap<string, string>;

/** One note for each placeholder, with all the places where it stands. */
export function placeholderNotes(
  name: string,
  spec: ServerSpec,
  questions: InputQuestions,
): readonly string[] {
  const places = new Map<string, string[]>();
  for (const { where, text, isSecret } of texts(spec)) {
    for (const found of findPlaceholders(text, isSecret)) {
      const known = places.get(found) ?? [];
      if (!known.includes(where)) known.push(where);
      places.set(found, known);
    }
  }
  const notes = Array.from(places, ([found, where]) => note(name, found, where, questions));
  if (notes.length <= MAX_NOTES) return notes;
  return [
    ...notes.slice(0, MAX_NOTES),
    `${name}: ${notes.length - MAX_NOTES} more placeholders are left as they are.`,
  ];
}

/** True where somebody else's program would replace a part of `text`. */
export function hasPlaceholder(text: string): boolean {
  return findPlaceholders(text, false).length > 0;
}

function note(name: string, found: string, where: readonly string[], questions: InputQuestions): string {
  const id = /^\$\{input:(.*)\}$/.exec(found)?.[1];
  const question = id === undefined ? undefined : questions.get(id);
  const asked = question === undefined ? "" : ` (${quoted(question)})`;
  return `${name}: ${printable(found, 80)}${asked} is left as it is in ${where.slice(0, 5).join(", ")}: nothing is expanded.`;
}

interface Place {
  readonly where: string;
  readonly text: string;
  /** The rest of the text may be a secret. */
  readonly isSecret: boolean;
}

function texts(spec: ServerSpec): readonly Place[] {
  if (spec.kind === "http") return [...open("url", [spec.url]), ...hidden("header", spec.headers)];
  return [
    ...open("command", [spec.command]),
    ...open("args", spec.args),
    ...open("cwd", spec.cwd === undefined ? [] : [spec.cwd]),
    ...open("read", spec.cage.read),
    ...open("write", spec.cage.write),
    ...open("network", spec.cage.network),
    ...hidden("env", spec.env),
  ];
}

function open(where: string, values: readonly string[]): readonly Place[] {
  return values.map((text) => ({ where, text, isSecret: false }));
}

function hidden(what: string, values: Readonly<Record<string, string>>): readonly Place[] {
  return Object.entries(values).map(([key, text]) => ({
    where: printable(`${what} ${key}`, 80),
    text,
    isSecret: true,
  }));
}

/**
 * `${…}` (a default behind `:-` is cut: it may be a secret) and `$NAME`. In a text that may be a secret, `$NAME`
 * counts only as a word of its own in capitals: a password may hold any other.
 */
function findPlaceholders(text: string, isSecret: boolean): readonly string[] {
  const braces = Array.from(
    text.matchAll(/\$\{([^{}]*)\}/g),
    ([, inner = ""]) => `\${${inner.replace(/:-.*$/s, ":-…")}}`,
  );
  const bare = isSecret ? /(?<=^|\s)\$[A-Z_][A-Z0-9_]*(?=$|\s)/g : /\$[A-Za-z_]\w*/g;
  return [...braces, ...Array.from(text.matchAll(bare), ([found]) => found)];
}

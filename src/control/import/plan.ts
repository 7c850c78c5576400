// What `add` would do, without doing it: the entrance to the import planner. Pure. Called by the admin's plan().

import type { PlanRequest, PlanView } from "../../model/api.ts";
import { planFromDocument } from "./document.ts";
import { type PlanContext, usage } from "./draft.ts";
import { planFromWords } from "./words.ts";

/** A person reads no more, and a hostile file can cause any number. */
const MAX_NOTES = 200;

const EMPTY_HOST: PlanContext = { hasProgram: () => false, grantFault: () => undefined };

/** @throws AppError `usage` for what cannot be understood, `too-large` for a document over 1 MiB */
export function plan(request: PlanRequest, context: PlanContext = EMPTY_HOST): PlanView {
  const { words, document, ...options } = request;
  if ((words === undefined) === (document === undefined))
    throw usage("Give either words or a document to add.");
  const view =
    document === undefined
      ? planFromWords(words ?? [], options, context)
      : planFromDocument(document.name, document.text, options, context);
  return { ...view, notes: bounded(view.notes) };
}

function bounded(notes: readonly string[]): readonly string[] {
  if (notes.length <= MAX_NOTES) return notes;
  return [...notes.slice(0, MAX_NOTES), `And ${notes.length - MAX_NOTES} more notes.`];
}

// Rows as they come from the database, parsed before anything else sees them: the file may have been edited, or
// damaged where no check of SQLite looks.

import * as v from "valibot";
import { AppError } from "../errors.ts";

/** A column that holds JSON text, by the schema of what it says. */
export function json<T extends v.GenericSchema>(schema: T) {
  return v.pipe(v.string(), v.parseJson(), schema);
}

export const Milliseconds = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/**
 * `what` names the row for a person, such as `the server "files"`.
 * @throws AppError `bad-configuration` that says which row and column, and never what it holds
 */
export function parseRow<T extends v.GenericSchema>(
  schema: T,
  row: unknown,
  what: string,
  path: string,
): v.InferOutput<T> {
  const parsed = v.safeParse(schema, row);
  if (parsed.success) return parsed.output;
  const place = parsed.issues.map((issue) => v.getDotPath(issue)).find((dots) => dots !== null) ?? "row";
  throw new AppError(
    "bad-configuration",
    `In ${path}, ${what} cannot be understood (at ${place}): put a backup in its place.`,
    { details: { path, what, place } },
  );
}

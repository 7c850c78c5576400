// Reads the body of one API request: bounded, JSON, and what its schema says. Every route with a body comes here;
// Elysia's own validation is not used, because its errors carry the submitted value.

import * as v from "valibot";
import { AppError } from "../../errors.ts";
import { atFault, findJsonFault } from "./json-fault.ts";

/** A description of a server, or a file with many of them. */
export const MAX_CONFIGURATION_BYTES = 4 * 1024 * 1024;
/** The arguments of one call, quoted as JSON text within JSON. */
export const MAX_CALL_BYTES = 64 * 1024 * 1024;

/** A sender that stalls for this long is given up. */
const BODY_DEADLINE_MS = 60_000;
/** Of a body with many mistakes the first few are named. */
const MAX_ISSUES = 5;

type AnySchema = v.GenericSchema;

/** @throws AppError `invalid-request`, `too-large`, `parse-error`, `invalid-params`; none repeats what was sent. */
export async function readBody<S extends AnySchema>(
  request: Request,
  schema: S,
  maxBytes: number,
): Promise<v.InferOutput<S>> {
  const type = request.headers.get("content-type") ?? "";
  // NB: also what keeps web pages out: a form cannot send this type, and a script would have to ask first (CORS).
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new AppError(
      "invalid-request",
      'The body must be JSON: send it with "content-type: application/json".',
    );
  }
  const text = await readText(request, maxBytes);
  const value = parseJson(text);
  const parsed = v.safeParse(schema, value, { message: wanted });
  if (parsed.success) return parsed.output;
  const issues = parsed.issues.slice(0, MAX_ISSUES).map(describe);
  throw new AppError("invalid-params", `The body is not right: ${issues.join("; ")}.`, {
    details: { issues },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // NB: the parser's own message quotes the text.
    const fault = findJsonFault(text);
    throw new AppError("parse-error", `The body stops being JSON${atFault(fault)}.`, {
      details: fault === undefined ? {} : { ...fault },
    });
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const bytes = await readBytes(request, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError("parse-error", "The body is not UTF-8.", { cause: error });
  }
}

/** The body as it is. @throws AppError `invalid-request`, `too-large` */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    void reader.cancel().catch(() => {});
  }, BODY_DEADLINE_MS);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.byteLength;
      if (length > maxBytes) throw tooLarge(maxBytes);
      chunks.push(value);
    }
  } finally {
    clearTimeout(deadline);
    void reader.cancel().catch(() => {});
  }
  if (late) throw new AppError("invalid-request", "The body did not arrive in time: send it again.");
  return Buffer.concat(chunks, length);
}

function tooLarge(maxBytes: number): AppError {
  return new AppError("too-large", `The body is larger than ${maxBytes} bytes.`, { details: { maxBytes } });
}

/** In place of valibot's own messages, which quote what was received. Messages written in a schema win over it. */
function wanted({ type, expected, requirement }: v.BaseIssue<unknown>): string {
  if (type === "integer") return "must be a whole number";
  if (type === "min_value" || type === "min_length") return `must be at least ${String(requirement)}`;
  if (type === "max_value" || type === "max_length") return `must be at most ${String(requirement)}`;
  if (type === "starts_with") return `must start with ${expected}`;
  return `must be ${expected ?? "something else"}`;
}

/** Names the place and what would be right there. Of a key that the schema does not know not even the name is said. */
function describe(issue: v.BaseIssue<unknown>): string {
  const path = issue.path ?? [];
  if (path.at(-1)?.origin !== "key") return `${placeOf(path)}: ${issue.message}`;
  const parent = placeOf(path.slice(0, -1));
  if (issue.kind !== "schema") return `${parent}: the name of an entry is wrong: ${issue.message}`;
  if (issue.expected === "never") return `${parent}: has a key that is not known here`;
  return `${placeOf(path)}: is missing`;
}

function placeOf(path: readonly v.IssuePathItem[]): string {
  const keys = path.map(({ key }) =>
    typeof key === "number" || /^\w{1,64}$/.test(String(key)) ? String(key) : "?",
  );
  return keys.length === 0 ? "the body" : keys.join(".");
}

// `call`: one call of a tool. Prints the text of its result, or with --json the result as the server sent it.

import * as v from "valibot";
import { AppError } from "../errors.ts";
import { atFault, findJsonFault } from "../http/api/json-fault.ts";
import { printable } from "../model/printable.ts";
import type { Context } from "./context.ts";
import { readStdin } from "./input.ts";
import type { CallerOptions } from "./tools.ts";

const MAX_ARGUMENT_BYTES = 48 * 1024 * 1024;

const Text = v.optional(v.string(), "");
/** What is looked at of a result; all else in it is left alone. */
const Result = v.object({
  isError: v.optional(v.boolean(), false),
  content: v.optional(v.array(v.looseObject({ type: v.string() }))),
});
const Binary = v.object({ mimeType: Text, data: Text });
const Link = v.object({ uri: Text, name: Text });
const Embedded = v.object({
  resource: v.object({ uri: Text, text: v.optional(v.string()), mimeType: Text, blob: Text }),
});

export async function call(
  context: Context,
  [tool = "", given = "{}"]: readonly string[],
  { as }: CallerOptions,
): Promise<number> {
  const { api, terminal, signal } = context;
  const text = given === "-" ? await readStdin(MAX_ARGUMENT_BYTES, signal) : given;
  checkArguments(text);
  const raw = await api.bytes("POST", "/call", {
    tool,
    arguments: text,
    ...(as === undefined ? {} : { as }),
  });
  const parsed = v.safeParse(Result, parse(raw));
  const failed = parsed.success && parsed.output.isError;
  if (context.json || !parsed.success || parsed.output.content === undefined) {
    await terminal.out(raw);
    if (terminal.isOutputTerminal) await terminal.out("\n");
    return failed ? 1 : 0;
  }
  for (const part of parsed.output.content) await printPart(context, part);
  return failed ? 1 : 0;
}

/** Text goes to stdout; what is no text is described on stderr, so that stdout stays the text alone. */
async function printPart({ terminal }: Context, part: { type: string }): Promise<void> {
  const text = textOf(part);
  if (text === undefined) return terminal.talk(`[${printable(describe(part))}]`);
  await terminal.outForeign(text.endsWith("\n") ? text : `${text}\n`);
}

function textOf(part: { type: string }): string | undefined {
  if (part.type === "text" && "text" in part && typeof part.text === "string") return part.text;
  const embedded = v.safeParse(Embedded, part);
  return embedded.success ? embedded.output.resource.text : undefined;
}

function describe(part: { type: string }): string {
  const embedded = v.safeParse(Embedded, part);
  if (embedded.success) {
    const { uri, mimeType, blob } = embedded.output.resource;
    return `${part.type} ${uri} ${mimeType}, ${bytesIn(blob)} bytes: --json has it`;
  }
  const link = v.safeParse(Link, part);
  if (part.type === "resource_link" && link.success)
    return `resource ${link.output.name}: ${link.output.uri}`;
  const binary = v.safeParse(Binary, part);
  if (binary.success && binary.output.data !== "") {
    return `${part.type} ${binary.output.mimeType}, ${bytesIn(binary.output.data)} bytes: --json has it`;
  }
  return `${part.type}: --json has it`;
}

/** Of Base64. */
function bytesIn(encoded: string): number {
  return Math.floor((encoded.replace(/=+$/, "").length * 3) / 4);
}

function checkArguments(text: string): void {
  const value = parse(text);
  if (value === undefined) {
    throw new AppError("usage", `The arguments stop being JSON${atFault(findJsonFault(text))}.`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  throw new AppError("usage", `The arguments must be a JSON object, such as '{"path": "/srv"}'.`);
}

/** Undefined where it is not JSON. */
function parse(text: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof text === "string" ? text : new TextDecoder().decode(text));
  } catch {
    return undefined;
  }
}

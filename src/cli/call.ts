// `call`: one call of a tool. Prints the text of its result, or with --json the result as the server sent it.

import * as v from "valibot";
import { AppError } from "../errors.ts";
import { atFault, findJsonFault } from "../http/api/json-fault.ts";
import { printable } from "../model/printable.ts";
import type { Context } from "./context.ts";
import { readStdin } from "./input.ts";
import type { Terminal } from "./terminal.ts";
import type { CallerOptions } from "./tools.ts";

const MAX_ARGUMENT_BYTES = 48 * 1024 * 1024;

const Text = v.optional(v.string(), "");
/** What is looked at of a result; all else in it is left alone, and nothing in it is taken on trust. */
const Result = v.object({
  isError: v.optional(v.unknown()),
  content: v.fallback(v.optional(v.array(v.unknown())), undefined),
});
const Part = v.looseObject({ type: v.string() });
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
  const { isError, content } = parsed.success ? parsed.output : {};
  if (context.json || content === undefined) await printWhole(terminal, raw);
  else for (const part of content) await printPart(terminal, part);
  return isError === true ? 1 : 0;
}

/** Byte for byte, but for a terminal, which must not be steered. */
async function printWhole(terminal: Terminal, raw: Uint8Array): Promise<void> {
  if (!terminal.isOutputTerminal) return terminal.out(raw);
  await terminal.outForeign(`${new TextDecoder().decode(raw)}\n`);
}

/** Text goes to stdout; what is no text is described on stderr, so that stdout stays the text alone. */
async function printPart(terminal: Terminal, given: unknown): Promise<void> {
  const part = v.safeParse(Part, given);
  if (!part.success) return terminal.talk("[something that is no content: --json has it]");
  const text = textOf(part.output);
  if (text === undefined) return terminal.talk(`[${printable(describe(part.output))}]`);
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

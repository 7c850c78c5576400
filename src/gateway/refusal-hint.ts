// What the cage kept a tool from, said where it hurts: at the end of the tool's error, with the one command that allows
// it. Everything else in the server's answer stays as it came.

import type { RefusedAttempt } from "../model/cage-report.ts";
import { printable } from "../model/printable.ts";
import { asciiJson, compose, encodeJson } from "../wire/compose.ts";
import { OPEN_BRACKET, QUOTE } from "../wire/json-bytes.ts";
import { findMember, skipSpace } from "../wire/json-scan.ts";

/** Of one call; the others are counted. */
const MAX_SHOWN = 3;
/** Names are the server's own words. */
const MAX_CHARACTERS = 200;

/** Undefined where nothing was refused. */
export function refusalHint(server: string, refused: readonly RefusedAttempt[]): string | undefined {
  if (refused.length === 0) return undefined;
  const shown = refused.slice(-MAX_SHOWN).map((attempt) => sentenceOn(server, attempt));
  const more = refused.length - shown.length;
  if (more > 0) shown.push(`It refused ${more} more: toolcrib cage ${server} lists them.`);
  return shown.join("\n");
}

function sentenceOn(server: string, { what, reason, grant }: RefusedAttempt): string {
  const refused = `The cage refused ${printable(what, MAX_CHARACTERS)} (${printable(reason, MAX_CHARACTERS)})`;
  if (grant === undefined) return `${refused}.`;
  return `${refused}; an administrator allows it with: toolcrib allow ${server} ${shellWord(grant)}`;
}

function shellWord(text: string): string {
  const safe = printable(text);
  return /^[\w./:@%+=,-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", String.raw`'\''`)}'`;
}

/** A CallToolResult with one text block more at the end of its content; as it came where it has none. */
export function withTextBlock(result: Uint8Array, text: string): Uint8Array {
  const content = findMember(result, 0, "content");
  if (content === undefined || result[content.start] !== OPEN_BRACKET) return result;
  const end = content.end - 1;
  const isEmpty = skipSpace(result, content.start + 1) === end;
  const block = encodeJson({ type: "text", text });
  return compose(result.subarray(0, end), isEmpty ? "" : ",", block, result.subarray(end));
}

/** A JSON-RPC error object with more at the end of its message; as it came where it has none. */
export function withSentence(error: Uint8Array, text: string): Uint8Array {
  const message = findMember(error, 0, "message");
  if (message === undefined || error[message.start] !== QUOTE) return error;
  const end = message.end - 1;
  return compose(error.subarray(0, end), asciiJson(` ${text}`).slice(1, -1), error.subarray(end));
}

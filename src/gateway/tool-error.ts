// Does a CallToolResult say that the tool failed? Asked of every result, so mostly by one native search.

import { COLON } from "../wire/json-bytes.ts";
import { findMember, skipSpace } from "../wire/json-scan.ts";

const MEMBER = Buffer.from('"isError"');
const TRUE = 0x74;

export function isToolError(result: Uint8Array): boolean {
  let at = indexOf(result, 0);
  while (at >= 0) {
    const colon = skipSpace(result, at + MEMBER.length);
    if (result[colon] === COLON && result[skipSpace(result, colon + 1)] === TRUE) {
      // It may stand deeper, in what the tool returns: looked at member by member, once.
      const own = findMember(result, 0, "isError");
      return own !== undefined && result[own.start] === TRUE;
    }
    at = indexOf(result, at + MEMBER.length);
  }
  return false;
}

function indexOf(bytes: Uint8Array, from: number): number {
  return Buffer.prototype.indexOf.call(bytes, MEMBER, from);
}

// One request of an agent, as the gateway handles it: the bytes that will be forwarded, and where the few values
// stand that decide about it. Made at the edge from a body that is known to be JSON.

import { decodeString, findMember, ObjectScan, type Found } from "../wire/json-scan.ts";

export interface AgentRequest {
  /** Raw JSON of the agent's own id. */
  readonly id: Uint8Array;
  readonly method: string;
  /** Raw JSON object on one line, or undefined. All positions below are in it. */
  readonly params: Uint8Array | undefined;
  readonly name: Found | undefined;
  readonly uri: Found | undefined;
  readonly meta: Found | undefined;
  readonly progressToken: Found | undefined;
}

/**
 * Looks into `params`. A string tells what is wrong with them: a member that decides about the request and stands
 * twice is refused, because the server might read the other one.
 */
export function agentRequest(
  id: Uint8Array,
  method: string,
  params: Uint8Array | undefined,
): AgentRequest | string {
  if (params === undefined) {
    return { id, method, params, name: undefined, uri: undefined, meta: undefined, progressToken: undefined };
  }
  let name: Found | undefined;
  let uri: Found | undefined;
  let meta: Found | undefined;
  const scan = new ObjectScan(params, 0);
  while (scan.next()) {
    const value = { start: scan.valueStart, end: scan.valueEnd };
    if (scan.keyIs("name")) {
      if (name !== undefined) return 'the member "name" of params stands twice';
      name = value;
    } else if (scan.keyIs("uri")) {
      if (uri !== undefined) return 'the member "uri" of params stands twice';
      uri = value;
    } else if (scan.keyIs("_meta")) {
      if (meta !== undefined) return 'the member "_meta" of params stands twice';
      meta = value;
    }
  }
  if (scan.failed) return '"params" is not an object';
  return { id, method, params, name, uri, meta, progressToken: readProgressToken(params, meta) };
}

/** A token is a string or a number (MCP, Utilities, Progress); anything else is passed on and means nothing. */
function readProgressToken(params: Uint8Array, meta: Found | undefined): Found | undefined {
  if (meta === undefined || params[meta.start] !== 0x7b) return undefined;
  const token = findMember(params.subarray(meta.start, meta.end), 0, "progressToken");
  if (token === undefined) return undefined;
  const at = { start: meta.start + token.start, end: meta.start + token.end };
  const first = params[at.start] ?? 0;
  const isNumber = first === 0x2d || (first >= 0x30 && first <= 0x39);
  return first === 0x22 || isNumber ? at : undefined;
}

/** The decoded string at a position in the request's params. */
export function stringParam(request: AgentRequest, at: Found | undefined): string | undefined {
  if (at === undefined || request.params === undefined) return undefined;
  return decodeString(request.params, at.start, at.end);
}

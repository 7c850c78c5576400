// What both eras have in common: the methods that list, call, get and read, each a row of one table. The eras differ
// in what they put around (legacy.ts, modern.ts), not in here.

import { nearest } from "../nearest.ts";
import { RPC } from "../model/protocol.ts";
import type { Asker } from "../upstream/asker.ts";
import type { PendingCall } from "../upstream/upstream.ts";
import { asciiJson, splice } from "../wire/compose.ts";
import { findMember, type Found } from "../wire/json-scan.ts";
import { stringParam, type AgentRequest } from "./agent-request.ts";
import type { Forwarder } from "./forward.ts";
import { SEPARATOR, serverOfMergedName } from "./merged-names.ts";
import type { Reply } from "./reply.ts";
import type { ListKind, NameKind, View } from "./view.ts";

export interface OperationContext {
  readonly view: View;
  /** Decides which process of a server serves it. */
  readonly asker: Asker;
  readonly request: AgentRequest;
  readonly reply: Reply;
  readonly forwarder: Forwarder;
  /** The revision's code for a resource that is not there. */
  readonly resourceNotFoundCode: number;
  readonly onSettled?: () => void;
}

const MAX_COMPARED_NAMES = 200;

/** Answers, or forwards: then it returns what can be cancelled. */
export type Operation = (context: OperationContext) => PendingCall | undefined;

export const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ["tools/list", list("tools")],
  ["prompts/list", list("prompts")],
  ["resources/list", list("resources")],
  ["resources/templates/list", list("resourceTemplates")],
  ["tools/call", byName("tools", "tool")],
  ["prompts/get", byName("prompts", "prompt")],
  ["resources/read", readResource],
]);

function list(kind: ListKind): Operation {
  return ({ view, request, reply }) => {
    // Every list is one page: a cursor cannot have come from here.
    const cursor = request.params === undefined ? undefined : findMember(request.params, 0, "cursor");
    if (cursor !== undefined && stringParam(request, cursor) !== undefined) {
      reply.refuse({ code: RPC.invalidParams, message: "The cursor is not one that this server gave." });
      return undefined;
    }
    reply.result(`{"${kind}":`, view.list(kind), "}");
    return undefined;
  };
}

function byName(kind: NameKind, noun: string): Operation {
  return ({ view, asker, request, reply, forwarder, onSettled }) => {
    const { params, name } = request;
    const wanted = stringParam(request, name);
    if (params === undefined || name === undefined || wanted === undefined) {
      reply.refuse({ code: RPC.invalidParams, message: `params.name is missing: it names the ${noun}.` });
      return undefined;
    }
    const target = view.resolve(kind, wanted);
    if (target === undefined) {
      reply.refuse({ code: RPC.invalidParams, message: unknownName(noun, wanted, view.names(kind)) });
      return undefined;
    }
    const sent = target.name === wanted ? request : renamed(request, params, name, target.name);
    return forwarder.forward({
      server: target.server,
      asker,
      method: request.method,
      params: sent.params,
      progressToken: sent.progressToken,
      reply,
      view,
      name: wanted,
      onSettled,
    });
  };
}

/** The params with the name that the server itself uses, and where the progress token stands then. */
function renamed(
  { progressToken: token }: AgentRequest,
  params: Uint8Array,
  at: Found,
  name: string,
): Pick<AgentRequest, "params" | "progressToken"> {
  const ownName = asciiJson(name);
  const shift = ownName.length - (at.end - at.start);
  const isBehind = token !== undefined && token.start > at.start;
  return {
    params: splice(params, at, ownName),
    progressToken: isBehind ? { start: token.start + shift, end: token.end + shift } : token,
  };
}

/** To this server as it is: what Toolcrib has no part in. */
export function passOn(server: string): Operation {
  return ({ asker, request, reply, forwarder, onSettled }) => {
    const { method, params, progressToken } = request;
    return forwarder.forward({ server, asker, method, params, progressToken, reply, onSettled });
  };
}

function readResource(context: OperationContext): PendingCall | undefined {
  const { view, request, reply, resourceNotFoundCode } = context;
  const uri = stringParam(request, request.uri);
  if (uri === undefined) {
    reply.refuse({ code: RPC.invalidParams, message: "params.uri is missing: it names the resource." });
    return undefined;
  }
  const server = view.resolveResource(uri);
  if (server === undefined) {
    reply.refuse({ code: resourceNotFoundCode, message: "No server here has this resource.", data: { uri } });
    return undefined;
  }
  return passOn(server)(context);
}

function unknownName(noun: string, wanted: string, known: readonly string[]): string {
  const shown = wanted.length > 100 ? `${wanted.slice(0, 100)}…` : wanted;
  // Comparing takes its time: the names of the same server come first, those of others where there are none.
  const server = serverOfMergedName(wanted)?.server;
  const own = known.filter((name) => name.startsWith(`${server}${SEPARATOR}`));
  const near = nearest(wanted, (own.length > 0 ? own : known).slice(0, MAX_COMPARED_NAMES));
  const hint = near === undefined ? `${noun}s/list has the names.` : `Did you mean ${near}?`;
  return `Unknown ${noun}: ${shown}. ${hint}`;
}

// The agent side for revisions up to 2025-11-25: initialize, sessions, and the methods that are not shared with the
// modern era. What travels, and how, is the caller's business (http/mcp).

import { isLegacyRevision, LATEST_LEGACY_REVISION, RPC } from "../model/protocol.ts";
import { encodeText, type Piece } from "../wire/compose.ts";
import { findMember, textOf } from "../wire/json-scan.ts";
import { stringParam, type AgentRequest } from "./agent-request.ts";
import type { Caller } from "./caller.ts";
import type { Scope } from "./catalog.ts";
import type { Gateway } from "./gateway.ts";
import { OPERATIONS, passOn, type Operation } from "./operations.ts";
import type { Refusal, Reply } from "./reply.ts";
import type { Session } from "./sessions.ts";
import { describeView, type View } from "./view.ts";

const SERVER_GONE: Refusal = {
  code: RPC.invalidRequest,
  message: "This server is no longer here.",
  httpStatus: 404,
};

/** Methods of a session that cannot be passed on: their effect would reach other callers of the same process. */
const NOT_CARRIED = new Set([
  "initialize",
  "server/discover",
  "subscriptions/listen",
  "logging/setLevel",
  "resources/subscribe",
  "resources/unsubscribe",
]);

/** Opens a session: with it comes the raw JSON of the result, in pieces. */
export function initialize(
  gateway: Gateway,
  caller: Caller,
  scope: Scope,
  request: AgentRequest,
): { readonly session: Session; readonly result: readonly Piece[] } | Refusal {
  const view = gateway.catalog.view(scope);
  if (view === undefined) return SERVER_GONE;
  const { params } = request;
  const wanted =
    params === undefined ? undefined : stringParam(request, findMember(params, 0, "protocolVersion"));
  if (wanted === undefined) return { code: RPC.invalidParams, message: "params.protocolVersion is missing." };
  // Lifecycle, Version Negotiation: the same revision if it is spoken here, else the newest that is.
  const revision = isLegacyRevision(wanted) ? wanted : LATEST_LEGACY_REVISION;
  const head = `{"protocolVersion":"${revision}","serverInfo":`;
  return {
    session: gateway.sessions.open(caller.id, scope, revision),
    result: [head, encodeText(view.serverInfo), ",", ...describeView(view), "}"],
  };
}

export function sessionRequest(
  gateway: Gateway,
  session: Session,
  request: AgentRequest,
  reply: Reply,
): void {
  if (request.method === "ping") return reply.result("{}");
  const view = gateway.catalog.view(session.scope);
  if (view === undefined) return reply.refuse(SERVER_GONE);
  const requestId = textOf(request.id, 0, request.id.length);
  const onSettled = (): void => session.settled(requestId);
  const operation = OPERATIONS.get(request.method) ?? carried(view, request.method);
  if (operation === undefined) {
    return reply.refuse({
      code: RPC.methodNotFound,
      message: `The method ${request.method.slice(0, 100)} is not offered here.`,
    });
  }
  let over = false;
  const call = operation({
    view,
    asker: session,
    request,
    reply,
    forwarder: gateway.forwarder,
    resourceNotFoundCode: RPC.resourceNotFound,
    onSettled: () => {
      over = true;
      onSettled();
    },
  });
  if (call !== undefined && !over) session.track(requestId, call);
}

/** On a server's own endpoint, methods that Toolcrib does not know go through as they are. */
function carried(view: View, method: string): Operation | undefined {
  // Tasks are of the caller that began them, and a shared process does not know its callers.
  const isRefused = NOT_CARRIED.has(method) || method.startsWith("tasks/");
  return view.only === undefined || isRefused ? undefined : passOn(view.only);
}

/** Notifications of the agent. Those without meaning here are taken and dropped, as JSON-RPC has it. */
export function sessionNotification(session: Session, method: string, params: Uint8Array | undefined): void {
  if (method !== "notifications/cancelled" || params === undefined) return;
  const id = findMember(params, 0, "requestId");
  if (id !== undefined) session.cancel(textOf(params, id.start, id.end), "cancelled by the client");
}

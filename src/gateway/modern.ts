// The agent side for revision 2026-07-28: no session; every request says in `_meta` what it speaks, and the headers
// repeat it (Streamable HTTP, Standard Headers). Checks come before dispatch, with the status and code of the text.

import { OPEN_BRACE } from "../wire/json-bytes.ts";
import { isModernRevision, META, MODERN_REVISIONS, RPC } from "../model/protocol.ts";
import type { PendingCall } from "../upstream/upstream.ts";
import { compose, type Piece } from "../wire/compose.ts";
import { ObjectScan, type Found } from "../wire/json-scan.ts";
import { agentRequest, stringParam, type AgentRequest } from "./agent-request.ts";
import type { Caller } from "./caller.ts";
import type { Scope } from "./catalog.ts";
import type { Gateway } from "./gateway.ts";
import { ModernReply } from "./modern-reply.ts";
import { OPERATIONS, passOn, type Operation } from "./operations.ts";
import type { Refusal, Reply } from "./reply.ts";
import { describeView, type View } from "./view.ts";

/** The request headers that mirror the body; null where a header is absent. */
export interface ModernHeaders {
  readonly version: string | null;
  readonly method: string | null;
  readonly name: string | null;
}

/** How long a client may keep a list, in milliseconds. Nothing tells it of changes until it subscribes. */
const LIST_TTL_MS = 10_000;

const ENVELOPE_KEYS: ReadonlySet<string> = new Set([
  META.protocolVersion,
  META.clientCapabilities,
  META.clientInfo,
  META.logLevel,
]);

/** What `params._meta` says about the revision that a request speaks. */
export interface ModernClaim {
  /** Undefined when it is not a string. */
  readonly version: string | undefined;
  readonly hasCapabilities: boolean;
}

/** Undefined when the request makes no claim to be modern. */
export function modernClaim(request: AgentRequest): ModernClaim | undefined {
  const { meta, params } = request;
  if (meta === undefined || params === undefined) return undefined;
  const scan = new ObjectScan(params, meta.start);
  let version: Found | undefined;
  let hasCapabilities = false;
  while (scan.next()) {
    if (scan.keyIs(META.protocolVersion)) version = { start: scan.valueStart, end: scan.valueEnd };
    if (scan.keyIs(META.clientCapabilities)) hasCapabilities = params[scan.valueStart] === OPEN_BRACE;
  }
  if (version === undefined) return undefined;
  return { version: stringParam(request, version), hasCapabilities };
}

/** Why a request cannot be served as modern; undefined when it can. */
export function checkModern(
  request: AgentRequest,
  claim: ModernClaim | undefined,
  headers: ModernHeaders,
): Refusal | undefined {
  if (claim === undefined) {
    return invalidEnvelope(`params._meta["${META.protocolVersion}"] is missing`);
  }
  const { version, hasCapabilities } = claim;
  if (version === undefined) {
    return invalidEnvelope(`params._meta["${META.protocolVersion}"] is not a string`);
  }
  if (!hasCapabilities) {
    return invalidEnvelope(`params._meta["${META.clientCapabilities}"] is missing or not an object`);
  }
  if (headers.version !== null && headers.version !== version) {
    return mismatch("MCP-Protocol-Version", headers.version, `_meta names protocol version ${version}`);
  }
  if (headers.method !== null && headers.method !== request.method) {
    return mismatch("Mcp-Method", headers.method, `the body names method ${request.method}`);
  }
  if (!isModernRevision(version)) {
    return {
      code: RPC.unsupportedVersion,
      message: `Protocol version ${version.slice(0, 40)} is not spoken this way here.`,
      data: { supported: MODERN_REVISIONS, requested: version },
      httpStatus: 400,
    };
  }
  if (headers.version === null) return absent("MCP-Protocol-Version");
  if (headers.method === null) return absent("Mcp-Method");
  return checkName(request, headers.name);
}

/** Mcp-Name mirrors params.name or params.uri of the methods that have one. */
function checkName(request: AgentRequest, header: string | null): Refusal | undefined {
  const { method } = request;
  const mirrored =
    method === "tools/call" || method === "prompts/get"
      ? stringParam(request, request.name)
      : method === "resources/read"
        ? stringParam(request, request.uri)
        : undefined;
  if (mirrored === undefined) return undefined;
  if (header === null) return absent("Mcp-Name");
  const named = decodeHeaderValue(header);
  if (named === undefined) return mismatch("Mcp-Name", header, "its base64 form cannot be decoded");
  return named === mirrored ? undefined : mismatch("Mcp-Name", named, "the body names another one");
}

/** `=?base64?…?=` carries what a header cannot (Streamable HTTP, Value Encoding). */
function decodeHeaderValue(value: string): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value)?.[1];
  if (encoded === undefined) return value.startsWith("=?base64?") ? undefined : value;
  if (encoded.length % 4 !== 0) return undefined;
  return Buffer.from(encoded, "base64").toString("utf8");
}

/** Serves a request that `checkModern` let through. What it returns is cancelled when the client goes away. */
export function modernRequest(
  gateway: Gateway,
  caller: Caller,
  scope: Scope,
  request: AgentRequest,
  outer: Reply,
): PendingCall | undefined {
  const view = gateway.catalog.view(scope);
  if (view === undefined) {
    outer.refuse({ code: RPC.invalidRequest, message: "This server is not here.", httpStatus: 404 });
    return undefined;
  }
  const { method } = request;
  const isList = method === "server/discover" || method.endsWith("/list");
  const isRead = method === "resources/read";
  const ttlMs = isList ? LIST_TTL_MS : isRead ? 0 : undefined;
  const reply = new ModernReply(outer, view.serverInfo, ttlMs, isRead);
  if (method === "server/discover") {
    const versions = `{"supportedVersions":${JSON.stringify(MODERN_REVISIONS)},`;
    reply.result(versions, ...describeView(view, view.modernCapabilities), "}");
    return undefined;
  }
  const operation = OPERATIONS.get(method) ?? carried(view, method);
  if (operation === undefined) {
    outer.refuse({
      code: RPC.methodNotFound,
      message: `The method ${method.slice(0, 100)} is not offered here.`,
      httpStatus: 404,
    });
    return undefined;
  }
  return operation({
    view,
    asker: { callerId: caller.id, sessionId: undefined },
    request: withoutEnvelope(request),
    reply,
    forwarder: gateway.forwarder,
    resourceNotFoundCode: RPC.invalidParams,
  });
}

/** On a server's own endpoint, what its capabilities promise beside the lists. */
function carried(view: View, method: string): Operation | undefined {
  return view.only === undefined || method !== "completion/complete" ? undefined : passOn(view.only);
}

/** The request without the keys of `_meta` that speak about this hop: they are not the server's business. */
function withoutEnvelope(request: AgentRequest): AgentRequest {
  const { params, meta } = request;
  if (params === undefined || meta === undefined) return request;
  const scan = new ObjectScan(params, meta.start);
  const kept: Piece[] = [];
  while (scan.next()) {
    if (ENVELOPE_KEYS.has(scan.key())) continue;
    kept.push(kept.length === 0 ? "" : ",", params.subarray(scan.keyStart, scan.valueEnd));
  }
  const cleaned = compose(params.subarray(0, meta.start), "{", ...kept, "}", params.subarray(meta.end));
  const rebuilt = agentRequest(request.id, request.method, cleaned);
  return typeof rebuilt === "string" ? request : rebuilt;
}

function invalidEnvelope(problem: string): Refusal {
  return { code: RPC.invalidParams, message: `Invalid request: ${problem}.`, httpStatus: 400 };
}

function mismatch(header: string, value: string, body: string): Refusal {
  return {
    code: RPC.headerMismatch,
    message: `The header ${header} says "${value.slice(0, 100)}", but ${body}.`,
    data: { header },
    httpStatus: 400,
  };
}

function absent(header: string): Refusal {
  return {
    code: RPC.headerMismatch,
    message: `The header ${header} is missing; it has to say what the body says.`,
    data: { header },
    httpStatus: 400,
  };
}

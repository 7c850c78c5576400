// The /mcp routes: from a raw HTTP request to the gateway and back. Which era a request belongs to is decided here,
// by its body first and its headers as the cross-check; what it means is the gateway's business.

import { OPEN_BRACKET } from "../wire/json-bytes.ts";
import { agentRequest, type AgentRequest } from "../gateway/agent-request.ts";
import type { Caller } from "../gateway/caller.ts";
import type { Scope } from "../gateway/catalog.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { initialize, sessionNotification, sessionRequest } from "../gateway/legacy.ts";
import { checkModern, modernClaim, modernRequest, type ModernClaim } from "../gateway/modern.ts";
import { mayUseServer } from "../gateway/policy.ts";
import type { Session } from "../gateway/sessions.ts";
import type { TokenBook } from "../gateway/token-book.ts";
import { isLegacyRevision, isModernRevision, RPC } from "../model/protocol.ts";
import { onOneLine } from "../wire/compose.ts";
import { readEnvelope, type Envelope } from "../wire/envelope.ts";
import { jsonFault } from "../wire/json-grammar.ts";
import { skipSpace } from "../wire/json-scan.ts";
import { Scratch } from "../wire/scratch.ts";
import { authenticate } from "./authenticate.ts";
import { BATCH_REVISION, readBatch, serveBatch } from "./batch.ts";
import { NotificationStream } from "./event-stream.ts";
import { Exchange, type Accepts, type ExchangeTools } from "./exchange.ts";
import type { Pulse } from "./pulse.ts";
import { rpcFailure } from "./rpc-failure.ts";

export interface McpOptions {
  readonly gateway: Gateway;
  readonly tokens: TokenBook;
  readonly pulse: Pulse;
  readonly maxBodyBytes: number;
}

/** Bun's server, as far as it is needed here. */
export interface IdleTimeouts {
  timeout(request: Request, seconds: number): unknown;
}

/** Undefined: the merged endpoint. */
export type EndpointName = string | undefined;

const SESSION_HEADER = "mcp-session-id";
const VERSION_HEADER = "mcp-protocol-version";

export class McpRoutes {
  readonly #options: McpOptions;
  readonly #tools: ExchangeTools;

  constructor(options: McpOptions) {
    this.#options = options;
    this.#tools = { pulse: options.pulse, scratch: new Scratch() };
  }

  /** `connections` is what takes the idle timeout off a request; without it the listener's own counts. */
  async handle(request: Request, endpoint: EndpointName, connections?: IdleTimeouts): Promise<Response> {
    const caller = authenticate(request, this.#options.tokens);
    if (caller instanceof Response) return caller;
    const scope = this.#scope(caller, endpoint);
    if (scope instanceof Response) return scope;
    // Only now: without a token nobody holds a connection for longer than the listener allows.
    if (needsNoTimeout(request)) connections?.timeout(request, 0);
    switch (request.method) {
      case "POST":
        return this.#post(request, caller, scope);
      case "GET":
        return this.#get(request, caller, scope);
      case "DELETE":
        return this.#delete(request, caller, scope);
      default:
        return methodNotAllowed("GET, POST, DELETE");
    }
  }

  #scope(caller: Caller, endpoint: EndpointName): Scope | Response {
    if (endpoint === undefined) return { kind: "merged", servers: caller.servers };
    // Not told apart for a caller that may not use it: whether a server is there is not its business.
    if (mayUseServer(caller, endpoint).allowed && this.#options.gateway.catalog.has(endpoint)) {
      return { kind: "server", name: endpoint };
    }
    return rpcFailure({
      status: 404,
      code: RPC.invalidRequest,
      message: "There is no such server for this token.",
    });
  }

  async #post(request: Request, caller: Caller, scope: Scope): Promise<Response> {
    const type = request.headers.get("content-type");
    if (type === null || !/^application\/json\s*(;|$)/i.test(type)) {
      return invalid(415, "The body has to be application/json.");
    }
    const accepts = readAccept(request.headers.get("accept"));
    if (accepts === undefined) {
      return invalid(406, "Accept has to list application/json and text/event-stream.");
    }
    const body = await this.#body(request);
    if (body instanceof Response) return body;
    if (body[skipSpace(body, 0)] === OPEN_BRACKET) return this.#batch(request, caller, scope, accepts, body);
    const message = readEnvelope(body);
    switch (message.kind) {
      case "request":
        return this.#request(request, caller, scope, accepts, message, body);
      case "notification": {
        const session = this.#session(request, caller, scope);
        if (session instanceof Response) return isModernHeader(request) ? accepted() : session;
        const { params } = message;
        sessionNotification(session, message.method, params && body.subarray(params.start, params.end));
        return accepted();
      }
      case "result":
      case "error": {
        // Nothing is asked of agents yet, so an answer can only be a late one; it is taken and dropped.
        const session = this.#session(request, caller, scope);
        return session instanceof Response ? session : accepted();
      }
      case "bad":
        return invalid(400, `Not a JSON-RPC message: ${message.problem}.`);
    }
  }

  async #request(
    http: Request,
    caller: Caller,
    scope: Scope,
    accepts: Accepts,
    { id, method, params }: Extract<Envelope, { kind: "request" }>,
    body: Uint8Array,
  ): Promise<Response> {
    const { gateway } = this.#options;
    const tools = this.#tools;
    const request = agentRequest(id, method, params && onOneLine(body.subarray(params.start, params.end)));
    if (typeof request === "string") return invalid(400, `Not a valid request: ${request}.`);
    const claim = modernClaim(request);
    if (claim !== undefined || isModernHeader(http)) {
      const exchange = new Exchange(id, accepts, tools);
      this.#modern(http, caller, scope, request, claim, exchange);
      return exchange.response;
    }
    if (method === "initialize") {
      const exchange = new Exchange(id, accepts, tools);
      const opened = initialize(gateway, caller, scope, request);
      if ("session" in opened) {
        exchange.sessionId = opened.session.id;
        exchange.result(...opened.result);
      } else exchange.refuse(opened);
      return exchange.response;
    }
    const session = this.#session(http, caller, scope);
    if (session instanceof Response) return session;
    const exchange = new Exchange(id, accepts, tools);
    sessionRequest(gateway, session, request, exchange);
    return exchange.response;
  }

  async #batch(
    http: Request,
    caller: Caller,
    scope: Scope,
    accepts: Accepts,
    body: Uint8Array,
  ): Promise<Response> {
    const session = this.#session(http, caller, scope);
    if (session instanceof Response) return session;
    if (session.revision !== BATCH_REVISION) {
      return invalid(
        400,
        `Batches are part of revision ${BATCH_REVISION}; this session speaks ${session.revision}: send one message at a time.`,
      );
    }
    const batch = readBatch(body);
    if (typeof batch === "string") return invalid(400, `The batch is not served: ${batch}.`);
    const { gateway, pulse } = this.#options;
    return serveBatch(batch, { gateway, session, accepts, pulse });
  }

  #modern(
    http: Request,
    caller: Caller,
    scope: Scope,
    request: AgentRequest,
    claim: ModernClaim | undefined,
    exchange: Exchange,
  ): void {
    const refusal = checkModern(request, claim, {
      version: header(http, VERSION_HEADER),
      method: header(http, "mcp-method"),
      name: header(http, "mcp-name"),
    });
    if (refusal !== undefined) return exchange.refuse(refusal);
    const call = modernRequest(this.#options.gateway, caller, scope, request, exchange);
    if (call === undefined) return;
    // Streamable HTTP 2026-07-28: closing the connection is how a client cancels.
    const cancel = (): void => call.cancel("the client closed the connection");
    if (http.signal.aborted) return cancel();
    http.signal.addEventListener("abort", cancel, { once: true });
  }

  #get(request: Request, caller: Caller, scope: Scope): Response {
    if (isModernHeader(request)) return methodNotAllowed("POST");
    if (readAccept(request.headers.get("accept"))?.events !== true) {
      return invalid(406, "Accept has to list text/event-stream.");
    }
    const session = this.#session(request, caller, scope);
    if (session instanceof Response) return session;
    const { pulse } = this.#options;
    const stream = new NotificationStream(() => {
      pulse.delete(stream);
      if (session.stream === stream) session.stream = undefined;
    });
    pulse.add(stream);
    // A second GET takes the place of the first: a client that lost its stream without a word comes back like this.
    session.listen(stream);
    return stream.response({ [SESSION_HEADER]: session.id });
  }

  #delete(request: Request, caller: Caller, scope: Scope): Response {
    if (isModernHeader(request)) return methodNotAllowed("POST");
    const session = this.#session(request, caller, scope);
    if (session instanceof Response) return session;
    this.#options.gateway.sessions.end(session);
    return new Response(null, { status: 200 });
  }

  #session(request: Request, caller: Caller, scope: Scope): Session | Response {
    const version = header(request, VERSION_HEADER);
    if (version !== null && !isLegacyRevision(version) && !isModernRevision(version)) {
      return invalid(
        400,
        `The protocol version ${version.slice(0, 40)} in MCP-Protocol-Version is not spoken here.`,
      );
    }
    const id = request.headers.get(SESSION_HEADER);
    if (id === null)
      return invalid(400, "The header Mcp-Session-Id is missing: a session begins with initialize.");
    const session = this.#options.gateway.sessions.find(id, caller.id);
    if (session !== undefined && isSameEndpoint(session.scope, scope)) return session;
    return rpcFailure({
      status: 404,
      code: RPC.invalidRequest,
      message: "This session is over or was never here: begin again with initialize.",
    });
  }

  async #body(request: Request): Promise<Uint8Array | Response> {
    const { maxBodyBytes } = this.#options;
    const length = Number(request.headers.get("content-length") ?? 0);
    if (length > maxBodyBytes) return tooLarge(maxBodyBytes);
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.length > maxBodyBytes) return tooLarge(maxBodyBytes);
    const fault = jsonFault(bytes);
    if (fault !== undefined) {
      return rpcFailure({
        status: 400,
        code: RPC.parseError,
        message: `The body is not JSON: ${fault.what}.`,
      });
    }
    return bytes;
  }
}

/** A GET is a stream that may be quiet, and a client that takes no events cannot be shown that a call goes on. */
function needsNoTimeout(request: Request): boolean {
  return request.method === "GET" || request.headers.get("accept")?.includes("text/event-stream") !== true;
}

/** Undefined when neither form is acceptable. A missing header accepts all (RFC 9110, section 12.5.1). */
function readAccept(value: string | null): Accepts | undefined {
  if (value === null) return { json: true, events: true };
  const lower = value.toLowerCase();
  const all = lower.includes("*/*");
  const json = all || lower.includes("application/json") || lower.includes("application/*");
  const events = all || lower.includes("text/event-stream") || lower.includes("text/*");
  return json || events ? { json, events } : undefined;
}

function isModernHeader(request: Request): boolean {
  const version = header(request, VERSION_HEADER);
  return version !== null && isModernRevision(version);
}

function header(request: Request, name: string): string | null {
  return request.headers.get(name)?.trim() ?? null;
}

/** A session belongs to the endpoint on which it began. */
function isSameEndpoint(a: Scope, b: Scope): boolean {
  return a.kind === "merged" ? b.kind === "merged" : b.kind === "server" && a.name === b.name;
}

function accepted(): Response {
  return new Response(null, { status: 202 });
}

function invalid(status: number, message: string): Response {
  return rpcFailure({ status, code: RPC.invalidRequest, message });
}

function tooLarge(maxBodyBytes: number): Response {
  return rpcFailure({
    status: 413,
    code: 4130,
    message: `The body is over ${maxBodyBytes} bytes (setting max_body_bytes).`,
  });
}

function methodNotAllowed(allow: string): Response {
  return rpcFailure({
    status: 405,
    code: RPC.invalidRequest,
    message: `Only ${allow} here.`,
    headers: { allow },
  });
}

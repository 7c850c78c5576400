// What the gateway is tried with: offers from raw JSON, a reply that writes everything down, and servers that answer
// when the test says so.

import { AppError } from "../../src/errors.ts";
import { createBus, type Events } from "../../src/events.ts";
import { agentRequest, type AgentRequest } from "../../src/gateway/agent-request.ts";
import { Catalog } from "../../src/gateway/catalog.ts";
import type { Servers } from "../../src/gateway/forward.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import type { Refusal, Reply } from "../../src/gateway/reply.ts";
import type { CatalogServer } from "../../src/gateway/view.ts";
import type { RefusedAttempt } from "../../src/model/cage-report.ts";
import type { ServerOffer } from "../../src/model/server-offer.ts";
import type { Asker } from "../../src/upstream/asker.ts";
import type { AnswerSink, PendingCall, Upstream, UpstreamRequest } from "../../src/upstream/upstream.ts";
import { compose } from "../../src/wire/compose.ts";
import { HELLO } from "../upstream/scripted-connector.ts";

/** A caller without a session. */
export const ASKER: Asker = { callerId: "agent", sessionId: undefined };
export const SELF = { name: "toolcrib", title: "Toolcrib", version: "9.9.9" };

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array): string => Buffer.from(value).toString();

/** Raw JSON of each list; what is left out is empty. */
export interface RawOffer {
  readonly tools?: string;
  readonly prompts?: string;
  readonly resources?: string;
  readonly resourceTemplates?: string;
  readonly capabilities?: string;
  readonly serverInfo?: string;
  readonly instructions?: string;
}

export function offerOf(raw: RawOffer = {}): ServerOffer {
  return {
    revision: "2025-11-25",
    serverInfo: raw.serverInfo ?? '{"name":"its own name","version":"1"}',
    capabilities: raw.capabilities ?? '{"tools":{},"prompts":{},"resources":{}}',
    instructions: raw.instructions,
    tools: bytes(raw.tools ?? "[]"),
    prompts: bytes(raw.prompts ?? "[]"),
    resources: bytes(raw.resources ?? "[]"),
    resourceTemplates: bytes(raw.resourceTemplates ?? "[]"),
  };
}

export function toolsOf(...names: readonly string[]): RawOffer {
  return { tools: JSON.stringify(names.map((name) => ({ name, inputSchema: { type: "object" } }))) };
}

/** `null`: the server is known and was never read. */
export function catalogOf(offers: Readonly<Record<string, RawOffer | null>>): Catalog {
  return new Catalog(serversOf(offers), SELF);
}

export function serversOf(offers: Readonly<Record<string, RawOffer | null>>): CatalogServer[] {
  return Object.entries(offers).map(([name, raw]) => ({
    name,
    offer: raw === null ? undefined : offerOf(raw),
  }));
}

/** A request with this method and raw params. */
export function requestOf(method: string, params?: string, id = "1"): AgentRequest {
  const request = agentRequest(bytes(id), method, params === undefined ? undefined : bytes(params));
  if (typeof request === "string") throw new Error(request);
  return request;
}

export type Said =
  | { readonly kind: "result" | "serverError"; readonly text: string }
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  | { readonly kind: "notify"; readonly method: string; readonly params: string }
  | { readonly kind: "drop" };

export interface RecordingReply extends Reply {
  readonly said: readonly Said[];
  /** The text of the one result; throws when it was not the only answer. */
  readonly resultText: string;
  readonly refusal: Refusal;
}

export function recordingReply(): RecordingReply {
  const said: Said[] = [];
  const answers = (): readonly Said[] => said.filter(({ kind }) => kind !== "notify");
  const only = (): Said => {
    const [answer, ...more] = answers();
    if (answer === undefined || more.length > 0) throw new Error(`not one answer: ${JSON.stringify(said)}`);
    return answer;
  };
  return {
    said,
    get resultText() {
      const answer = only();
      if (answer.kind !== "result") throw new Error(`no result: ${JSON.stringify(answer)}`);
      return answer.text;
    },
    get refusal() {
      const answer = only();
      if (answer.kind !== "refuse") throw new Error(`no refusal: ${JSON.stringify(answer)}`);
      return answer.refusal;
    },
    result: (...pieces) => void said.push({ kind: "result", text: compose(...pieces).toString() }),
    refuse: (refusal) => void said.push({ kind: "refuse", refusal }),
    serverError: (value) => void said.push({ kind: "serverError", text: text(value) }),
    notify: (method, ...params) =>
      void said.push({ kind: "notify", method, params: compose(...params).toString() }),
    drop: () => void said.push({ kind: "drop" }),
  };
}

/** A request that reached a server. */
export interface Reached {
  readonly server: string;
  readonly asker: Asker;
  readonly method: string;
  readonly params: string | undefined;
  /** What stands at the position of the progress token. */
  readonly token: string | undefined;
  readonly timeoutMs: number;
  readonly sink: AnswerSink;
  readonly cancelled: readonly string[];
}

export interface FakeServers extends Servers {
  readonly reached: readonly Reached[];
  /** Ids of sessions and callers that are over. */
  readonly released: readonly string[];
  /** What the cages of all of them refuse. */
  readonly refused: RefusedAttempt[];
  /** Ends the wait of all who want `server`. */
  started(server: string): void;
  failed(server: string, error: AppError): void;
}

/** `ready` have a connection; the others are started when they are wanted, and wait for the test's word. */
export function fakeServers(ready: readonly string[] = []): FakeServers {
  const reached: Reached[] = [];
  const connected = new Set(ready);
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const released: string[] = [];
  const refused: RefusedAttempt[] = [];
  const begin =
    (server: string, asker: Asker) =>
    (request: UpstreamRequest, sink: AnswerSink): PendingCall => {
      const { method, params, progressToken, timeoutMs } = request;
      const cancelled: string[] = [];
      const token = progressToken && params && text(params.subarray(progressToken.start, progressToken.end));
      reached.push({
        server,
        asker,
        method,
        params: params && text(params),
        token,
        timeoutMs,
        sink,
        cancelled,
      });
      return { cancel: (reason) => void cancelled.push(reason) };
    };
  const upstream = (server: string, asker: Asker): Upstream => ({
    hello: HELLO,
    begin: begin(server, asker),
    notify: () => undefined,
    inFlight: 0,
    begun: 0,
    closed: new Promise(() => undefined),
    close: () => Promise.resolve(),
  });
  return {
    reached,
    released,
    refused,
    ready: (server, asker) => (connected.has(server) ? upstream(server, asker) : undefined),
    async acquire(server, asker) {
      const wait = waiting.get(server) ?? Promise.withResolvers<void>();
      waiting.set(server, wait);
      await wait.promise;
      return upstream(server, asker);
    },
    release: (id) => void released.push(id),
    refusals: (_server, _asker, sinceMs) => refused.filter(({ at }) => at >= sinceMs),
    callTimeoutMs: (server) => (server === "slow" ? 99_000 : 1_000),
    started(server) {
      connected.add(server);
      waiting.get(server)?.resolve();
    },
    failed: (server, error) => waiting.get(server)?.reject(error),
  };
}

export interface GatewayLab {
  readonly gateway: Gateway;
  readonly servers: FakeServers;
  readonly finished: readonly Events["call.finished"][];
  clock: number;
}

export function openGateway(
  offers: Readonly<Record<string, RawOffer | null>>,
  options: { readonly ready?: readonly string[]; readonly maxSessions?: number } = {},
): GatewayLab {
  const servers = fakeServers(options.ready ?? Object.keys(offers));
  const bus = createBus();
  const finished: Events["call.finished"][] = [];
  bus.on("call.finished", (call) => finished.push(call));
  const lab: GatewayLab = {
    gateway: new Gateway({
      servers,
      bus,
      limits: { maxSessions: options.maxSessions ?? 100, idleMs: 1_000 },
      self: SELF,
      now: () => lab.clock,
    }),
    servers,
    finished,
    clock: 1_000_000,
  };
  lab.gateway.publish(catalogOf(offers));
  return lab;
}

export const lostError = (): AppError => new AppError("server-lost", "The server was ended by SIGKILL");

// A fake Admin for tests of the API and the command line: servers and tokens in memory, nothing is installed or
// started. What a test wants to happen it scripts by names: see `add`, `call` and `restart`.

import type { Admin } from "../../../src/control/admin.ts";
import type { CageAdmin } from "../../../src/control/caging.ts";
import { AppError } from "../../../src/errors.ts";
import { problemOf } from "../../../src/http/problem.ts";
import type {
  AddEvent,
  AddRequest,
  CallRequest,
  DoctorFinding,
  PlanRequest,
  PlanView,
  ServerView,
  StatusView,
  TokenCreated,
  TokenRequest,
  TokenView,
  ToolView,
} from "../../../src/model/api.ts";
import type { CageView, GrantRequest } from "../../../src/model/cage-view.ts";
import type { ServerSpec } from "../../../src/model/server-spec.ts";
import { didYouMean } from "../../../src/nearest.ts";
import { FakeShells } from "./fake-shells.ts";
import { NO_PACKAGES } from "./fake-packages.ts";

const MOMENT = "2026-11-22T10:00:00.000Z";

export function fakeServer(name: string, extra: Partial<ServerView> = {}): ServerView {
  return {
    name,
    kind: "stdio",
    state: "ready",
    since: MOMENT,
    enabled: true,
    runs: `npx -y ${name}`,
    env: [],
    headers: [],
    read: [],
    write: [],
    network: [],
    unknownKeys: [],
    exits: 0,
    inFlight: 0,
    tools: 2,
    prompts: 0,
    resources: 0,
    resourceTemplates: 0,
    toolNames: ["echo", "add"],
    createdAt: MOMENT,
    ...extra,
  };
}

export class FakeAdmin implements Admin {
  readonly packages = NO_PACKAGES.packages;
  readonly bundles = NO_PACKAGES.bundles;
  readonly mcpb = NO_PACKAGES.mcpb;
  readonly cages: CageAdmin = {
    view: (name) => this.#cage(name, { grants: [], write: false, learned: false }),
    allow: (name, request) => this.#cage(name, request),
  };

  readonly shells = new FakeShells();

  readonly all = new Map<string, ServerView>();
  readonly allTokens = new Map<string, TokenView>();
  /** Every plan and add that arrived, for tests that look at what was sent. */
  readonly plans: PlanRequest[] = [];
  readonly adds: AddRequest[] = [];
  readonly calls: CallRequest[] = [];
  readonly followers = new Map<string, (text: string) => void>();
  abortedAdds = 0;
  abortedCalls = 0;
  logText = "line 1\nline 2\n";
  toolList: readonly ToolView[] = [
    { name: "files__read", server: "files", description: "Read a file.\nMore about it." },
    { name: "files__list", server: "files" },
  ];

  status(): StatusView {
    return {
      version: "0.0.0",
      commit: "fake",
      url: "http://127.0.0.1:7700",
      pid: 1,
      startedAt: MOMENT,
      dataDirectory: "/nowhere",
      servers: this.all.size,
      sessions: 0,
    };
  }

  settings() {
    return [{ key: "listen", value: "127.0.0.1:7700", source: "default", help: "Address and port" }];
  }

  async doctor(): Promise<readonly DoctorFinding[]> {
    return [{ name: "kernel", state: "ok", detail: "as the fake says" }];
  }

  /** The first word is the name; a word `bad-plan` is refused; a document names a server in each of its lines. */
  plan(request: PlanRequest): PlanView {
    this.plans.push(request);
    if (request.words?.includes("bad-plan")) throw new AppError("usage", "These words cannot be understood.");
    const names = request.document?.text.trim().split("\n") ?? [
      request.name ?? request.words?.[0] ?? "unnamed",
    ];
    return {
      servers: names.map((name) => ({
        name,
        spec: specOf(request),
        summary: [`runs ${request.words?.join(" ") ?? "a document"}`],
        unknownKeys: [],
      })),
      notes: request.document === undefined ? [] : ["One entry was skipped."],
    };
  }

  /** `hang` never ends by itself, `broken` fails, `late` is saved and does not start, `wild` throws. */
  async add(request: AddRequest, report: (event: AddEvent) => void, signal: AbortSignal): Promise<void> {
    this.adds.push(request);
    report({ event: "progress", stage: "resolving", detail: request.name });
    if (request.name === "wild") throw new Error("not foreseen: SECRET");
    if (request.name === "hang") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      this.abortedAdds++;
      return;
    }
    if (request.name === "broken") {
      const error = new AppError("install-failed", "There is no such package.");
      return report({ event: "failed", saved: false, error: problemOf(error) });
    }
    if (this.all.has(request.name) && !request.replace) {
      const error = new AppError("conflict", `There is a server ${request.name}: pass --replace.`);
      return report({ event: "failed", saved: false, error: problemOf(error) });
    }
    report({ event: "progress", stage: "downloading", detail: "12 packages" });
    const server = fakeServer(request.name);
    this.all.set(request.name, server);
    if (request.name === "late") {
      const error = new AppError("start-failed", "It did not answer within 60 s.");
      return report({ event: "failed", saved: true, error: problemOf(error) });
    }
    report({ event: "progress", stage: "ready", detail: "2 tools" });
    report({ event: "done", server });
  }

  servers(): readonly ServerView[] {
    return [...this.all.values()];
  }

  server(name: string): ServerView {
    const found = this.all.get(name);
    if (found !== undefined) return found;
    throw new AppError("not-found", `There is no server "${name}"${didYouMean(name, this.all.keys())}`);
  }

  async remove(name: string): Promise<void> {
    this.server(name);
    this.all.delete(name);
  }

  async setEnabled(name: string, enabled: boolean): Promise<ServerView> {
    const state = enabled ? "stopped" : "disabled";
    const next: ServerView = { ...this.server(name), enabled, state };
    this.all.set(name, next);
    return next;
  }

  /** A server in a crash loop stays in it. */
  async restart(name: string): Promise<ServerView> {
    if (this.server(name).state === "crash-loop") throw new AppError("start-failed", "It exits with code 1.");
    return this.server(name);
  }

  logs(name: string): Promise<string> {
    this.server(name);
    return Promise.resolve(this.logText);
  }

  followLogs(name: string, onText: (text: string) => void): () => void {
    this.followers.set(name, onText);
    return () => this.followers.delete(name);
  }

  tools(as: string | undefined): readonly ToolView[] {
    if (as !== undefined && !this.allTokens.has(as))
      throw new AppError("not-found", `There is no token "${as}".`);
    return this.toolList;
  }

  /** `raw` answers its arguments as the result, `hang` never answers, `big` sends 12 MB, `fail` is an error. */
  async call(request: CallRequest, signal: AbortSignal): Promise<Uint8Array> {
    this.calls.push(request);
    if (request.tool === "hang") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      this.abortedCalls++;
      throw new AppError("interrupted", "The caller went away.");
    }
    if (request.tool === "raw") return Buffer.from(request.arguments);
    if (request.tool === "big") return Buffer.from(contentOf("x".repeat(12_000_000)));
    if (request.tool === "fail") return Buffer.from(`{"isError":true,${contentOf("it broke").slice(1)}`);
    if (request.tool === "echo") return Buffer.from(contentOf(request.arguments));
    throw new AppError(
      "not-found",
      `There is no tool "${request.tool}"${didYouMean(request.tool, ["echo"])}`,
    );
  }

  createToken(request: TokenRequest): TokenCreated {
    if (this.allTokens.has(request.name))
      throw new AppError("conflict", `There is a token "${request.name}".`);
    const expiry = request.expiresInSeconds;
    const token: TokenView = {
      id: `id-${this.allTokens.size + 1}`,
      name: request.name,
      servers: request.servers ?? "all",
      createdAt: MOMENT,
      ...(expiry === undefined
        ? {}
        : { expiresAt: new Date(Date.parse(MOMENT) + expiry * 1000).toISOString() }),
      expired: false,
    };
    this.allTokens.set(request.name, token);
    return { ...token, token: "tc_fake-secret" };
  }

  tokens(): readonly TokenView[] {
    return [...this.allTokens.values()];
  }

  #cage(name: string, { grants, write }: GrantRequest): CageView {
    const { read, write: writable, network } = this.server(name);
    const paths = grants.filter((grant) => grant.startsWith("/"));
    return {
      server: name,
      mode: "on",
      minimum: "isolated",
      read: write ? read : [...read, ...paths],
      write: write ? [...writable, ...paths] : writable,
      network: [...network, ...grants.filter((grant) => !grant.startsWith("/"))],
      learn: false,
      learned: [],
      broker: [],
      limits: { memoryBytes: 1024 ** 3, processes: 256, cpus: 2 },
      refused: [],
      traffic: [],
    };
  }

  revokeToken(nameOrId: string): void {
    const found = this.tokens().find(({ name, id }) => name === nameOrId || id === nameOrId);
    if (found === undefined) throw new AppError("not-found", `There is no token "${nameOrId}".`);
    this.allTokens.delete(found.name);
  }
}

function specOf({
  words = [],
  env,
  read,
  write,
  allowHosts,
  startTimeoutMs,
  callTimeoutMs,
}: PlanRequest): ServerSpec {
  return {
    kind: "stdio",
    command: words[0] ?? "true",
    args: words.slice(1),
    env,
    cage: { read, write, network: allowHosts },
    ...(startTimeoutMs === undefined ? {} : { startTimeoutMs }),
    ...(callTimeoutMs === undefined ? {} : { callTimeoutMs }),
    extra: {},
  };
}

function contentOf(text: string): string {
  return JSON.stringify({ content: [{ type: "text", text }] });
}

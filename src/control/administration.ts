// What an administrator can do, done: the Admin of the API. Changes go through `Changes`, the only writer; what runs
// is the pool's; this file puts them together and words the answers.

import { AppError, toAppError } from "../errors.ts";
import { agentRequest } from "../gateway/agent-request.ts";
import type { Caller } from "../gateway/caller.ts";
import type { Scope } from "../gateway/catalog.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { OPERATIONS } from "../gateway/operations.ts";
import type { TokenBook } from "../gateway/token-book.ts";
import type { View } from "../gateway/view.ts";
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
} from "../model/api.ts";
import type { Cage, CageLevel } from "../model/cage.ts";
import { RPC } from "../model/protocol.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { SettingView } from "../settings.ts";
import { askThrough } from "./answer.ts";
import { OUTPUT_BYTES } from "../process/server-logs.ts";
import { encodeText } from "../wire/compose.ts";
import type { Pool } from "../upstream/pool.ts";
import type { Adding } from "./adding.ts";
import type { Admin } from "./admin.ts";
import type { BundleAdmin } from "./bundles.ts";
import type { McpbAdmin } from "./mcpb.ts";
import type { PackageAdmin } from "./packages.ts";
import { type CageAdmin, type CageFacts, Caging } from "./caging.ts";
import type { Changes } from "./changes.ts";
import { findServer } from "./find-server.ts";
import type { Offers } from "./offers.ts";
import { serverView } from "./server-view.ts";
import type { ShellAdmin } from "./shells.ts";
import { tokenView } from "./token-view.ts";

export interface AdministrationOptions {
  readonly changes: Changes;
  readonly adding: Adding;
  readonly pool: Pool;
  readonly offers: Offers;
  readonly gateway: Gateway;
  readonly tokenBook: TokenBook;
  readonly status: () => StatusView;
  readonly settings: readonly SettingView[];
  readonly doctor: () => Promise<readonly DoctorFinding[]>;
  readonly plan: (request: PlanRequest) => PlanView;
  readonly packages: PackageAdmin;
  readonly bundles: BundleAdmin;
  readonly mcpb: McpbAdmin;
  readonly cageFacts: CageFacts;
  readonly shells: ShellAdmin;
  /** What is wrong with granted paths, as a sentence. */
  readonly refusedPaths: (cage: Pick<Cage, "read" | "write">) => string | undefined;
  readonly now: () => number;
  /** Writes down when tokens were last used, so that what is listed is of now. */
  readonly saveTokenUse: () => void;
}

/** The administrator's own calls: allowed everything, and named so in what is recorded. */
const ADMINISTRATOR: Caller = { id: "administrator", name: "administrator", servers: undefined };

export class Administration implements Admin {
  readonly cages: CageAdmin;
  readonly packages: PackageAdmin;
  readonly bundles: BundleAdmin;
  readonly mcpb: McpbAdmin;
  readonly shells: ShellAdmin;
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
    this.packages = options.packages;
    this.bundles = options.bundles;
    this.mcpb = options.mcpb;
    const { changes, cageFacts, refusedPaths, shells } = options;
    this.shells = shells;
    this.cages = new Caging({
      find: (name) => this.#find(name),
      save: (server) => changes.putServer(server, true),
      facts: cageFacts,
      refusedPaths,
    });
  }

  status(): StatusView {
    return this.#options.status();
  }

  settings(): readonly SettingView[] {
    return this.#options.settings;
  }

  doctor(): Promise<readonly DoctorFinding[]> {
    return this.#options.doctor();
  }

  plan(request: PlanRequest): PlanView {
    return this.#options.plan(request);
  }

  async add(request: AddRequest, report: (event: AddEvent) => void, signal: AbortSignal): Promise<void> {
    const added = await this.#options.adding.add(request, report, signal);
    if (added !== undefined) report({ event: "done", server: this.server(added) });
  }

  servers(): readonly ServerView[] {
    return this.#options.changes.servers.map((server) => this.#view(server));
  }

  server(name: string): ServerView {
    const view = this.#view(this.#find(name));
    const { pool, cageFacts } = this.#options;
    const lastCrash = pool.lastCrash(name);
    const refused = cageFacts.refused(name);
    return {
      ...view,
      ...(lastCrash === undefined ? {} : { lastCrash }),
      ...(refused.length === 0 ? {} : { refused }),
    };
  }

  async remove(name: string): Promise<void> {
    this.#options.changes.removeServer(this.#find(name).name);
    await this.#options.pool.settled();
  }

  async setEnabled(name: string, enabled: boolean): Promise<ServerView> {
    this.#options.changes.setEnabled(this.#find(name).name, enabled);
    if (!enabled) await this.#options.pool.settled();
    return this.server(name);
  }

  async restart(name: string): Promise<ServerView> {
    const server = this.#find(name);
    const upstream = await this.#options.pool.restart(server.name);
    await this.#options.offers.refresh(server, upstream);
    return this.server(name);
  }

  logs(name: string): Promise<string> {
    return this.#options.pool.output(this.#find(name).name).kept(OUTPUT_BYTES);
  }

  followLogs(name: string, onText: (text: string) => void): () => void {
    return this.#options.pool.output(this.#find(name).name).follow(onText);
  }

  tools(as: string | undefined): readonly ToolView[] {
    const view = this.#viewOf(this.#caller(as));
    const tools: unknown = JSON.parse(new TextDecoder().decode(view.list("tools")));
    if (!Array.isArray(tools)) return [];
    return tools.flatMap((tool: unknown) => toolView(tool, view) ?? []);
  }

  async call({ tool, arguments: text, as }: CallRequest, signal: AbortSignal): Promise<Uint8Array> {
    const params = encodeText(`{"name":${JSON.stringify(tool)},"arguments":${argumentsObject(text)}}`);
    const request = agentRequest(encodeText("1"), "tools/call", params);
    const operation = OPERATIONS.get("tools/call");
    if (typeof request === "string" || operation === undefined) {
      throw new AppError("internal", "The call could not be made.");
    }
    const caller = this.#caller(as);
    const view = this.#viewOf(caller);
    const asker = { callerId: caller.id, sessionId: undefined };
    const { forwarder } = this.#options.gateway;
    const resourceNotFoundCode = RPC.resourceNotFound;
    return askThrough(
      (reply) => operation({ view, asker, request, reply, forwarder, resourceNotFoundCode }),
      signal,
    );
  }

  createToken(request: TokenRequest): TokenCreated {
    for (const name of request.servers ?? []) this.#find(name);
    const { record, token } = this.#options.changes.createToken(request);
    return { ...tokenView(record, this.#options.now()), token };
  }

  tokens(): readonly TokenView[] {
    const now = this.#options.now();
    this.#options.saveTokenUse();
    return this.#options.changes.tokens().map((record) => tokenView(record, now));
  }

  revokeToken(nameOrId: string): void {
    const record = this.#options.changes.revokeToken(nameOrId);
    this.#options.gateway.sessions.endAllOf(record.id);
  }

  #view(server: ConfiguredServer): ServerView {
    const { pool, offers } = this.#options;
    const status = pool.status(server.name);
    if (status === undefined) throw new AppError("internal", `Server ${server.name} is not in the pool.`);
    const view = serverView(server, status, offers.of(server.name));
    const cage = this.#cageOf(server);
    return cage === undefined ? view : { ...view, cage };
  }

  #cageOf({ name, spec }: ConfiguredServer): CageLevel | undefined {
    if (spec.kind === "http") return undefined;
    return spec.cage.mode === "off" ? "off" : this.#options.cageFacts.report(name)?.level;
  }

  #find(name: string): ConfiguredServer {
    return findServer(this.#options.changes.servers, name);
  }

  #caller(as: string | undefined): Caller {
    if (as === undefined) return ADMINISTRATOR;
    const caller = this.#options.tokenBook.callerNamed(as);
    if (caller !== undefined) return caller;
    throw new AppError(
      "not-found",
      `There is no token ${as.slice(0, 80)}; \`toolcrib token ls\` lists them.`,
    );
  }

  #viewOf(caller: Caller): View {
    const scope: Scope = { kind: "merged", servers: caller.servers };
    const view = this.#options.gateway.catalog.view(scope);
    if (view === undefined) throw new AppError("internal", "The catalog has no view for this caller.");
    return view;
  }
}

function toolView(tool: unknown, view: View): ToolView | undefined {
  if (typeof tool !== "object" || tool === null || !("name" in tool)) return undefined;
  if (typeof tool.name !== "string") return undefined;
  const server = view.resolve("tools", tool.name)?.server ?? "";
  const title = "title" in tool && typeof tool.title === "string" ? { title: tool.title } : {};
  const described =
    "description" in tool && typeof tool.description === "string" ? { description: tool.description } : {};
  return {
    name: tool.name,
    server,
    ...title,
    ...described,
  };
}

/** The text as it is, once it is known to be a JSON object: no number in it is read and printed again. */
function argumentsObject(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new AppError("usage", `The arguments are not JSON: ${toAppError(thrown).message}.`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return text.replaceAll(/[\r\n]/g, " ");
  throw new AppError("usage", 'The arguments have to be a JSON object, such as \'{"message":"hi"}\'.');
}

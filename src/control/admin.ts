// Everything an administrator can do, as one interface: the API turns HTTP into these calls, and nothing else
// reaches the configuration. Errors are AppError; expected codes stand at each function.

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
import type { SettingView } from "../settings.ts";
import type { BundleAdmin } from "./bundles.ts";
import type { CageAdmin } from "./caging.ts";
import type { McpbAdmin } from "./mcpb.ts";
import type { PackageAdmin } from "./packages.ts";
import type { ShellAdmin } from "./shells.ts";

export interface Admin {
  status(): StatusView;
  settings(): readonly SettingView[];
  doctor(): Promise<readonly DoctorFinding[]>;

  /** @throws `usage` for words or a document that cannot be understood (with line and column for a document). */
  plan(request: PlanRequest): PlanView;
  /**
   * Installs, saves, starts. Reports by events; the last is `done` or `failed`. Never throws.
   * Aborting `signal` stops an installation and leaves nothing half-made; what is saved stays saved.
   */
  add(request: AddRequest, report: (event: AddEvent) => void, signal: AbortSignal): Promise<void>;

  servers(): readonly ServerView[];
  /** @throws `not-found`, with the nearest name. So do all that take a server's name. */
  server(name: string): ServerView;
  remove(name: string): Promise<void>;
  setEnabled(name: string, enabled: boolean): Promise<ServerView>;
  /** Stops it, forgets its crash count, starts it; resolves when it is ready. @throws `start-failed` */
  restart(name: string): Promise<ServerView>;
  /** What is kept of its stderr (bounded), newest last. */
  logs(name: string): Promise<string>;
  /** Calls `onText` with what comes after. Returns the function that ends it. */
  followLogs(name: string, onText: (text: string) => void): () => void;

  readonly cages: CageAdmin;
  readonly packages: PackageAdmin;
  readonly bundles: BundleAdmin;
  readonly mcpb: McpbAdmin;
  readonly shells: ShellAdmin;

  /** What a caller sees; without a name, what an unrestricted token would. @throws `not-found` */
  tools(as: string | undefined): readonly ToolView[];
  /** The raw `result` of the server. @throws `not-found`, `denied`, `start-failed`, `server-lost`, … */
  call(request: CallRequest, signal: AbortSignal): Promise<Uint8Array>;

  /** @throws `conflict` for a name in use, `not-found` for a server that is not there. */
  createToken(request: TokenRequest): TokenCreated;
  tokens(): readonly TokenView[];
  /** By name or id. @throws `not-found` */
  revokeToken(nameOrId: string): void;
}

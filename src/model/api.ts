// The shapes that the admin API answers with and the CLI prints. One place, so that both ends agree.

import * as v from "valibot";
import type { CageLevel } from "./cage.ts";
import type { RefusedAttempt } from "./cage-report.ts";
import { PinnedPackage, ServerName, ServerSpec } from "./server-spec.ts";
import type { ServerState } from "./server-state.ts";

/** GET /api/v1/status */
export interface StatusView {
  readonly version: string;
  readonly commit: string;
  readonly url: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly dataDirectory: string;
  readonly servers: number;
  readonly sessions: number;
}

/** GET /api/v1/servers → { servers: ServerView[] }; GET /api/v1/servers/{name} → ServerView */
export interface ServerView {
  readonly name: string;
  readonly kind: "stdio" | "http";
  readonly state: ServerState;
  readonly since: string;
  readonly reason?: string;
  readonly enabled: boolean;
  /** The command line or URL, as added. Values of environment variables and headers are never shown. */
  readonly runs: string;
  readonly package?: { readonly name: string; readonly version: string; readonly integrity: string };
  readonly env: readonly string[];
  readonly headers: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly network: readonly string[];
  readonly unknownKeys: readonly string[];
  /** What its cage was found to enforce at its last start; `off` also where an administrator said so. */
  readonly cage?: CageLevel;
  readonly pid?: number;
  readonly exits: number;
  readonly nextStartAt?: string;
  readonly inFlight: number;
  /** Processes of its own that run, each with all that it started; connections, for a remote server. */
  readonly instances?: number;
  /** What they take of the host together, as it was last measured. */
  readonly usage?: { readonly memoryBytes: number; readonly processes: number; readonly cpuSeconds: number };
  /** What the next start asks the host's budget for; not of a remote server. */
  readonly asksMemoryBytes?: number;
  readonly revision?: string;
  readonly serverInfo?: { readonly name?: string; readonly version?: string };
  readonly tools: number;
  readonly prompts: number;
  readonly resources: number;
  readonly resourceTemplates: number;
  readonly toolNames: readonly string[];
  readonly createdAt: string;
  /** The tail of stderr of the last unexpected end, at most 64 KiB; only in GET /api/v1/servers/{name}. */
  readonly lastCrash?: string;
  /** What its cage kept it from, newest last; only in GET /api/v1/servers/{name}. */
  readonly refused?: readonly RefusedAttempt[];
}

/**
 * POST /api/v1/plans: what `add` would do, without doing it.
 * Exactly one of `words` (a command line, package name or URL) and `document` (the text of a file).
 */
export const PlanRequest = v.strictObject({
  words: v.optional(v.pipe(v.array(v.string()), v.minLength(1))),
  document: v.optional(v.strictObject({ name: v.string(), text: v.string() })),
  name: v.optional(v.string()),
  env: v.optional(v.record(v.string(), v.string()), {}),
  read: v.optional(v.array(v.string()), []),
  write: v.optional(v.array(v.string()), []),
  allowHosts: v.optional(v.array(v.string()), []),
  /** Options of the cage; what they leave out is as the document says, or the default. */
  cage: v.optional(v.record(v.string(), v.unknown())),
  /** Packages whose install scripts may run. */
  scripts: v.optional(v.array(v.string())),
  isolation: v.optional(v.string()),
  instances: v.optional(v.number()),
  /** To what its author asks, by the names of the questions: MCP bundles and the registry's server.json have some. */
  answers: v.optional(v.record(v.string(), v.pipe(v.array(v.string()), v.maxLength(256)))),
  startTimeoutMs: v.optional(v.number()),
  callTimeoutMs: v.optional(v.number()),
});
export type PlanRequest = v.InferOutput<typeof PlanRequest>;

/** One server that a plan would add. */
export interface PlannedServer {
  readonly name: string;
  readonly spec: ServerSpec;
  /** Lines for a person: what will run, as whom, what it may read, write and reach. */
  readonly summary: readonly string[];
  readonly unknownKeys: readonly string[];
  /** In the vault already: it came in a bundle, and no registry is asked. */
  readonly package?: PinnedPackage;
}
export interface PlanView {
  readonly servers: readonly PlannedServer[];
  /** Sentences about what was seen and not done (a placeholder left as it is, a skipped entry). */
  readonly notes: readonly string[];
}

/** POST /api/v1/servers. The answer is application/x-ndjson: AddEvent per line, the last is `done` or `failed`. */
export const AddRequest = v.strictObject({
  name: ServerName,
  spec: ServerSpec,
  /** Take the place of a server of the same name instead of refusing. */
  replace: v.optional(v.boolean(), false),
  /** As the plan named it: in the vault already. Otherwise what the specification asks for is installed. */
  package: v.optional(PinnedPackage),
});
export type AddRequest = v.InferOutput<typeof AddRequest>;

export type AddEvent =
  | {
      readonly event: "progress";
      readonly stage: "resolving" | "downloading" | "installed" | "saved" | "starting" | "ready";
      readonly detail: string;
    }
  | { readonly event: "done"; readonly server: ServerView }
  /** `saved` says whether the server is configured all the same (installed, but it does not start). */
  | { readonly event: "failed"; readonly saved: boolean; readonly error: Problem };

/** RFC 9457, application/problem+json: every error of /api. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** A code of errors.ts. */
  readonly code: string;
  readonly [fact: string]: unknown;
}

/** GET /api/v1/tools[?as=<token name>] → { tools: ToolView[] } */
export interface ToolView {
  readonly name: string;
  readonly server: string;
  readonly title?: string;
  readonly description?: string;
}

/** POST /api/v1/call. The answer is the raw CallToolResult of the server. */
export const CallRequest = v.strictObject({
  tool: v.string(),
  /** Raw JSON text of the arguments object, so that no number is lost on the way. */
  arguments: v.optional(v.string(), "{}"),
  as: v.optional(v.string()),
});
export type CallRequest = v.InferOutput<typeof CallRequest>;

/** A hundred years. */
const MAX_EXPIRY_SECONDS = 100 * 366 * 86_400;

/** POST /api/v1/tokens → TokenCreated; GET → { tokens: TokenView[] }; DELETE /api/v1/tokens/{name or id} */
export const TokenRequest = v.strictObject({
  name: v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9._@/-]{0,79}$/, "1 to 80 of letters, digits and ._@/-"),
  ),
  servers: v.optional(v.array(v.string())),
  /** Seconds from now. NB: bounded, because later than the year 275760 there is no date. */
  expiresInSeconds: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_EXPIRY_SECONDS)),
  ),
});
export type TokenRequest = v.InferOutput<typeof TokenRequest>;

export interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly servers: readonly string[] | "all";
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly lastUsedAt?: string;
  readonly expired: boolean;
}
export interface TokenCreated extends TokenView {
  /** Shown here and never again. */
  readonly token: string;
}

/** GET /api/v1/doctor; `toolcrib doctor` prints the same without a running appliance. */
export interface DoctorFinding {
  readonly name: string;
  readonly state: "ok" | "partial" | "missing";
  readonly detail: string;
  /** The command that mends it. */
  readonly mend?: string;
}

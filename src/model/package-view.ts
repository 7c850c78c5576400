// Packages as the admin API answers them and the command line prints them: what is newer, what an update would change,
// how large the vault is; and the requests for it.

import * as v from "valibot";
import { type PlannedServer, PlanRequest, type Problem, type ServerView } from "./api.ts";
import type { Question } from "./question.ts";
import { PinnedPackage, ServerName, type StdioSpec } from "./server-spec.ts";

/**
 * `newer`: an update would change something. `pinned`: its command line names this very version, so an update changes
 * nothing. `unknown`: the registry could not be asked; `note` says why.
 */
export type UpdateState = "current" | "newer" | "pinned" | "unknown";

/** GET /api/v1/updates[?server=<name>…] → { updates: UpdateView[] } */
export interface UpdateView {
  readonly server: string;
  readonly package: string;
  readonly version: string;
  /** As the command line asks for it: `latest`, `^1.2.0`, `1.2.3`. */
  readonly wanted: string;
  readonly newest?: string;
  readonly state: UpdateState;
  readonly note?: string;
  /** The version that `rollback` goes back to. */
  readonly previous?: string;
}

/** A part of an entry that differs, as text, each at most 2,000 characters. */
export interface FieldChange {
  readonly field: string;
  readonly before?: string;
  readonly after?: string;
}

/** By the names of the entries (addresses, for resources). */
export interface ListDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly { readonly name: string; readonly fields: readonly FieldChange[] }[];
  readonly unchanged: number;
  /** Of those above, how many are not listed. */
  readonly leftOut: number;
}

export interface OfferDiff {
  /** False where nobody knows what the version in use offers: then everything counts as added. */
  readonly isKnown: boolean;
  readonly tools: ListDiff;
  readonly prompts: ListDiff;
  readonly resources: ListDiff;
  readonly resourceTemplates: ListDiff;
  /** Of the handshake: `instructions` and `capabilities`. */
  readonly handshake: readonly FieldChange[];
}

/** A version that is installed beside the one in use, was started once, and waits for a word. */
export interface PreparedView {
  readonly server: string;
  readonly package: string;
  readonly from: string;
  readonly to: string;
  /** What `switch` has to name. */
  readonly candidate: string;
  readonly diff: OfferDiff;
}

/** POST /api/v1/servers/{name}/update. The answer is application/x-ndjson: UpdateEvent per line. */
export type UpdateEvent =
  | {
      readonly event: "progress";
      readonly stage: "resolving" | "downloading" | "installed" | "starting";
      readonly detail: string;
    }
  /** The last one is one of these. */
  | { readonly event: "current"; readonly update: UpdateView }
  | { readonly event: "prepared"; readonly prepared: PreparedView }
  | { readonly event: "failed"; readonly error: Problem };

/** POST /api/v1/servers/{name}/switch → SwitchView */
export const SwitchRequest = v.strictObject({ candidate: v.pipe(v.string(), v.maxLength(300)) });
export type SwitchRequest = v.InferOutput<typeof SwitchRequest>;

/** Also of POST /api/v1/servers/{name}/rollback */
export interface SwitchView {
  readonly server: ServerView;
  readonly from: string;
  readonly to: string;
}

/** GET /api/v1/vault */
export interface VaultView {
  /** On disk, about, the cache not counted. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** Of packages that no server uses or may go back to. */
  readonly unusedBytes: number;
  /** What was downloaded and may be deleted at any time. */
  readonly cacheBytes: number;
  /** The largest first. */
  readonly packages: readonly {
    readonly directory: string;
    readonly bytes: number;
    readonly usedBy: readonly string[];
    readonly neededAt: string;
  }[];
}

/** POST /api/v1/bundles. The answer is the archive, application/gzip. */
export const BundleRequest = v.strictObject({
  servers: v.pipe(v.array(ServerName), v.minLength(1), v.maxLength(500)),
});
export type BundleRequest = v.InferOutput<typeof BundleRequest>;

/** A server of a bundle: what `add` would take, its package, and what has to be given anew. */
export interface LoadedServer extends PlannedServer {
  readonly spec: StdioSpec;
  /** In the vault by now. */
  readonly package: PinnedPackage;
  /** Names of variables and brokered secrets whose values were not carried. */
  readonly missing: { readonly env: readonly string[]; readonly broker: readonly string[] };
}

/** POST /api/v1/bundles/load with the archive as body: its packages are in the vault when this is answered. */
export interface LoadedView {
  readonly servers: readonly LoadedServer[];
  readonly notes: readonly string[];
  /** Directories of the vault that are new. */
  readonly packages: readonly string[];
}

/** POST /api/v1/mcpb[?sha256=<hex>] with the bundle as body, and /mcpb/fetch: it is in the vault, and nothing runs. */
export interface McpbView {
  readonly package: PinnedPackage;
  /** What its author wants to be told. */
  readonly questions: readonly Question[];
}

/** POST /api/v1/mcpb/fetch → McpbView */
export const McpbFetchRequest = v.strictObject({
  url: v.pipe(v.string(), v.maxLength(8_192)),
  sha256: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/i, "has to be 64 hex digits"))),
});
export type McpbFetchRequest = v.InferOutput<typeof McpbFetchRequest>;

/** POST /api/v1/mcpb/plans → PlanView: what `add` would do with a bundle of the vault. */
export const McpbPlanRequest = v.strictObject({
  ...v.omit(PlanRequest, ["words", "document"]).entries,
  package: PinnedPackage,
});
export type McpbPlanRequest = v.InferOutput<typeof McpbPlanRequest>;

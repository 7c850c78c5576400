// A server's cage as the admin API answers it and `toolcrib cage` prints it, and the request that widens it.

import * as v from "valibot";
import type { CageLevel } from "./cage.ts";
import type { CageReport, RefusedAttempt } from "./cage-report.ts";

/** GET /api/v1/servers/{name}/cage */
export interface CageView {
  readonly server: string;
  readonly mode: "on" | "off";
  readonly minimum: CageLevel;
  /** From the probe and, while it runs, from /proc; absent until it was started once. */
  readonly report?: CageReport;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly network: readonly string[];
  readonly learn: boolean;
  /** What it wanted to reach while it learned, as grants that it does not have. */
  readonly learned: readonly string[];
  /** Without the values. */
  readonly broker: readonly { readonly name: string; readonly host: string; readonly header: string }[];
  readonly limits: { readonly memoryBytes: number; readonly processes: number; readonly cpus: number };
  /** Newest last, bounded. */
  readonly refused: readonly RefusedAttempt[];
  /** What it reached, by grant. */
  readonly traffic: readonly TrafficView[];
}

export interface TrafficView {
  readonly grant: string;
  readonly connections: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** POST /api/v1/servers/{name}/grants → CageView. The server is started anew with it when it is needed next. */
export const GrantRequest = v.strictObject({
  /** `host:port` or an absolute path; several are one change. */
  grants: v.optional(v.pipe(v.array(v.string()), v.maxLength(256)), []),
  /** For paths: read and write, instead of read only. */
  write: v.optional(v.boolean(), false),
  /** All that it learned, and the end of learning. */
  learned: v.optional(v.boolean(), false),
});
export type GrantRequest = v.InferOutput<typeof GrantRequest>;

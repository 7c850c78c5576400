// What the contract suite needs of a kind of upstream: servers of test/servers, connected to, and a look at what is
// left of them. Each kind has a lab of its own.

import type { Upstream, UpstreamListener } from "../../src/upstream/upstream.ts";

/** `sdk`: a good server, with the offer of sdk-tools.ts. `raw`: a behaviour of raw.ts and its arguments. */
export type ServerUnderTest = "sdk" | readonly ["raw", behaviour: string, ...args: readonly string[]];

export interface ConnectOptions {
  readonly listener?: UpstreamListener;
  readonly startTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Subject {
  readonly upstream: Upstream;
  /** What the server wrote to stderr so far. */
  stderr(): string;
}

export interface Lab {
  connect(server: ServerUnderTest, options?: ConnectOptions): Promise<Subject>;
  /** What is left of connections that are over: processes, sessions, streams. In words. */
  leftovers(): readonly string[];
  /** Ends all that the lab started itself. The upstreams are closed before. */
  close(): Promise<void>;
}

export const LAB_LIMITS = {
  startTimeoutMs: 30_000,
  maxMessageBytes: 64 * 1_048_576,
  maxQueuedBytes: 80 * 1_048_576,
} as const;

export const CLIENT_INFO = { name: "toolcrib-contract", version: "1" } as const;

// The words for what a server is doing. The console, the CLI, /metrics and the API print these and no others.

export const SERVER_STATES = [
  "disabled",
  "stopped",
  "starting",
  "ready",
  "backing-off",
  "crash-loop",
  "needs-sign-in",
  "blocked",
] as const;

export type ServerState = (typeof SERVER_STATES)[number];

/** A moment in a server's life, as the keeper sees it. */
export interface ServerStatus {
  readonly state: ServerState;
  /** Milliseconds since the epoch at which `state` was entered. */
  readonly since: number;
  /** One sentence: why it is in this state, with the last stderr line where that tells. */
  readonly reason: string | undefined;
  readonly pid: number | undefined;
  /** Unexpected exits since the appliance started. */
  readonly exits: number;
  /** Milliseconds since the epoch of the next start, while backing off or in a crash loop. */
  readonly nextStartAt: number | undefined;
  readonly inFlight: number;
}

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

/** What a tree of processes takes of the host, as it was last measured. */
export interface Usage {
  readonly memoryBytes: number;
  /** Threads count where the kernel counts them. */
  readonly processes: number;
  /** Since the tree began. */
  readonly cpuSeconds: number;
}

/** Of all processes of a server together; its one process where there is one. */
export interface ServerStatus {
  /** The worst that one of them is in. */
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
  /** Processes of its own that run, each with all that it started; connections, for a remote server. */
  readonly instances: number;
  /** Undefined while nothing of it runs, or nothing was measured yet. */
  readonly usage: Usage | undefined;
  /** What the next start asks of the host's budget; 0 for a remote server. */
  readonly asksMemoryBytes: number;
}

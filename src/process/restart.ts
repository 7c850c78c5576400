// When a server is started, waited for, given up and tried again: a pure table of state, event and time. The keeper
// carries out what it answers. All times are milliseconds of one clock.

export const RESTART = {
  firstDelayMs: 250,
  maxDelayMs: 60_000,
  /** A session of a remote server that lived this long is begun anew at once when it is over. */
  sessionLifeMs: 10_000,
  /** Each delay is this share longer or shorter, at random, so that many servers do not start at once. */
  jitter: 0.2,
  /** Ready for this long, and the next exit counts as the first. */
  resetAfterReadyMs: 10 * 60_000,
  crashLoopExits: 6,
  crashLoopWindowMs: 5 * 60_000,
  crashLoopProbeMs: 5 * 60_000,
} as const;

export type Phase = "stopped" | "starting" | "ready" | "backing-off" | "crash-loop" | "blocked";

export interface RestartState {
  readonly phase: Phase;
  /** n of 0.25 s · 2ⁿ. */
  readonly attempt: number;
  /** When it ended unasked, within the window of the crash loop, oldest first. At most `crashLoopExits`. */
  readonly exits: readonly number[];
  readonly readySince: number | undefined;
  /** In `backing-off` and `crash-loop`: when the next start is due. */
  readonly dueAt: number | undefined;
  /** A start out of the crash loop: one failure goes straight back to it. */
  readonly probing: boolean;
}

export type RestartEvent =
  /** Somebody needs it. */
  | "wanted"
  /** The handshake is done. */
  | "ready"
  /** It ended unasked, or its start failed. */
  | "ended"
  /** The server is well, but forgot the session with it: no exit, and nothing that counts against it. */
  | "expired"
  /** It cannot start as things are, and no retry would help: its cage, its package or its program is not there. */
  | "blocked"
  /** Nobody needs it, or there was no room for its start: no exit, and it starts when it is wanted. */
  | "rested"
  /** `dueAt` has come. */
  | "due"
  /** A person wants it to start now, or its specification is new: nothing of the past counts. */
  | "reset"
  /** It ended because it was told to. */
  | "stopped";

export const STOPPED: RestartState = {
  phase: "stopped",
  attempt: 0,
  exits: [],
  readySince: undefined,
  dueAt: undefined,
  probing: false,
};

/** The next state. A state that comes back as the same object means that the event changes nothing. */
export function restart(
  state: RestartState,
  event: RestartEvent,
  now: number,
  random: () => number,
): RestartState {
  switch (event) {
    case "wanted":
      return state.phase === "stopped" ? starting(state) : state;
    case "due":
      return isDue(state, now) ? starting(state) : state;
    case "ready":
      return state.phase === "starting"
        ? { ...state, phase: "ready", readySince: now, dueAt: undefined, probing: false }
        : state;
    case "ended":
      return state.phase === "starting" || state.phase === "ready" ? ended(state, now, random) : state;
    case "expired":
      return state.phase === "ready" ? expired(state, now) : state;
    case "blocked":
      return state.phase === "starting" ? { ...STOPPED, phase: "blocked" } : state;
    case "rested":
      return state.phase === "starting" || state.phase === "ready" ? rested(state, now) : state;
    case "reset":
    case "stopped":
      return STOPPED;
  }
}

function isDue(state: RestartState, now: number): boolean {
  const waits = state.phase === "backing-off" || state.phase === "crash-loop";
  return waits && state.dueAt !== undefined && now >= state.dueAt;
}

function starting(state: RestartState): RestartState {
  return {
    ...state,
    phase: "starting",
    readySince: undefined,
    dueAt: undefined,
    probing: state.phase === "crash-loop",
  };
}

function ended(state: RestartState, now: number, random: () => number): RestartState {
  const { attempt, exits: earlier } = past(state, now);
  const exits = [...earlier.filter((at) => now - at < RESTART.crashLoopWindowMs), now].slice(
    -RESTART.crashLoopExits,
  );
  const settled = { attempt: attempt + 1, exits, readySince: undefined, probing: false };
  if (state.probing || exits.length >= RESTART.crashLoopExits) {
    return { ...settled, phase: "crash-loop", dueAt: now + RESTART.crashLoopProbeMs };
  }
  return { ...settled, phase: "backing-off", dueAt: now + delayMs(attempt, random) };
}

/** What still counts against it: nothing, once it was ready for long. */
function past(state: RestartState, now: number): Pick<RestartState, "attempt" | "exits"> {
  const { attempt, exits, readySince } = state;
  const wasReadyLong = readySince !== undefined && now - readySince >= RESTART.resetAfterReadyMs;
  return wasReadyLong ? { attempt: 0, exits: [] } : { attempt, exits };
}

function rested(state: RestartState, now: number): RestartState {
  return { ...STOPPED, ...past(state, now) };
}

/**
 * Begun anew at once, or its changes would not be heard. One that hardly lived waits for whoever needs it: a server
 * that forgets its sessions all the time must not be asked for new ones without end.
 */
function expired(state: RestartState, now: number): RestartState {
  const settled = { ...state, readySince: undefined, probing: false };
  const hasLived = state.readySince !== undefined && now - state.readySince >= RESTART.sessionLifeMs;
  if (!hasLived) return { ...settled, phase: "stopped", dueAt: undefined };
  return { ...settled, phase: "backing-off", dueAt: now + RESTART.firstDelayMs };
}

/** 0.25 s · 2ⁿ, at most 60 s, ±20%. Whole milliseconds. `random` gives 0 ≤ x < 1. */
export function delayMs(attempt: number, random: () => number): number {
  const plain = Math.min(RESTART.maxDelayMs, RESTART.firstDelayMs * 2 ** Math.min(attempt, 20));
  return Math.round(plain * (1 + RESTART.jitter * (2 * random() - 1)));
}

// A keeper on a fake clock with a scripted connector, and what it has said so far.

import { jest } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { nullLog } from "../../src/log.ts";
import { HostBudget, NO_SHARE } from "../../src/process/budget.ts";
import { Keeper, type KeeperOptions } from "../../src/upstream/keeper.ts";
import { type ScriptedConnector, scriptedConnector, turns } from "./scripted-connector.ts";

/** Lets so many starts through at once. */
export function admission(parallelStarts: number): KeeperOptions["admit"] {
  const limits = { memoryBytes: 0, processes: 0, instances: 0, parallelStarts };
  const budget = new HostBudget({ limits, makeRoom: () => undefined });
  return (signal) => budget.enter({ server: "files", asks: NO_SHARE, timeoutMs: 60_000, signal });
}
export const startFailed = (sentence: string): AppError => new AppError("start-failed", sentence);

export interface Kept {
  readonly keeper: Keeper;
  readonly connector: ScriptedConnector;
  readonly states: string[];
  readonly crashes: string[];
  readonly ready: unknown[];
}

export function keep(options: Partial<KeeperOptions> = {}): Kept {
  const connector = scriptedConnector();
  const [states, crashes, ready]: [string[], string[], unknown[]] = [[], [], []];
  const keeper = new Keeper({
    name: "files",
    connector,
    listener: { notification: () => undefined },
    admit: admission(4),
    log: nullLog,
    now: () => Date.now(),
    random: () => 0.5,
    onState: (state) => states.push(state),
    onReady: (upstream) => ready.push(upstream),
    onCrash: (error) => crashes.push(error.message),
    ...options,
  });
  return { keeper, connector, states, crashes, ready };
}

export async function advance(ms: number): Promise<void> {
  jest.advanceTimersByTime(ms);
  await turns();
}

/** What became of a promise so far. */
export function watch<T>(promise: Promise<T>): {
  value: T | undefined;
  error: AppError | undefined;
  settled: boolean;
} {
  const watched: { value: T | undefined; error: AppError | undefined; settled: boolean } = {
    value: undefined,
    error: undefined,
    settled: false,
  };
  promise.then(
    (value) => Object.assign(watched, { value, settled: true }),
    (error: unknown) => Object.assign(watched, { error, settled: true }),
  );
  return watched;
}

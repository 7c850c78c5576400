// Times as people write them on a command line: `60s`, `90d`.

import { AppError } from "../errors.ts";

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/**
 * In milliseconds. `bareUnit` is what a number alone means; without one a unit must be there.
 * @throws AppError `usage`
 */
export function parseDuration(text: string, option: string, bareUnit?: "s"): number {
  const [, digits, unit] = /^(\d{1,12}) ?(ms|s|m|h|d|w)?$/.exec(text.trim()) ?? [];
  const factor = UNITS_MS[unit ?? bareUnit ?? ""];
  const durationMs = Number(digits) * (factor ?? Number.NaN);
  if (Number.isSafeInteger(durationMs) && durationMs > 0) return durationMs;
  const example = bareUnit === undefined ? "such as 90d, 12h or 30m" : "such as 60, 90s or 5m";
  throw new AppError("usage", `${option} wants a time ${example}.`);
}

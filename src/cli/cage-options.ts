// The options of `add` that say how a server is caged, as keys of the cage document. Called by add-request.ts.

import { AppError } from "../errors.ts";

export interface CageOptions {
  readonly cage?: string;
  readonly minimum?: string;
  readonly memory?: string;
  readonly processes?: string;
  readonly cpus?: string;
  readonly learn?: boolean;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };

/** Only what was said. What a value means is checked where documents are. @throws AppError `usage` */
export function cageOf(options: CageOptions): Readonly<Record<string, unknown>> | undefined {
  const { cage, minimum, memory, processes, cpus, learn } = options;
  const given = {
    ...(cage === undefined ? {} : { mode: cage }),
    ...(minimum === undefined ? {} : { minimum }),
    ...(memory === undefined ? {} : { memoryBytes: sizeOf(memory) }),
    ...(processes === undefined ? {} : { processes: numberOf("--processes", processes) }),
    ...(cpus === undefined ? {} : { cpus: numberOf("--cpus", cpus) }),
    ...(learn === undefined ? {} : { learn }),
  };
  return Object.keys(given).length === 0 ? undefined : given;
}

function sizeOf(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,12}) ?([a-z]*)$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (digits !== "" && factor !== undefined) return Number(digits) * factor;
  throw new AppError(
    "usage",
    `--memory wants a size such as 512MiB or 2GiB, not ${JSON.stringify(text.slice(0, 40))}.`,
  );
}

export function numberOf(option: string, text: string): number {
  if (/^\d{1,9}(?:\.\d{1,6})?$/.test(text)) return Number(text);
  throw new AppError("usage", `${option} wants a number, not ${JSON.stringify(text.slice(0, 40))}.`);
}

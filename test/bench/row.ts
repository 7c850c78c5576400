// What a row of the bench is: one question about speed, asked of several subjects in interleaved rounds. Rows live in
// rows/, one file each; main.ts runs them and report.ts prints them.

import type { LoadGenerator } from "./load/generator.ts";
import type { SubjectName } from "./subjects/subject.ts";

export interface Bench {
  readonly rounds: number;
  /** How long one measurement counts, and how long it runs before it counts, in milliseconds. */
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly quick: boolean;
  readonly load: LoadGenerator;
  /** Runs `measure` and records what it returns; a failure is recorded in its place, and the run goes on. */
  measure(cell: string, subject: SubjectName, measure: () => Promise<Figures>): Promise<void>;
}

export type Figures = Readonly<Record<string, number>>;

export interface Sample {
  readonly cell: string;
  readonly subject: SubjectName;
  readonly figures: Figures;
}

export interface Metric {
  readonly key: string;
  readonly unit: string;
  readonly decimals: number;
  /** False where a ratio to the other subject would say nothing. */
  readonly compared?: boolean;
}

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** What the ratio of Toolcrib is formed against; none where nothing compares. */
  readonly against?: SubjectName;
  run(bench: Bench): Promise<void>;
}

/** The subjects in another order each round, so that none is always measured first. */
export function rotated<T>(items: readonly T[], round: number): readonly T[] {
  const start = round % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

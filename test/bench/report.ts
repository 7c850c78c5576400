// The figures of a run as a table and as JSON: medians over the rounds, and the median of the rounds' ratios. Facts
// only; what is enough is decided elsewhere.

import type { Metric, Row, Sample } from "./row.ts";
import type { SubjectName } from "./subjects/subject.ts";

export interface Line {
  readonly cell: string;
  readonly unit: string;
  readonly medians: Readonly<Partial<Record<SubjectName, number>>>;
  readonly rounds: Readonly<Partial<Record<SubjectName, readonly number[]>>>;
  /** Toolcrib through `against`, round by round, the median of that. */
  readonly ratio?: number;
}

export interface RowReport {
  readonly name: string;
  readonly title: string;
  readonly against?: SubjectName;
  readonly lines: readonly Line[];
  readonly failures: readonly string[];
}

const ORDER: readonly SubjectName[] = ["bare", "direct", "relay", "uncaged", "toolcrib"];

export function reportOf(row: Row, samples: readonly Sample[], failures: readonly string[]): RowReport {
  const cells = [...new Set(samples.map(({ cell }) => cell))];
  const lines = cells.flatMap((cell) => {
    const ofCell = samples.filter((sample) => sample.cell === cell);
    return row.metrics
      .filter(({ key }) => ofCell.some(({ figures }) => figures[key] !== undefined))
      .map((metric) => lineOf(row, cell, metric, ofCell));
  });
  const { name, title, against } = row;
  return { name, title, ...(against === undefined ? {} : { against }), lines, failures };
}

/** The table of one row, without colour. */
export function tableOf(report: RowReport, metrics: readonly Metric[]): string {
  const subjects = ORDER.filter((subject) =>
    report.lines.some(({ medians }) => medians[subject] !== undefined),
  );
  const ratioTitle = report.against === undefined ? [] : [`toolcrib / ${report.against}`];
  const head = ["", "", ...subjects, ...ratioTitle];
  const body = report.lines.map(({ cell, unit, medians, ratio }, index) => {
    const decimals = metrics.find((metric) => metric.unit === unit)?.decimals ?? 0;
    const figures = subjects.map((subject) => formatted(medians[subject], decimals));
    const repeated = report.lines[index - 1]?.cell === cell;
    return [repeated ? "" : cell, unit, ...figures, ...(ratioTitle.length > 0 ? [formatted(ratio, 2)] : [])];
  });
  const widths = head.map((_, column) =>
    Math.max(...[head, ...body].map((cells) => (cells[column] ?? "").length)),
  );
  const text = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  const failures = report.failures.map((failure) => `  failed: ${failure}`);
  return [`${report.name}: ${report.title}`, text(head), ...body.map(text), ...failures, ""].join("\n");
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function lineOf(
  row: Row,
  cell: string,
  { key, unit, compared = true }: Metric,
  samples: readonly Sample[],
): Line {
  const rounds: Partial<Record<SubjectName, number[]>> = {};
  for (const { subject, figures } of samples) {
    const figure = figures[key];
    if (figure !== undefined) (rounds[subject] ??= []).push(figure);
  }
  const medians = Object.fromEntries(Object.entries(rounds).map(([name, values]) => [name, median(values)]));
  const base = row.against === undefined || !compared ? undefined : rounds[row.against];
  const own = rounds.toolcrib;
  // Only rounds in which both were measured can be set against each other.
  if (base === undefined || own === undefined || base.length !== own.length)
    return { cell, unit, medians, rounds };
  const ratio = median(own.map((value, round) => value / (base[round] ?? Number.NaN)));
  return { cell, unit, medians, rounds, ratio };
}

function formatted(value: number | undefined, decimals: number): string {
  if (value === undefined || Number.isNaN(value)) return "-";
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

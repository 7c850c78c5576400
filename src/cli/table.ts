// Tables and lists of facts for a person. What stands in a cell may come from a server: it is cleaned here, for all.

import { printable } from "../model/printable.ts";

export interface Column {
  readonly head: string;
  /** `number` stands to the right. */
  readonly align?: "left" | "number";
}

/** Between two columns. */
const GAP = "  ";
/** A narrower last column would say nothing: the line is longer than the terminal then. */
const MIN_LAST_WIDTH = 12;

/** With a width, the last column is cut so that each line fits; without one nothing is cut. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  maxWidth: number | undefined,
): string {
  const lines = [columns.map(({ head }) => head), ...rows].map((cells) => cells.map(oneLine));
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((cells) => Bun.stringWidth(cells[index] ?? ""))),
  );
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0);
  const lastWidth = maxWidth === undefined ? Infinity : Math.max(MIN_LAST_WIDTH, maxWidth - before);
  const format = (cells: readonly string[]): string =>
    columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? "";
        if (index === columns.length - 1) return cut(cell, lastWidth);
        const space = " ".repeat((widths[index] ?? 0) - Bun.stringWidth(cell));
        return align === "number" ? space + cell : cell + space;
      })
      .join(GAP)
      .trimEnd();
  return `${lines.map(format).join("\n")}\n`;
}

/** `name  value` lines; a value of several lines goes on under its first one. Facts without a value are left out. */
export function formatFacts(facts: readonly (readonly [name: string, value: string | undefined])[]): string {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts
    .filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== "")
    .map(
      ([name, value]) => `${name.padEnd(width)}  ${value.replaceAll("\n", `\n${" ".repeat(width + 2)}`)}\n`,
    )
    .join("");
}

/** At most `width` columns of a terminal; what is cut shows. */
export function cut(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    used += Bun.stringWidth(character);
    if (used > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

function oneLine(text: string): string {
  return printable(text.replace(/\s+/g, " ").trim());
}

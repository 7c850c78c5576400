// What an update changes for agents, as lines for the person who says yes or no. Everything in them was written by a
// server: it is cleaned here.

import type { FieldChange, ListDiff, PreparedView } from "../model/package-view.ts";
import { printable } from "../model/printable.ts";

/** Of one side of a change. */
const MAX_LINES = 20;

export function describeDiff({ server, package: name, from, to, diff }: PreparedView): readonly string[] {
  const lists = [
    ["tools", diff.tools],
    ["prompts", diff.prompts],
    ["resources", diff.resources],
    ["resource templates", diff.resourceTemplates],
  ] as const;
  const head = from === to ? `${to}, with newer packages that it needs` : `${from} → ${to}`;
  return [
    printable(`${server}: ${name} ${head}`),
    ...(diff.isKnown ? [] : ["  what the version in use offers is not known: everything counts as new"]),
    ...lists.flatMap(([what, list]) => describeList(what, list)),
    ...describeFields(diff.handshake, "  "),
  ];
}

function describeList(what: string, list: ListDiff): readonly string[] {
  const { added, removed, changed, unchanged, leftOut } = list;
  const counts = [
    [added.length, "added"],
    [removed.length, "removed"],
    [changed.length, "changed"],
    [leftOut, "more that are not listed"],
  ] as const;
  const different = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  if (different.length === 0) return unchanged === 0 ? [] : [`  ${what}: ${unchanged}, all as before`];
  return [
    `  ${what}: ${[...different, `${unchanged} as before`].join(", ")}`,
    ...added.map((name) => `    + ${printable(name)}`),
    ...removed.map((name) => `    - ${printable(name)}`),
    ...changed.flatMap(({ name, fields }) => [
      `    ~ ${printable(name)}`,
      ...describeFields(fields, "      "),
    ]),
  ];
}

function describeFields(fields: readonly FieldChange[], indent: string): readonly string[] {
  return fields.flatMap(({ field, before, after }) => [
    `${indent}${printable(field)}`,
    ...side(`${indent}  - `, before),
    ...side(`${indent}  + `, after),
  ]);
}

function side(prefix: string, text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const lines = text.split("\n");
  const shown = lines.slice(0, MAX_LINES).map((line) => prefix + printable(line));
  return lines.length > MAX_LINES ? [...shown, `${prefix}… ${lines.length - MAX_LINES} more lines`] : shown;
}

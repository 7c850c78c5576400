// The verbs on cages: `cage` shows what one enforces, with evidence, and what it refused; `allow` widens it.

import { AppError } from "../errors.ts";
import type { AxisReport, CageReport, RefusedAttempt } from "../model/cage-report.ts";
import type { CageView, TrafficView } from "../model/cage-view.ts";
import { printable } from "../model/printable.ts";
import { pathOf } from "./client.ts";
import { paintLevel } from "./colour.ts";
import type { Context } from "./context.ts";
import { formatFacts, formatTable } from "./table.ts";

export interface AllowOptions {
  readonly write?: boolean;
  readonly learned?: boolean;
}

export async function cage(
  context: Context,
  name: string,
  { evidence = false }: { readonly evidence?: boolean } = {},
): Promise<void> {
  const view = await context.api.json<CageView>("GET", pathOf`/servers/${name}/cage`);
  if (context.json) return context.printJson(view);
  const text = describeCage(view, context.terminal.columns, evidence);
  await context.terminal.out(context.terminal.hasColour ? paintLevel(text) : text);
}

export async function allow(
  context: Context,
  [name = "", ...grants]: readonly string[],
  { write = false, learned = false }: AllowOptions,
): Promise<void> {
  if (grants.length === 0 && !learned)
    throw new AppError("usage", "Say what to allow, such as api.example.com:443 or /srv/data.");
  const view = await context.api.json<CageView>("POST", pathOf`/servers/${name}/grants`, {
    grants,
    write,
    learned,
  });
  if (context.json) return context.printJson(view);
  await context.terminal.out(`${name}: may now reach ${reach(view)}\n${paths(view)}`);
}

export function describeCage(view: CageView, columns: number | undefined, evidence: boolean): string {
  const { report, refused, traffic } = view;
  const facts = formatFacts([
    ["server", view.server],
    ["cage", view.mode === "off" ? "OFF, by an administrator's word" : levelOf(report)],
    ["minimum", view.minimum],
    ["reads", view.read.map((path) => printable(path)).join("\n")],
    ["writes", view.write.map((path) => printable(path)).join("\n")],
    ["reaches", reach(view)],
    ["learned", view.learned.map((grant) => printable(grant)).join("\n")],
    [
      "never sees",
      view.broker.map(({ name, host, header }) => printable(`${name}: ${header} for ${host}`)).join("\n"),
    ],
    ["limits", limitsOf(view)],
  ]);
  return [
    facts,
    report === undefined ? "" : axesTable(report.axes, columns),
    report === undefined || !evidence ? "" : evidenceLines(report.axes),
    refusedTable(refused, view.server, columns),
    trafficTable(traffic, columns),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function levelOf(report: CageReport | undefined): string {
  if (report === undefined) return "not known: it was not started yet";
  const { requested, level } = report;
  return requested === level ? level : `${level} (asked for: ${requested})`;
}

function limitsOf({ mode, limits: { memoryBytes, processes, cpus } }: CageView): string {
  if (mode === "off") return "none";
  return `${Math.round(memoryBytes / 1024 ** 2)} MiB of memory, ${processes} processes and threads, ${cpus} processors`;
}

function reach({ mode, network, learn }: CageView): string {
  if (mode === "off") return "everything that the appliance's user reaches";
  if (learn) return "every public address, while it learns";
  return network.length === 0 ? "nothing" : network.map((rule) => printable(rule)).join("\n");
}

function paths({ read, write }: CageView): string {
  const lines = [...read.map((path) => `reads ${path}`), ...write.map((path) => `writes ${path}`)];
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function axesTable(axes: readonly AxisReport[], columns: number | undefined): string {
  return formatTable(
    [
      { head: "AXIS" },
      { head: "ENFORCED" },
      { head: "BY" },
      { head: "FACTS", align: "number" },
      { head: "NOT ENFORCED" },
    ],
    axes.map(({ axis, enforced, mechanism, missing, evidence }) => [
      axis,
      enforced,
      mechanism,
      String(evidence.length),
      missing.map((fact) => printable(fact)).join("; "),
    ]),
    columns,
  );
}

function evidenceLines(axes: readonly AxisReport[]): string {
  return formatFacts(
    axes.map(({ axis, evidence }) => [axis, evidence.map((fact) => printable(fact)).join("\n")]),
  );
}

function refusedTable(
  refused: readonly RefusedAttempt[],
  server: string,
  columns: number | undefined,
): string {
  if (refused.length === 0) return "";
  return formatTable(
    [
      { head: "REFUSED" },
      { head: "TIMES", align: "number" },
      { head: "LAST" },
      { head: "WHY AND WHAT ALLOWS IT" },
    ],
    refused.map(({ what, count, at, reason, grant }) => [
      what,
      String(count),
      new Date(at).toISOString().slice(0, 19).replace("T", " "),
      grant === undefined ? reason : `${reason}: toolcrib allow ${server} ${grant}`,
    ]),
    columns,
  );
}

function trafficTable(traffic: readonly TrafficView[], columns: number | undefined): string {
  if (traffic.length === 0) return "";
  return formatTable(
    [
      { head: "REACHED" },
      { head: "CONNECTIONS", align: "number" },
      { head: "BYTES OUT", align: "number" },
      { head: "BYTES IN", align: "number" },
    ],
    traffic.map(({ grant, connections, bytesUp, bytesDown }) => [
      grant,
      String(connections),
      String(bytesUp),
      String(bytesDown),
    ]),
    columns,
  );
}

// `add`: shows what the words mean, asks, then installs and starts one server after the other.

import { AppError, isErrorCode } from "../errors.ts";
import type { AddEvent, PlannedServer, PlanView, Problem, ServerView } from "../model/api.ts";
import { printable } from "../model/printable.ts";
import { createProgress } from "./add-progress.ts";
import { type AddOptions, planRequest } from "./add-request.ts";
import type { Context } from "./context.ts";
import { eventsIn } from "./events-in.ts";
import { isMcpb, planMcpb } from "./mcpb.ts";
import type { Terminal } from "./terminal.ts";

type Outcome =
  | { readonly name: string; readonly outcome: "added"; readonly server: ServerView }
  /** Installed and configured, but it did not start. */
  | { readonly name: string; readonly outcome: "saved" | "failed"; readonly error: Problem };

export async function add(context: Context, words: readonly string[], options: AddOptions): Promise<number> {
  const request = await planRequest(words, options, context);
  const plan = isMcpb(words)
    ? await planMcpb(context, request, options.sha256)
    : await context.api.json<PlanView>("POST", "/plans", request);
  return addPlanned(context, plan, options);
}

/** Shows a plan, asks, and adds what is in it. */
export async function addPlanned(
  context: Context,
  plan: PlanView,
  options: Pick<AddOptions, "yes" | "replace">,
): Promise<number> {
  const { terminal } = context;
  showPlan(terminal, plan);
  if (plan.servers.length === 0) throw new AppError("usage", "There is no server in it.");
  if (!(await isWanted(context, plan, options.yes === true))) {
    terminal.talk("Nothing was added.");
    return 1;
  }
  const outcomes: Outcome[] = [];
  for (const server of plan.servers) outcomes.push(await addOne(context, server, options.replace === true));
  if (context.json) await context.printJson({ servers: outcomes, notes: plan.notes });
  return exitCodeOf(outcomes);
}

function showPlan(terminal: Terminal, { servers, notes }: PlanView): void {
  for (const { name, summary, unknownKeys } of servers) {
    terminal.talk(printable(name));
    for (const line of summary) terminal.talk(`  ${printable(line)}`);
    if (unknownKeys.length > 0) terminal.talk(`  kept, not acted on: ${printable(unknownKeys.join(", "))}`);
  }
  for (const note of notes) terminal.talk(`note: ${printable(note)}`);
}

async function isWanted(
  { terminal, signal }: Context,
  { servers }: PlanView,
  isSure: boolean,
): Promise<boolean> {
  if (isSure) return true;
  if (!terminal.canAsk) {
    throw new AppError(
      "usage",
      "Nobody can be asked here: pass --yes (in front of all other words) to add it.",
    );
  }
  return terminal.ask(`Add ${servers.length === 1 ? "it" : `these ${servers.length}`}? [y/N] `, signal);
}

async function addOne(context: Context, planned: PlannedServer, replace: boolean): Promise<Outcome> {
  const { terminal, api } = context;
  const { name, spec, package: pinned } = planned;
  const request = { name, spec, replace, ...(pinned === undefined ? {} : { package: pinned }) };
  const progress = createProgress(terminal);
  try {
    for await (const event of eventsIn<AddEvent>(api.stream("POST", "/servers", request))) {
      if (event.event === "progress") {
        progress.show(event);
        continue;
      }
      progress.end();
      return event.event === "done" ? await succeeded(context, event.server) : failed(terminal, name, event);
    }
  } finally {
    progress.end();
  }
  throw new AppError(
    "unreachable",
    `The appliance went away while it added ${name}: add it again when it is back.`,
  );
}

async function succeeded({ terminal, json }: Context, server: ServerView): Promise<Outcome> {
  const { name, state, tools } = server;
  if (!json) await terminal.out(`${name}: ${state}, ${tools} ${tools === 1 ? "tool" : "tools"}\n`);
  return { name, outcome: "added", server };
}

function failed(terminal: Terminal, name: string, event: Extract<AddEvent, { event: "failed" }>): Outcome {
  terminal.talk(`toolcrib: ${name}: ${printable(event.error.detail)}`);
  if (event.saved) {
    terminal.talk(
      `It stays configured: "toolcrib logs ${name}" says more, "toolcrib rm ${name}" takes it away.`,
    );
  }
  return { name, outcome: event.saved ? "saved" : "failed", error: event.error };
}

/** That of the only server; for several, 1 when one of them failed. */
function exitCodeOf(outcomes: readonly Outcome[]): number {
  const errors = outcomes.flatMap((outcome) => (outcome.outcome === "added" ? [] : [outcome.error]));
  const [first] = errors;
  if (first === undefined) return 0;
  if (outcomes.length > 1 || !isErrorCode(first.code)) return 1;
  return new AppError(first.code, first.detail).exitCode;
}

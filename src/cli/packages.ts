// The verbs on packages: `update` shows what a newer version would change, asks, and switches; `rollback` goes back.

import { AppError, isErrorCode } from "../errors.ts";
import type { Problem } from "../model/api.ts";
import type { PreparedView, SwitchView, UpdateEvent, UpdateView } from "../model/package-view.ts";
import { printable } from "../model/printable.ts";
import { createProgress } from "./add-progress.ts";
import { pathOf } from "./client.ts";
import type { Context } from "./context.ts";
import { eventsIn } from "./events-in.ts";
import { describeDiff } from "./offer-diff.ts";
import { formatTable } from "./table.ts";

export interface UpdateOptions {
  readonly check?: boolean;
  readonly yes?: boolean;
}

type Outcome =
  | { readonly server: string; readonly outcome: "current"; readonly update: UpdateView }
  | { readonly server: string; readonly outcome: "switched" | "declined"; readonly prepared: PreparedView }
  | { readonly server: string; readonly outcome: "failed"; readonly error: Problem };

export async function update(
  context: Context,
  names: readonly string[],
  { check = false, yes = false }: UpdateOptions,
): Promise<number> {
  if (check) return checkOnly(context, names);
  const wanted = names.length > 0 ? names : await namesOfPackaged(context);
  if (wanted.length === 0) context.terminal.talk("No server runs a package of the vault.");
  const outcomes: Outcome[] = [];
  for (const name of wanted) outcomes.push(await updateOne(context, name, yes));
  if (context.json) await context.printJson({ updates: outcomes });
  return exitCodeOf(outcomes);
}

export async function rollback(context: Context, name: string): Promise<void> {
  const view = await context.api.json<SwitchView>("POST", pathOf`/servers/${name}/rollback`);
  if (context.json) return context.printJson(view);
  await context.terminal.out(`${name}: back to ${printable(view.to)} from ${printable(view.from)}\n`);
}

async function checkOnly(context: Context, names: readonly string[]): Promise<number> {
  const { terminal } = context;
  const updates = await updatesOf(context, names);
  if (context.json) {
    await context.printJson({ updates });
    return 0;
  }
  if (updates.length === 0) {
    terminal.talk("No server runs a package of the vault.");
    return 0;
  }
  const rows = updates.map(({ server, package: name, version, newest = "?", state, note }) => [
    server,
    name,
    version,
    newest,
    note === undefined ? state : `${state}: ${note}`,
  ]);
  const heads = ["SERVER", "PACKAGE", "VERSION", "NEWEST", "STATE"].map((head) => ({ head }));
  await terminal.out(formatTable(heads, rows, terminal.columns));
  return 0;
}

/** Those without a newer version are told so one by one; those whose command line names a version are left alone. */
async function namesOfPackaged(context: Context): Promise<readonly string[]> {
  const updates = await updatesOf(context, []);
  return updates.filter(({ state }) => state !== "pinned").map(({ server }) => server);
}

async function updatesOf({ api }: Context, names: readonly string[]): Promise<readonly UpdateView[]> {
  const query = names.map((name) => `server=${encodeURIComponent(name)}`).join("&");
  const answer = await api.json<{ updates: readonly UpdateView[] }>(
    "GET",
    query === "" ? "/updates" : `/updates?${query}`,
  );
  return answer.updates;
}

async function updateOne(context: Context, name: string, yes: boolean): Promise<Outcome> {
  const { terminal, api, json, signal } = context;
  const last = await prepare(context, name);
  if (last.event === "failed") return failed(context, name, last.error);
  if (last.event === "current") {
    const { update: found } = last;
    const why = found.note === undefined ? "is the newest" : `stays: ${found.note}`;
    if (!json) await terminal.out(`${name}: ${printable(`${found.version} ${why}`)}\n`);
    return { server: name, outcome: "current", update: found };
  }
  const { prepared } = last;
  for (const line of describeDiff(prepared)) terminal.talk(line);
  if (!yes && !terminal.canAsk) {
    terminal.talk(`Nobody can be asked here: ${name} stays as it is; pass --yes to switch.`);
    return { server: name, outcome: "declined", prepared };
  }
  if (!yes && !(await terminal.ask(`Switch ${name} to ${printable(prepared.to)}? [y/N] `, signal))) {
    terminal.talk(`${name} stays as it is.`);
    return { server: name, outcome: "declined", prepared };
  }
  try {
    const { candidate } = prepared;
    const { from, to } = await api.json<SwitchView>("POST", pathOf`/servers/${name}/switch`, { candidate });
    if (!json) await terminal.out(`${name}: ${printable(to)} instead of ${printable(from)}\n`);
    terminal.talk(`"toolcrib rollback ${name}" goes back.`);
    return { server: name, outcome: "switched", prepared };
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code === "interrupted") throw thrown;
    const { code, message, httpStatus } = thrown;
    return failed(context, name, {
      type: "about:blank",
      title: code,
      status: httpStatus,
      detail: message,
      code,
    });
  }
}

type LastEvent = Exclude<UpdateEvent, { event: "progress" }>;

async function prepare({ terminal, api }: Context, name: string): Promise<LastEvent> {
  const progress = createProgress(terminal);
  try {
    for await (const event of eventsIn<UpdateEvent>(api.stream("POST", pathOf`/servers/${name}/update`))) {
      if (event.event !== "progress") return event;
      progress.show(event);
    }
  } finally {
    progress.end();
  }
  throw new AppError(
    "unreachable",
    `The appliance went away while it updated ${name}: nothing was switched; try again when it is back.`,
  );
}

function failed({ terminal }: Context, name: string, error: Problem): Outcome {
  terminal.talk(`toolcrib: ${name}: ${printable(error.detail)}`);
  return { server: name, outcome: "failed", error };
}

/** That of the only server; for several, 1 when one of them failed or was declined. */
function exitCodeOf(outcomes: readonly Outcome[]): number {
  const [first, ...others] = outcomes.filter(({ outcome }) => outcome === "failed" || outcome === "declined");
  if (first === undefined) return 0;
  if (first.outcome !== "failed" || others.length > 0 || outcomes.length > 1) return 1;
  const { code, detail } = first.error;
  return isErrorCode(code) ? new AppError(code, detail).exitCode : 1;
}

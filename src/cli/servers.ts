// The verbs on servers that are there: ls, show, rm, enable, disable, restart.

import type { ServerView } from "../model/api.ts";
import { pathOf } from "./client.ts";
import type { Context } from "./context.ts";
import { paintState } from "./colour.ts";
import { describeServer } from "./server-facts.ts";
import { formatTable } from "./table.ts";

export async function list(context: Context): Promise<void> {
  const { terminal, api } = context;
  const answer = await api.json<{ servers: readonly ServerView[] }>("GET", "/servers");
  if (context.json) return context.printJson(answer);
  if (answer.servers.length === 0) {
    return terminal.talk(
      'There are no servers yet: "toolcrib add" takes a package, a command line, a URL or a file.',
    );
  }
  const table = formatTable(
    [
      { head: "NAME" },
      { head: "STATE" },
      { head: "CAGE" },
      { head: "MEMORY", align: "number" },
      { head: "TOOLS", align: "number" },
      { head: "RUNS" },
    ],
    answer.servers.map(({ name, state, tools, runs, cage = "", usage }) => [
      name,
      state,
      cage === "off" ? "OFF" : cage,
      usage === undefined ? "" : `${Math.round(usage.memoryBytes / 1024 ** 2)} MiB`,
      String(tools),
      runs,
    ]),
    terminal.columns,
  );
  await terminal.out(terminal.hasColour ? paintState(table) : table);
}

export async function show(context: Context, name: string): Promise<void> {
  const server = await context.api.json<ServerView>("GET", pathOf`/servers/${name}`);
  if (context.json) return context.printJson(server);
  await context.terminal.out(describeServer(server));
}

export async function rm(context: Context, name: string): Promise<void> {
  await context.api.json("DELETE", pathOf`/servers/${name}`);
  if (context.json) return context.printJson({ removed: name });
  await context.terminal.out(`${name}: removed\n`);
}

export async function enable(context: Context, name: string): Promise<void> {
  await change(context, name, "enable");
}

export async function disable(context: Context, name: string): Promise<void> {
  await change(context, name, "disable");
}

export async function restart(context: Context, name: string): Promise<void> {
  await change(context, name, "restart");
}

async function change(context: Context, name: string, action: string): Promise<void> {
  const server = await context.api.json<ServerView>("POST", `${pathOf`/servers/${name}`}/${action}`);
  if (context.json) return context.printJson(server);
  await context.terminal.out(`${server.name}: ${server.state}\n`);
}

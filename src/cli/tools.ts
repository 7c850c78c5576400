// `tools`: what a caller sees.

import type { ToolView } from "../model/api.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

export interface CallerOptions {
  readonly as?: string;
}

export async function tools(context: Context, { as }: CallerOptions): Promise<void> {
  const { terminal, api } = context;
  const query = as === undefined ? "" : `?as=${encodeURIComponent(as)}`;
  const answer = await api.json<{ tools: readonly ToolView[] }>("GET", `/tools${query}`);
  if (context.json) return context.printJson(answer);
  if (answer.tools.length === 0) {
    return terminal.talk('There are no tools: "toolcrib ls" tells which servers are ready.');
  }
  const rows = answer.tools.map(({ name, title, description }) => [
    name,
    firstLine(description ?? title ?? ""),
  ]);
  await terminal.out(formatTable([{ head: "NAME" }, { head: "DESCRIPTION" }], rows, terminal.columns));
}

function firstLine(text: string): string {
  return text.trimStart().split("\n", 1)[0] ?? "";
}

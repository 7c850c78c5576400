// `add server.json`: the first way of the registry's description that can be used here, as a plan. Pure. Called by
// document.ts.

import type { PlanView } from "../../model/api.ts";
import { checkName, finish, type PlanContext, type PlanOptions, usage } from "./draft.ts";
import { parseServerJson, planServerJson } from "./server-json.ts";

/** @throws AppError `usage`; for an MCP bundle, with the command that adds it */
export function planFromServerJson(document: unknown, options: PlanOptions, context: PlanContext): PlanView {
  const { name, ways, notes } = planServerJson(parseServerJson(document));
  const [way] = ways;
  if (way.kind === "bundle") {
    throw usage(
      `${name}: is an MCP bundle: add it with "toolcrib add --name ${name} --sha256 ${way.sha256} ${way.url}".`,
    );
  }
  const planned = way.plan(options.answers ?? {});
  const draft = { ...planned.draft, name: options.name === undefined ? name : checkName(options.name) };
  const { server, notes: more } = finish(draft, options, new Map(), context);
  return { servers: [server], notes: [...notes, ...planned.notes, ...more] };
}

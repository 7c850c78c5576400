// The last steps of the planner for a server whose package is in the vault already: an MCP bundle. Pure. Called by
// control/mcpb.ts.

import type { PlanView } from "../../model/api.ts";
import type { PinnedPackage } from "../../model/server-spec.ts";
import { printable } from "../../model/printable.ts";
import type { McpbManifest } from "../../package/mcpb-manifest.ts";
import { checkName, finish, type PlanContext, type PlanOptions } from "./draft.ts";
import { planMcpb } from "./mcpb.ts";

/** @throws AppError `usage` */
export function planFromBundle(
  manifest: McpbManifest,
  pinned: PinnedPackage,
  options: PlanOptions,
  context: PlanContext,
): PlanView {
  const { draft, needsBundle, notes } = planMcpb(manifest, options.answers ?? {});
  const named = { ...draft, name: options.name === undefined ? draft.name : checkName(options.name) };
  const { server, notes: more } = finish(named, options, new Map(), context);
  // What the bundle's own place stands for is filled in by each start.
  const all = [...notes, ...more.filter((note) => !note.includes("${__dirname}"))];
  if (!needsBundle) return { servers: [server], notes: all };
  const from = `from: the bundle ${printable(`${pinned.name}@${pinned.version}`, 200)}, in the vault by its hash; nothing more is fetched`;
  const summary = server.summary.map((line) => (line.startsWith("from: ") ? from : line));
  return { servers: [{ ...server, summary, package: pinned }], notes: all };
}

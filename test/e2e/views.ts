// What the command line prints with --json, as far as these tests rely on it: a second, independent statement of
// the shapes, so that a change of the product's own schemas does not go unseen.

import * as v from "valibot";
import type { Crib } from "./appliance.ts";

const STATES = [
  "disabled",
  "stopped",
  "starting",
  "ready",
  "backing-off",
  "crash-loop",
  "needs-sign-in",
  "blocked",
] as const;

const Server = v.looseObject({
  name: v.string(),
  kind: v.picklist(["stdio", "http"]),
  state: v.picklist(STATES),
  reason: v.optional(v.string()),
  enabled: v.boolean(),
  runs: v.string(),
  package: v.optional(v.object({ name: v.string(), version: v.string(), integrity: v.string() })),
  env: v.array(v.string()),
  unknownKeys: v.array(v.string()),
  pid: v.optional(v.number()),
  exits: v.number(),
  inFlight: v.number(),
  tools: v.number(),
  toolNames: v.array(v.string()),
  lastCrash: v.optional(v.string()),
});
export type Server = v.InferOutput<typeof Server>;

const Tool = v.looseObject({ name: v.string(), server: v.string() });
const Token = v.looseObject({
  id: v.string(),
  name: v.string(),
  servers: v.union([v.literal("all"), v.array(v.string())]),
  expired: v.boolean(),
  lastUsedAt: v.optional(v.string()),
});
const Setting = v.looseObject({ key: v.string(), value: v.string(), source: v.string() });
const Content = v.looseObject({ type: v.string(), text: v.optional(v.string()) });

/** A tool result, as `call --json` prints it and as clients get it. */
export const ToolResult = v.looseObject({
  content: v.array(Content),
  isError: v.optional(v.boolean()),
});

export async function serversOf(crib: Crib): Promise<readonly Server[]> {
  return v.parse(v.object({ servers: v.array(Server) }), await crib.json("ls")).servers;
}

export async function serverNamesOf(crib: Crib): Promise<readonly string[]> {
  return (await serversOf(crib)).map(({ name }) => name).toSorted();
}

export async function serverOf(crib: Crib, name: string): Promise<Server> {
  return v.parse(Server, await crib.json("show", name));
}

export async function toolNamesOf(crib: Crib): Promise<readonly string[]> {
  const { tools } = v.parse(v.object({ tools: v.array(Tool) }), await crib.json("tools"));
  return tools.map(({ name }) => name).toSorted();
}

export async function tokensOf(crib: Crib): Promise<readonly v.InferOutput<typeof Token>[]> {
  return v.parse(v.object({ tokens: v.array(Token) }), await crib.json("token", "ls")).tokens;
}

export async function settingsOf(crib: Crib): Promise<readonly v.InferOutput<typeof Setting>[]> {
  return v.parse(v.object({ settings: v.array(Setting) }), await crib.json("settings")).settings;
}

/** The text of the first content block. */
export function textOf(result: unknown): string {
  return v.parse(ToolResult, result).content[0]?.text ?? "";
}

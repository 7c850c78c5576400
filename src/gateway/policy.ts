// May this caller do this? One function, deny by default; the answer carries its reason.

import type { Caller } from "./caller.ts";

export type Decision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

const ALLOWED: Decision = { allowed: true };

/** Using a server: seeing its lists, calling its tools, reading its prompts and resources. */
export function mayUseServer(caller: Caller, server: string): Decision {
  if (caller.servers === undefined || caller.servers.includes(server)) return ALLOWED;
  return { allowed: false, reason: `The token "${caller.name}" is not scoped to server ${server}.` };
}

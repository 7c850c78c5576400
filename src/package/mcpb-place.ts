// Where an MCP bundle belongs in the vault: the same files mean the same place. Called by whatever unpacks one.

import { join } from "node:path";

/** Relative to the vault. @param tree SHA-256 of its whole tree, hex */
export function mcpbPath(name: string, version: string, tree: string): string {
  const safe = (text: string): string =>
    text
      .replaceAll("/", "+")
      .replaceAll(/[^\w.+@-]/g, "_")
      .slice(0, 100);
  return join("mcpb", `${safe(name)}@${safe(version)}-${tree.slice(0, 12)}`);
}

// Words of the Model Context Protocol: revisions, headers, methods and error codes that Toolcrib acts on.

/** Revisions with `initialize` and sessions, newest first. */
export const LEGACY_REVISIONS = [
  "2025-11-25",
  "2025-06-18",
  "2025-03-26",
  "2024-11-05",
  "2024-10-07",
] as const;
/** Revisions with per-request `_meta` and no session, newest first. */
export const MODERN_REVISIONS = ["2026-07-28"] as const;

export const LATEST_LEGACY_REVISION = LEGACY_REVISIONS[0];

export function isLegacyRevision(value: string): boolean {
  return (LEGACY_REVISIONS as readonly string[]).includes(value);
}
export function isModernRevision(value: string): boolean {
  return (MODERN_REVISIONS as readonly string[]).includes(value);
}

export const META = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  logLevel: "io.modelcontextprotocol/logLevel",
  serverInfo: "io.modelcontextprotocol/serverInfo",
} as const;

export const RPC = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** Legacy revisions only; modern ones use invalidParams. */
  resourceNotFound: -32002,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedVersion: -32022,
} as const;

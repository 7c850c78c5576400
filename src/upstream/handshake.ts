// The legacy handshake towards a server (MCP 2025-11-25, Lifecycle, Initialization), apart from how its bytes
// travel. Used by every connector.

import { AppError } from "../errors.ts";
import { isLegacyRevision, LATEST_LEGACY_REVISION } from "../model/protocol.ts";
import { encodeJson } from "../wire/compose.ts";
import { findMember, textOf } from "../wire/json-scan.ts";
import type { Hello } from "./upstream.ts";

/** It is kept, saved, and told to every agent. */
const MAX_HELLO_BYTES = 1_048_576;

export interface ClientInfo {
  readonly name: string;
  readonly version: string;
}

/** No client capability is claimed: what Toolcrib cannot carry to an agent yet, a server must not ask for. */
export function initializeParams(clientInfo: ClientInfo): Uint8Array {
  return encodeJson({ protocolVersion: LATEST_LEGACY_REVISION, capabilities: {}, clientInfo });
}

/**
 * What the server answered to `initialize`, its objects kept as they came.
 * @throws AppError `start-failed` when it is not an answer to work with.
 */
export function readHello(result: Uint8Array): Hello {
  if (result.length > MAX_HELLO_BYTES) {
    throw new AppError("start-failed", `The server's answer to initialize is over ${MAX_HELLO_BYTES} bytes.`);
  }
  const revision = member(result, "protocolVersion");
  const capabilities = member(result, "capabilities");
  if (revision === undefined || capabilities === undefined || !isObject(capabilities)) {
    throw new AppError(
      "start-failed",
      "The server's answer to initialize lacks protocolVersion or capabilities.",
    );
  }
  const version: unknown = parsed(revision);
  if (typeof version !== "string" || !isLegacyRevision(version)) {
    throw new AppError(
      "start-failed",
      `The server speaks protocol revision ${String(version).slice(0, 40)}, which this version does not speak.`,
    );
  }
  const serverInfo = member(result, "serverInfo");
  const instructions: unknown = parsed(member(result, "instructions") ?? "null");
  return {
    revision: version,
    capabilities,
    serverInfo: serverInfo !== undefined && isObject(serverInfo) ? serverInfo : "{}",
    instructions: typeof instructions === "string" ? instructions : undefined,
  };
}

function member(result: Uint8Array, name: string): string | undefined {
  const found = findMember(result, 0, name);
  return found === undefined ? undefined : textOf(result, found.start, found.end);
}

/** NB: a slice is lexically closed and no more; what is kept and shown to others has to be JSON. */
function isObject(json: string): boolean {
  const value: unknown = parsed(json);
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

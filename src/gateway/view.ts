// What one scope of the catalog answers: its lists as ready-made bytes, and who serves a name. Two kinds implement
// it: the merged one (merged-view.ts) and a single server's own endpoint (here), which changes nothing.

import type { ServerOffer } from "../model/server-offer.ts";
import { encodeJson, encodeText, type Piece } from "../wire/compose.ts";
import { decodeString, elementRanges, findMember, textOf } from "../wire/json-scan.ts";

export interface CatalogServer {
  readonly name: string;
  /** Undefined as long as it was never read: the server is known, its tools are not. */
  readonly offer: ServerOffer | undefined;
  /** When it was added, in milliseconds since the epoch: what two servers claim belongs to the one that was first. */
  readonly addedAt?: number;
}

export interface Implementation {
  readonly name: string;
  readonly title: string;
  readonly version: string;
}

export type ListKind = "tools" | "prompts" | "resources" | "resourceTemplates";
export const LIST_KINDS: readonly ListKind[] = ["tools", "prompts", "resources", "resourceTemplates"];

/** Where a name leads: the server, and the name that the server itself uses. */
export interface Target {
  readonly server: string;
  readonly name: string;
}

export type NameKind = "tools" | "prompts";

export interface View {
  /** The scope is one server: unknown methods may be passed on to it, names are its own. */
  readonly only: string | undefined;
  /** The raw JSON array of a list. */
  list(kind: ListKind): Uint8Array;
  resolve(kind: NameKind, name: string): Target | undefined;
  /** The server that has the resource. */
  resolveResource(uri: string): string | undefined;
  /** By its own hints, calling the tool a second time does no harm. False for one that is not known. */
  isRepeatable(tool: string): boolean;
  /** Names for a "did you mean". */
  names(kind: NameKind): readonly string[];
  /** Raw JSON objects, and text. */
  readonly capabilities: string;
  /** The same without a promise to tell of changes: that takes subscriptions/listen, which is not served yet. */
  readonly modernCapabilities: string;
  readonly serverInfo: string;
  readonly instructions: string | undefined;
}

/** Capabilities that come with lists, and with notifications when these change. */
export const LISTED: readonly string[] = ["tools", "prompts", "resources"];

const EMPTY: Uint8Array = new TextEncoder().encode("[]");

export function listOf(offer: ServerOffer | undefined, kind: ListKind): Uint8Array {
  return offer?.[kind] ?? EMPTY;
}

/** The raw elements of a list, each with the value of one string member; those without it are left out. */
export function* namedElements(
  list: Uint8Array,
  member: string,
): Generator<{ element: Uint8Array; value: string; at: { start: number; end: number } }> {
  const ranges = elementRanges(list, 0) ?? [];
  for (let index = 0; index + 1 < ranges.length; index += 2) {
    const element = list.subarray(ranges[index], ranges[index + 1]);
    const at = findMember(element, 0, member);
    if (at === undefined) continue;
    const value = decodeString(element, at.start, at.end);
    if (value !== undefined) yield { element, value, at };
  }
}

/** Asked when a call is lost, which is when all that are under way are: the hints are read once. */
export function repeatableTools(tools: () => Uint8Array): View["isRepeatable"] {
  let names: ReadonlySet<string> | undefined;
  return (tool) => {
    names ??= new Set(
      [...namedElements(tools(), "name")].flatMap(({ element, value }) =>
        isRepeatable(element) ? value : [],
      ),
    );
    return names.has(tool);
  };
}

/** MCP 2025-11-25, Server Features, Tools, ToolAnnotations. What is not said is taken for the worse. */
function isRepeatable(tool: Uint8Array): boolean {
  const hints = findMember(tool, 0, "annotations");
  if (hints === undefined) return false;
  return ["readOnlyHint", "idempotentHint"].some((name) => {
    const hint = findMember(tool, hints.start, name);
    return hint !== undefined && textOf(tool, hint.start, hint.end) === "true";
  });
}

/** A server's own endpoint: its lists, names and words as they are. */
export function serverView(server: CatalogServer): View {
  const { name, offer } = server;
  const names = (kind: NameKind): string[] =>
    [...namedElements(listOf(offer, kind), "name")].map((entry) => entry.value);
  return {
    only: name,
    list: (kind) => listOf(offer, kind),
    // The server knows its names best: what it does not have, it refuses in its own words.
    resolve: (_kind, wanted) => ({ server: name, name: wanted }),
    resolveResource: () => name,
    isRepeatable: repeatableTools(() => listOf(offer, "tools")),
    names,
    ...describeCapabilities(forwardedCapabilities(offer)),
    serverInfo: offer?.serverInfo ?? JSON.stringify({ name, version: "0" }),
    instructions: offer?.instructions,
  };
}

/** Of what the server claims, what is carried to agents today. */
function forwardedCapabilities(offer: ServerOffer | undefined): readonly string[] {
  if (offer === undefined) return LISTED;
  const claimed: unknown = JSON.parse(offer.capabilities);
  if (typeof claimed !== "object" || claimed === null) return [];
  return [...LISTED, "completions"].filter((name) => name in claimed);
}

/** For a View that carries the capabilities of these names. */
export function describeCapabilities(
  names: readonly string[],
): Pick<View, "capabilities" | "modernCapabilities"> {
  const described = (listed: object): string =>
    JSON.stringify(Object.fromEntries(names.map((name) => [name, LISTED.includes(name) ? listed : {}])));
  return { capabilities: described({ listChanged: true }), modernCapabilities: described({}) };
}

/** The members that the results of `initialize` and `server/discover` share. */
export function describeView(view: View, capabilities = view.capabilities): Piece[] {
  const pieces: Piece[] = ['"capabilities":', encodeText(capabilities)];
  if (view.instructions !== undefined) pieces.push(',"instructions":', encodeJson(view.instructions));
  return pieces;
}

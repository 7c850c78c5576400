// The merged view: the lists of several servers as one, with names that say whose they are.

import { mergedName, serverOfMergedName } from "./merged-names.ts";
import { compose, splice, type Piece } from "../wire/compose.ts";
import {
  describeCapabilities,
  LISTED,
  listOf,
  namedElements,
  repeatableTools,
  type CatalogServer,
  type Implementation,
  type ListKind,
  type NameKind,
  type Target,
  type View,
} from "./view.ts";

/** Of each server's instructions, so that one of them cannot drown the others. */
const MAX_INSTRUCTION_CHARACTERS = 4_000;
const MAX_TEMPLATE_CHARACTERS = 2_000;
/** A longer URI is only found where a server lists it. */
const MAX_MATCHED_URI = 8_192;

interface NamedList {
  readonly bytes: Uint8Array;
  readonly targets: ReadonlyMap<string, Target>;
}

interface ResourceLists {
  readonly resources: Uint8Array;
  readonly templates: Uint8Array;
  readonly owners: ReadonlyMap<string, string>;
  readonly patterns: readonly { readonly literals: readonly string[]; readonly server: string }[];
}

/** `servers` in the order in which their entries shall stand. Lists are made when they are first asked for. */
export function mergedView(servers: readonly CatalogServer[], self: Implementation): View {
  const named = new Map<NameKind, NamedList>();
  const namedList = (kind: NameKind): NamedList => {
    const made = named.get(kind) ?? mergeNamed(servers, kind);
    named.set(kind, made);
    return made;
  };
  let merged: ResourceLists | undefined;
  const resourceLists = (): ResourceLists => (merged ??= mergeResources(servers));
  const lists: Record<ListKind, () => Uint8Array> = {
    tools: () => namedList("tools").bytes,
    prompts: () => namedList("prompts").bytes,
    resources: () => resourceLists().resources,
    resourceTemplates: () => resourceLists().templates,
  };
  return {
    only: undefined,
    list: (kind) => lists[kind](),
    resolve: (kind, name) => namedList(kind).targets.get(name) ?? unreadTarget(servers, name),
    resolveResource: (uri) => {
      const { owners, patterns } = resourceLists();
      return owners.get(uri) ?? patterns.find((entry) => matchesTemplate(entry.literals, uri))?.server;
    },
    isRepeatable: repeatableTools(lists.tools),
    names: (kind) => [...namedList(kind).targets.keys()],
    ...describeCapabilities(LISTED),
    serverInfo: JSON.stringify(self),
    instructions: mergedInstructions(servers),
  };
}

function mergeNamed(servers: readonly CatalogServer[], kind: NameKind): NamedList {
  const targets = new Map<string, Target>();
  const pieces: Piece[] = [];
  for (const server of servers) {
    for (const { element, value, at } of namedElements(listOf(server.offer, kind), "name")) {
      const name = mergedName(server.name, value);
      // A server that lists one name twice gets it once: the first is what its callers would reach.
      if (targets.has(name)) continue;
      targets.set(name, { server: server.name, name: value });
      pieces.push(pieces.length === 0 ? "[" : ",", splice(element, at, JSON.stringify(name)));
    }
  }
  return { bytes: pieces.length === 0 ? compose("[]") : compose(...pieces, "]"), targets };
}

/** A server whose lists were never read may have any tool: the call starts it, and the server answers for itself. */
function unreadTarget(servers: readonly CatalogServer[], name: string): Target | undefined {
  const parts = serverOfMergedName(name);
  const server = parts === undefined ? undefined : servers.find((each) => each.name === parts.server);
  if (parts === undefined || server === undefined || server.offer !== undefined) return undefined;
  return { server: server.name, name: parts.rest };
}

function mergeResources(servers: readonly CatalogServer[]): ResourceLists {
  const owners = new Map<string, string>();
  const patterns: { literals: readonly string[]; server: string }[] = [];
  const resources: Piece[] = [];
  const templates: Piece[] = [];
  // A URI says nothing of its server: one that lists another's must not take it over.
  const byAge = servers.toSorted((a, b) => (a.addedAt ?? 0) - (b.addedAt ?? 0));
  for (const { name, offer } of byAge) {
    for (const { element, value } of namedElements(listOf(offer, "resources"), "uri")) {
      if (owners.has(value)) continue;
      owners.set(value, name);
      resources.push(resources.length === 0 ? "[" : ",", element);
    }
    for (const { element, value } of namedElements(listOf(offer, "resourceTemplates"), "uriTemplate")) {
      patterns.push({ literals: templateLiterals(value), server: name });
      templates.push(templates.length === 0 ? "[" : ",", element);
    }
  }
  // The most specific first: `{x}` of one server must not answer for everybody's resources.
  patterns.sort((a, b) => literalLength(b.literals) - literalLength(a.literals));
  return {
    resources: resources.length === 0 ? compose("[]") : compose(...resources, "]"),
    templates: templates.length === 0 ? compose("[]") : compose(...templates, "]"),
    owners,
    patterns,
  };
}

/** The literal parts of a template (RFC 6570); anything may stand where its expressions are. */
function templateLiterals(template: string): readonly string[] {
  return template.slice(0, MAX_TEMPLATE_CHARACTERS).split(/(?:\{[^{}]*\})+/);
}

function literalLength(literals: readonly string[]): number {
  return literals.reduce((sum, literal) => sum + literal.length, 0);
}

/** Leftmost literal after literal: linear, where a pattern of the server's making could explode. */
function matchesTemplate(literals: readonly string[], uri: string): boolean {
  const first = literals[0] ?? "";
  const last = literals.at(-1) ?? "";
  if (uri.length > MAX_MATCHED_URI) return false;
  if (literals.length < 2) return uri === first;
  if (!uri.startsWith(first)) return false;
  let at = first.length;
  for (const literal of literals.slice(1, -1)) {
    const found = uri.indexOf(literal, at);
    if (found < 0) return false;
    at = found + literal.length;
  }
  return uri.length - last.length >= at && uri.endsWith(last);
}

function mergedInstructions(servers: readonly CatalogServer[]): string | undefined {
  const parts = servers.flatMap(({ name, offer }) =>
    offer?.instructions === undefined
      ? []
      : [`# ${name}\n${offer.instructions.slice(0, MAX_INSTRUCTION_CHARACTERS)}`],
  );
  return parts.length === 0 ? undefined : parts.join("\n\n");
}

// A configured server and its state as the API shows it. Values of variables and headers never appear.

import { showSpec } from "./import/summary.ts";
import type { ServerView } from "../model/api.ts";
import type { ServerOffer } from "../model/server-offer.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import type { ServerStatus } from "../model/server-state.ts";
import { decodeString, elementRanges, findMember } from "../wire/json-scan.ts";

export function serverView(
  server: ConfiguredServer,
  status: ServerStatus,
  offer: ServerOffer | undefined,
): ServerView {
  const { spec } = server;
  const stdio = spec.kind === "stdio" ? spec : undefined;
  const pinned = server.package;
  return {
    name: server.name,
    kind: spec.kind,
    state: status.state,
    since: new Date(status.since).toISOString(),
    ...(status.reason === undefined ? {} : { reason: status.reason }),
    enabled: server.enabled,
    runs: showSpec(spec),
    ...(pinned === undefined
      ? {}
      : { package: { name: pinned.name, version: pinned.version, integrity: pinned.integrity } }),
    env: Object.keys(stdio?.env ?? {}),
    headers: spec.kind === "http" ? Object.keys(spec.headers) : [],
    read: stdio?.cage.read ?? [],
    write: stdio?.cage.write ?? [],
    network: stdio?.cage.network ?? [],
    unknownKeys: Object.keys(spec.extra),
    ...(status.pid === undefined ? {} : { pid: status.pid }),
    exits: status.exits,
    ...(status.nextStartAt === undefined ? {} : { nextStartAt: new Date(status.nextStartAt).toISOString() }),
    inFlight: status.inFlight,
    instances: status.instances,
    ...(status.usage === undefined ? {} : { usage: status.usage }),
    ...(spec.kind === "http" ? {} : { asksMemoryBytes: status.asksMemoryBytes }),
    ...(offer === undefined ? {} : { revision: offer.revision, serverInfo: readServerInfo(offer) }),
    tools: countOf(offer?.tools),
    prompts: countOf(offer?.prompts),
    resources: countOf(offer?.resources),
    resourceTemplates: countOf(offer?.resourceTemplates),
    toolNames: offer === undefined ? [] : stringsOf(offer.tools, "name"),
    createdAt: new Date(server.createdAt).toISOString(),
  };
}

/** Entries of a raw list. */
export function countOf(list: Uint8Array | undefined): number {
  return list === undefined ? 0 : (elementRanges(list, 0)?.length ?? 0) / 2;
}

function stringsOf(list: Uint8Array, member: string): string[] {
  const ranges = elementRanges(list, 0) ?? [];
  const found: string[] = [];
  for (let index = 0; index + 1 < ranges.length; index += 2) {
    const element = list.subarray(ranges[index], ranges[index + 1]);
    const at = findMember(element, 0, member);
    const value = at === undefined ? undefined : decodeString(element, at.start, at.end);
    if (value !== undefined) found.push(value);
  }
  return found;
}

function readServerInfo(offer: ServerOffer): { name?: string; version?: string } {
  const info: unknown = JSON.parse(offer.serverInfo);
  if (typeof info !== "object" || info === null) return {};
  const name = "name" in info && typeof info.name === "string" ? info.name : undefined;
  const version = "version" in info && typeof info.version === "string" ? info.version : undefined;
  return { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) };
}

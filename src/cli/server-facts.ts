// All that is known of one server, for a person: facts, its last crash, and what to do next.

import type { ServerView } from "../model/api.ts";
import { printable } from "../model/printable.ts";
import type { ServerState } from "../model/server-state.ts";
import { formatFacts } from "./table.ts";
import { cleanLines } from "./terminal.ts";

/** What a person may do about a state. */
const NEXT: Readonly<Partial<Record<ServerState, (name: string) => string>>> = {
  disabled: (name) => `toolcrib enable ${name}`,
  "backing-off": (name) => `toolcrib logs ${name}, then toolcrib restart ${name} to start it at once`,
  "crash-loop": (name) => `toolcrib logs ${name}; when the reason is gone, toolcrib restart ${name}`,
  "needs-sign-in": () =>
    "signing in to remote servers is not in this version: add it with a token in its headers",
  blocked: (name) => `toolcrib doctor, then toolcrib restart ${name}`,
};

const SHOWN_REFUSALS = 5;

export function describeServer(server: ServerView): string {
  const facts = formatFacts([
    ["name", server.name],
    ["state", stateOf(server)],
    ["reason", server.reason && cleanLines(server.reason)],
    ["next", NEXT[server.state]?.(server.name)],
    [server.kind === "http" ? "reaches" : "runs", printable(server.runs)],
    ["package", packageOf(server)],
    ["reads", lines(server.read)],
    ["writes", lines(server.write)],
    ["reaches", server.kind === "http" ? "" : lines(server.network)],
    ["cage", cageOf(server)],
    ["refused", refusedBy(server)],
    ["environment", words(server.env)],
    ["headers", words(server.headers)],
    ["kept", server.unknownKeys.length === 0 ? "" : `${words(server.unknownKeys)} (not acted on)`],
    ["speaks", server.revision && printable(server.revision)],
    ["calls itself", selfOf(server)],
    ["offers", offersOf(server)],
    ["tools", words(server.toolNames)],
    ["uses", usageOf(server)],
    ["in flight", server.inFlight === 0 ? "" : String(server.inFlight)],
    ["exits", server.exits === 0 ? "" : `${server.exits} unexpected since the appliance started`],
    ["next start", server.nextStartAt && timeOf(server.nextStartAt)],
    ["added", timeOf(server.createdAt)],
  ]);
  if (server.lastCrash === undefined) return facts;
  const tail = cleanLines(server.lastCrash.trimEnd()).replaceAll(/^/gm, "  ");
  return `${facts}\nThe end of its stderr at the last crash:\n${tail}\n`;
}

function stateOf({ state, since, pid }: ServerView): string {
  return `${state} since ${timeOf(since)}${pid === undefined ? "" : `, pid ${pid}`}`;
}

function cageOf({ cage, kind, name }: ServerView): string | undefined {
  if (kind === "http") return undefined;
  if (cage === undefined) return "not known until it was started once";
  return cage === "off"
    ? "OFF: all rights of the appliance's user"
    : `${cage}; toolcrib cage ${name} says how`;
}

/** The last few, each with what would allow it. */
function refusedBy({ refused = [], name }: ServerView): string {
  return refused
    .slice(-SHOWN_REFUSALS)
    .map(({ what, reason, grant }) =>
      printable(
        grant === undefined ? `${what}: ${reason}` : `${what}: ${reason} (toolcrib allow ${name} ${grant})`,
      ),
    )
    .join("\n");
}

function usageOf({ usage, instances = 1 }: ServerView): string {
  if (usage === undefined) return "";
  const memory = `${Math.round(usage.memoryBytes / 1024 ** 2)} MiB of memory`;
  const processes = `${usage.processes} processes and threads`;
  return `${memory}, ${processes}, ${usage.cpuSeconds.toFixed(1)} s of processor time${instances > 1 ? ` in ${instances} instances` : ""}`;
}

function packageOf(server: ServerView): string | undefined {
  const pinned = server.package;
  return pinned && `${printable(`${pinned.name}@${pinned.version}`)}\n${printable(pinned.integrity)}`;
}

function selfOf({ serverInfo }: ServerView): string {
  return printable([serverInfo?.name, serverInfo?.version].filter(Boolean).join(" "));
}

function offersOf({ tools, prompts, resources, resourceTemplates }: ServerView): string {
  const counts = Object.entries({ tools, prompts, resources, "resource templates": resourceTemplates });
  return counts.map(([what, count]) => `${count} ${what}`).join(", ");
}

function lines(values: readonly string[]): string {
  return values.map((value) => printable(value)).join("\n");
}

function words(values: readonly string[]): string {
  return values.map((value) => printable(value)).join(", ");
}

/** To the second, as the appliance says it (UTC). */
function timeOf(iso: string): string {
  return printable(iso.replace("T", " ").replace(/\.\d+Z$/, "Z"));
}

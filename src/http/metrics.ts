// Counts what happens and prints it for Prometheus. It only listens: to the bus for calls, and to whoever knows for
// the rest, at the moment of a scrape.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Bus } from "../events.ts";
import { SERVER_STATES, type ServerStatus } from "../model/server-state.ts";
import type { HostStatus } from "../upstream/pool.ts";

/** What a scrape tells of one server. Labels are names of servers alone: there are as many as are configured. */
export interface ServerFigures extends Pick<
  ServerStatus,
  "state" | "exits" | "inFlight" | "instances" | "usage" | "asksMemoryBytes"
> {
  readonly name: string;
}

export interface MetricSources {
  readonly bus: Bus;
  readonly servers: () => readonly ServerFigures[];
  readonly host: () => HostStatus;
  readonly sessions: () => number;
}

/** One gauge a row, of each server; undefined where there is nothing to tell. */
const SERVER_GAUGES: readonly (readonly [
  name: string,
  help: string,
  figure: (server: ServerFigures) => number | undefined,
])[] = [
  [
    "instances",
    "Processes of a server that run; connections, for a remote one.",
    (server) => server.instances,
  ],
  ["in_flight", "Calls without an answer.", (server) => server.inFlight],
  ["exits", "Unexpected ends since the server was configured as it is.", (server) => server.exits],
  ["memory_bytes", "Memory of all processes of a server.", ({ usage }) => usage?.memoryBytes],
  ["processes", "Processes and threads of a server.", ({ usage }) => usage?.processes],
  ["cpu_seconds", "Processor time of the processes that run now.", ({ usage }) => usage?.cpuSeconds],
  [
    "memory_asked_bytes",
    "Memory that the next start of a server asks the host's budget for.",
    ({ asksMemoryBytes }) => asksMemoryBytes,
  ],
];

const HOST_GAUGES: readonly (readonly [name: string, help: string, figure: (host: HostStatus) => number])[] =
  [
    ["memory_bytes", "Memory that all servers have or were promised.", ({ used }) => used.memoryBytes],
    ["memory_limit_bytes", "Memory that all servers may have.", ({ limits }) => limits.memoryBytes],
    ["processes", "Processes that all servers have or were promised.", ({ used }) => used.processes],
    ["processes_limit", "Processes that all servers may have.", ({ limits }) => limits.processes],
    ["instances", "Starts that live.", ({ used }) => used.instances],
    ["instances_limit", "Starts that may live.", ({ limits }) => limits.instances],
    ["starts_waiting", "Starts that wait for room.", ({ waiting }) => waiting],
  ];

export interface Metrics {
  /** Prometheus text, version 0.0.4. */
  print(): Promise<string>;
  readonly contentType: string;
}

/** Seconds, as OpenTelemetry's conventions for MCP have them, and finer below. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

export function createMetrics({ bus, servers, host, sessions }: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const calls = new Counter({
    name: "toolcrib_calls_total",
    help: "Requests forwarded to servers, by outcome.",
    labelNames: ["server", "method", "outcome"] as const,
    registers,
  });
  const duration = new Histogram({
    name: "toolcrib_call_duration_seconds",
    help: "From taking a request to its answer, in seconds.",
    labelNames: ["server"] as const,
    buckets: BUCKETS,
    registers,
  });
  const states = new Gauge({
    name: "toolcrib_server_state",
    help: "1 for the state that a server is in, 0 for the others.",
    labelNames: ["server", "state"] as const,
    registers,
  });
  const ofServers = SERVER_GAUGES.map(([name, help, figure]) => ({
    figure,
    gauge: new Gauge({
      name: `toolcrib_server_${name}`,
      help,
      labelNames: ["server"] as const,
      registers,
    }),
  }));
  const ofHost = HOST_GAUGES.map(([name, help, figure]) => ({
    figure,
    gauge: new Gauge({ name: `toolcrib_host_${name}`, help, registers }),
  }));
  const open = new Gauge({ name: "toolcrib_sessions", help: "Legacy sessions that are open.", registers });
  const resident = new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory of the appliance, its servers excepted.",
    registers,
  });

  // Label sets are looked up once: the way of a call pays for two increments.
  const durations = new Map<string, Histogram.Internal<"server">>();
  const counters = new Map<string, Counter.Internal>();
  bus.on("call.finished", ({ server, method, outcome, durationMs }) => {
    const label = metricMethod(method);
    const key = `${server} ${label} ${outcome}`;
    const counter = counters.get(key) ?? calls.labels(server, label, outcome);
    if (counters.size < 4096) counters.set(key, counter);
    counter.inc();
    const histogram = durations.get(server) ?? duration.labels(server);
    if (durations.size < 4096) durations.set(server, histogram);
    histogram.observe(durationMs / 1000);
  });

  return {
    contentType: registry.contentType,
    print() {
      states.reset();
      for (const { gauge } of ofServers) gauge.reset();
      for (const server of servers()) {
        const { name, state } = server;
        for (const each of SERVER_STATES) states.set({ server: name, state: each }, each === state ? 1 : 0);
        for (const { gauge, figure } of ofServers) {
          const value = figure(server);
          if (value !== undefined) gauge.set({ server: name }, value);
        }
      }
      const hostStatus = host();
      for (const { gauge, figure } of ofHost) gauge.set(figure(hostStatus));
      open.set(sessions());
      resident.set(process.memoryUsage.rss());
      return registry.metrics();
    },
  };
}

/** A caller may invent methods on a server's own endpoint: they must not become labels without end. */
const NAMED_METHODS = new Set(["tools/call", "prompts/get", "resources/read", "completion/complete"]);

function metricMethod(method: string): string {
  return NAMED_METHODS.has(method) ? method : "other";
}

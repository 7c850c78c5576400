// Counts what happens and prints it for Prometheus. It only listens: to the bus for calls, and to whoever knows for
// the rest, at the moment of a scrape.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Bus } from "../events.ts";
import { SERVER_STATES, type ServerState } from "../model/server-state.ts";

export interface MetricSources {
  readonly bus: Bus;
  readonly servers: () => readonly { readonly name: string; readonly state: ServerState }[];
  readonly sessions: () => number;
}

export interface Metrics {
  /** Prometheus text, version 0.0.4. */
  print(): Promise<string>;
  readonly contentType: string;
}

/** Seconds, as OpenTelemetry's conventions for MCP have them, and finer below. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

export function createMetrics({ bus, servers, sessions }: MetricSources): Metrics {
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
      for (const { name, state } of servers()) {
        for (const each of SERVER_STATES) states.set({ server: name, state: each }, each === state ? 1 : 0);
      }
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

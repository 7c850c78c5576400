// What is printed for Prometheus, and that nobody can make it grow without end.

import { describe, expect, test } from "bun:test";
import { createBus, type Bus, type Events } from "../../src/events.ts";
import { createMetrics, type Metrics } from "../../src/http/metrics.ts";

function open(): { bus: Bus; metrics: Metrics; finish(more?: Partial<Events["call.finished"]>): void } {
  const bus = createBus();
  const metrics = createMetrics({
    bus,
    servers: () => [
      {
        name: "files",
        state: "ready",
        exits: 1,
        inFlight: 3,
        instances: 2,
        usage: { memoryBytes: 41_943_040, processes: 12, cpuSeconds: 1.5 },
        asksMemoryBytes: 100_663_296,
      },
      {
        name: "db",
        state: "crash-loop",
        exits: 6,
        inFlight: 0,
        instances: 0,
        usage: undefined,
        asksMemoryBytes: 100_663_296,
      },
    ],
    host: () => ({
      used: { memoryBytes: 50_000_000, processes: 13, instances: 2 },
      limits: {
        memoryBytes: 2_147_483_648,
        processes: 16_384,
        instances: 500,
        parallelStarts: 4,
        instancesPerServer: 64,
      },
      waiting: 5,
    }),
    sessions: () => 7,
  });
  const finish = (more: Partial<Events["call.finished"]> = {}): void =>
    bus.emit("call.finished", {
      server: "files",
      method: "tools/call",
      durationMs: 30,
      outcome: "ok",
      requestBytes: 1,
      resultBytes: 1,
      ...more,
    });
  return { bus, metrics, finish };
}

const lines = async (metrics: Metrics): Promise<string[]> => (await metrics.print()).split("\n");

describe("metrics", () => {
  test("count calls by server, method and outcome, and how long they took, in seconds", async () => {
    const { metrics, finish } = open();
    finish();
    finish();
    finish({ outcome: "lost", method: "resources/read", server: "db" });
    const printed = await lines(metrics);
    expect(printed).toContain('toolcrib_calls_total{server="files",method="tools/call",outcome="ok"} 2');
    expect(printed).toContain('toolcrib_calls_total{server="db",method="resources/read",outcome="lost"} 1');
    expect(printed).toContain('toolcrib_call_duration_seconds_bucket{le="0.02",server="files"} 0');
    expect(printed).toContain('toolcrib_call_duration_seconds_bucket{le="0.05",server="files"} 2');
    expect(printed).toContain('toolcrib_call_duration_seconds_sum{server="files"} 0.06');
  });

  test("tell the state of each server, one of them 1, the sessions and the memory", async () => {
    const printed = await lines(open().metrics);
    const states = printed.filter((line) => line.startsWith("toolcrib_server_state{"));
    expect(states).toHaveLength(16);
    expect(states.filter((line) => line.endsWith(" 1"))).toEqual([
      'toolcrib_server_state{server="files",state="ready"} 1',
      'toolcrib_server_state{server="db",state="crash-loop"} 1',
    ]);
    expect(printed).toContain("toolcrib_sessions 7");
    const memory = printed.find((line) => line.startsWith("process_resident_memory_bytes "));
    expect(Number(memory?.split(" ")[1])).toBeGreaterThan(10_000_000);
  });

  test("tell what each server takes and asks for, and what the host has for all", async () => {
    const printed = await lines(open().metrics);
    const told = (prefix: string): string[] => printed.filter((line) => line.startsWith(prefix));
    expect(told("toolcrib_server_instances{")).toEqual([
      'toolcrib_server_instances{server="files"} 2',
      'toolcrib_server_instances{server="db"} 0',
    ]);
    expect(printed).toContain('toolcrib_server_in_flight{server="files"} 3');
    expect(printed).toContain('toolcrib_server_exits{server="db"} 6');
    expect(printed).toContain('toolcrib_server_memory_asked_bytes{server="db"} 100663296');
    // What was not measured is not told as nothing.
    expect(told("toolcrib_server_memory_bytes{")).toEqual([
      'toolcrib_server_memory_bytes{server="files"} 41943040',
    ]);
    expect(told("toolcrib_server_processes{")).toEqual(['toolcrib_server_processes{server="files"} 12']);
    expect(told("toolcrib_server_cpu_seconds{")).toEqual(['toolcrib_server_cpu_seconds{server="files"} 1.5']);
    expect(told("toolcrib_host_")).toEqual([
      "toolcrib_host_memory_bytes 50000000",
      "toolcrib_host_memory_limit_bytes 2147483648",
      "toolcrib_host_processes 13",
      "toolcrib_host_processes_limit 16384",
      "toolcrib_host_instances 2",
      "toolcrib_host_instances_limit 500",
      "toolcrib_host_starts_waiting 5",
    ]);
  });

  test("do not grow with the methods that a caller invents", async () => {
    const { metrics, finish } = open();
    finish();
    const before = (await lines(metrics)).length;
    for (let index = 0; index < 5_000; index++) {
      finish({ method: `tools/${index.toString(26).replaceAll(/\d/g, "x")}` });
      finish({ method: "x".repeat(1_000) + String(index) });
    }
    const printed = await lines(metrics);
    expect(printed.length).toBe(before + 1);
    expect(printed).toContain('toolcrib_calls_total{server="files",method="other",outcome="ok"} 10000');
  });

  test("are in the format that they say", () => {
    expect(open().metrics.contentType).toStartWith("text/plain; version=0.0.4");
  });
});

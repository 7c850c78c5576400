// Calls through each subject to the same tool: throughput, latency, and the CPU of the subject itself.

import type { Asked } from "../load/job.ts";
import { cpuMs } from "../process-figures.ts";
import { type Bench, type Figures, type Row, rotated } from "../row.ts";
import { type Subject } from "../subjects/subject.ts";
import { startEchoSubjects, toolOf } from "../subjects/echo.ts";

const SIZES = [
  { label: "100 B", bytes: 100 },
  { label: "10 KiB", bytes: 10 * 1024 },
  { label: "1 MiB", bytes: 1024 * 1024 },
];
const CONCURRENCIES = [1, 16, 64];

export const calls: Row = {
  name: "calls",
  title: "tools/call, by size of the result and calls at once",
  metrics: [
    { key: "perSecond", unit: "calls/s", decimals: 0 },
    { key: "p50Ms", unit: "p50 ms", decimals: 3 },
    { key: "p99Ms", unit: "p99 ms", decimals: 2 },
    { key: "cpuMs", unit: "own CPU ms/call", decimals: 3 },
  ],
  against: "relay",
  async run(bench) {
    await using subjects = await startEchoSubjects(bench);
    for (let round = 0; round < bench.rounds; round++) {
      for (const { label, bytes } of SIZES) {
        for (const concurrency of CONCURRENCIES) {
          for (const subject of rotated(subjects.list, round)) {
            const ask = bytes > 100 ? "blob" : "echo";
            const asked = { ask, tool: toolOf(subject, ask), bytes } as const;
            const cell = `${label}, ${concurrency} at once`;
            await bench.measure(cell, subject.name, () => callsPerSecond(bench, subject, asked, concurrency));
          }
        }
      }
    }
  },
};

async function callsPerSecond(
  bench: Bench,
  subject: Subject,
  asked: Asked,
  concurrency: number,
): Promise<Figures> {
  const { durationMs, warmupMs } = bench;
  const usedBefore = cpuMs(subject.pid);
  const { answers, values } = await bench.load.run({
    kind: "ask",
    target: subject.target,
    asked,
    concurrency,
    durationMs,
    warmupMs,
  });
  return { ...values, cpuMs: (cpuMs(subject.pid) - usedBefore) / answers };
}

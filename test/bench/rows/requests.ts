// Large requests, whose text comes back as large: time of one call, one at a time.

import { type Row, rotated } from "../row.ts";
import { startEchoSubjects, toolOf } from "../subjects/echo.ts";

const SIZES = [
  { label: "1 MiB", bytes: 1024 * 1024, calls: 20 },
  { label: "12 MB", bytes: 12_000_000, calls: 2 },
];

export const requests: Row = {
  name: "requests",
  title: "tools/call with a large request and as large a result, one at a time",
  metrics: [{ key: "p50Ms", unit: "p50 ms", decimals: 1 }],
  against: "relay",
  async run(bench) {
    await using subjects = await startEchoSubjects(bench);
    for (let round = 0; round < bench.rounds; round++) {
      for (const { label, bytes, calls } of SIZES) {
        for (const subject of rotated(subjects.list, round)) {
          const { target } = subject;
          const asked = { ask: "echo", tool: toolOf(subject, "echo"), bytes } as const;
          const bounds = {
            concurrency: 1,
            warmupMs: 0,
            durationMs: 30_000,
            maxAnswers: bench.quick ? 1 : calls,
          };
          await bench.measure(label, subject.name, async () => {
            return (await bench.load.run({ kind: "ask", target, asked, ...bounds })).values;
          });
        }
      }
    }
  },
};

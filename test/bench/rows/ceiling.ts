// What the load generator itself can do: calls against a bare server that only sends text back.

import type { Row } from "../row.ts";
import { startProgram } from "../subjects/program.ts";

export const ceiling: Row = {
  name: "ceiling",
  title: "the load generator against a bare server, tools/call, 100 B",
  metrics: [
    { key: "perSecond", unit: "calls/s", decimals: 0 },
    { key: "p50Ms", unit: "p50 ms", decimals: 3 },
  ],
  async run(bench) {
    await using bare = await startProgram("bare", "bench/subjects/bare.ts");
    const { durationMs, warmupMs } = bench;
    for (let round = 0; round < bench.rounds; round++) {
      for (const concurrency of [1, 16, 64]) {
        await bench.measure(`${concurrency} at once`, "bare", async () => {
          const asked = { ask: "echo", tool: "echo", bytes: 100 } as const;
          const job = { kind: "ask", target: bare.target, asked, concurrency, durationMs, warmupMs } as const;
          return (await bench.load.run(job)).values;
        });
      }
    }
  },
};

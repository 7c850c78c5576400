// Sessions that are opened, list the tools once and are closed, and what memory they leave behind.

import { residentMb, settledMb } from "../process-figures.ts";
import { type Row, rotated } from "../row.ts";
import { startEchoSubjects } from "../subjects/echo.ts";

const CONCURRENCY = 16;
const ECHO_TOOLS = 2;

export const sessions: Row = {
  name: "sessions",
  title: `sessions opened, listed and closed, ${CONCURRENCY} at once`,
  metrics: [
    { key: "perSecond", unit: "sessions/s", decimals: 0 },
    { key: "p50Ms", unit: "p50 ms", decimals: 2 },
    { key: "beforeMb", unit: "MB resident before", decimals: 1, compared: false },
    { key: "afterMb", unit: "MB resident at the end", decimals: 1, compared: false },
    { key: "settledMb", unit: "MB resident a while later", decimals: 1, compared: false },
  ],
  against: "relay",
  async run(bench) {
    await using subjects = await startEchoSubjects(bench);
    const durationMs = bench.quick ? bench.durationMs : 5000;
    for (let round = 0; round < bench.rounds; round++) {
      for (const { name, target, pid } of rotated(subjects.list, round)) {
        await bench.measure("open, list, close", name, async () => {
          const beforeMb = residentMb(pid);
          const asked = { ask: "list", tools: ECHO_TOOLS } as const;
          const job = { kind: "sessions", target, asked, concurrency: CONCURRENCY, durationMs } as const;
          const { values } = await bench.load.run(job);
          const afterMb = residentMb(pid);
          return { ...values, beforeMb, afterMb, settledMb: await settledMb(pid, bench.quick ? 500 : 4000) };
        });
      }
    }
  },
};

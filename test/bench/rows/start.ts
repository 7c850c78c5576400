// From the start of the process to a correct list of a thousand tools of twenty known servers, none of them running,
// and the memory of the appliance before and after that list.

import { settledMb } from "../process-figures.ts";
import type { Row } from "../row.ts";
import { TWENTY_TOOLS, createTwentyServers } from "../subjects/twenty.ts";

const STARTS_A_ROUND = 3;
const SETTLE_MS = 1500;

export const start: Row = {
  name: "start",
  title: "start of the executable with 20 known servers, none running",
  metrics: [
    { key: "urlMs", unit: "ms to the line with the URL", decimals: 0 },
    { key: "tookMs", unit: "ms to a correct tools/list", decimals: 0 },
    { key: "idleMb", unit: "MB resident, idle", decimals: 1 },
    { key: "listedMb", unit: "MB resident, after a list", decimals: 1 },
  ],
  async run(bench) {
    await using home = await createTwentyServers();
    for (let round = 0; round < bench.rounds; round++) {
      for (let count = 0; count < (bench.quick ? 1 : STARTS_A_ROUND); count++) {
        await bench.measure("start to list", "toolcrib", async () => {
          await using toolcrib = await home.start();
          const urlMs = performance.timeOrigin + performance.now() - toolcrib.since;
          const { target, since } = toolcrib;
          const asked = { ask: "list", tools: TWENTY_TOOLS } as const;
          const { values } = await bench.load.run({
            kind: "first",
            target,
            asked,
            since,
            deadlineMs: 30_000,
          });
          return { urlMs, ...values };
        });
      }
      await bench.measure("memory", "toolcrib", async () => {
        await using toolcrib = await home.start();
        const { target, since, pid } = toolcrib;
        const idleMb = await settledMb(pid, SETTLE_MS);
        const asked = { ask: "list", tools: TWENTY_TOOLS } as const;
        await bench.load.run({ kind: "first", target, asked, since, deadlineMs: 30_000 });
        return { idleMb, listedMb: await settledMb(pid, SETTLE_MS) };
      });
    }
  },
};

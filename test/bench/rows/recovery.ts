// kill -9 of the server under load: how long until calls of the same sessions are answered again.

import type { Row } from "../row.ts";
import { ECHO_SERVER, Home, processBelow } from "../subjects/toolcrib.ts";

const CONCURRENCY = 16;

export const recovery: Row = {
  name: "recovery",
  title: `kill -9 of the server under ${CONCURRENCY} calls at once`,
  metrics: [
    { key: "recoveryMs", unit: "ms to the next answer in the same session", decimals: 0 },
    { key: "failures", unit: "calls that got an error", decimals: 0 },
    { key: "unanswered", unit: "calls that got nothing", decimals: 0 },
  ],
  async run(bench) {
    await using home = await Home.create({ echo: ECHO_SERVER });
    for (let round = 0; round < bench.rounds; round++) {
      await using toolcrib = await home.start();
      await bench.measure("kill -9", "toolcrib", async () => {
        const { target } = toolcrib;
        const asked = { ask: "echo", tool: "echo__echo", bytes: 100 } as const;
        // The first call starts the server.
        const once = { concurrency: 1, warmupMs: 0, durationMs: 20_000, maxAnswers: 1 };
        await bench.load.run({ kind: "ask", target, asked, ...once });
        const pid = processBelow(toolcrib.pid, "bench-echo");
        if (pid === 0) throw new Error("the echo server's process was not found below the appliance");
        const bounds = { concurrency: CONCURRENCY, warmupMs: 500, deadlineMs: 40_000 };
        return (await bench.load.run({ kind: "recovery", target, asked, pid, ...bounds })).values;
      });
    }
  },
};

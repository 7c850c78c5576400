// Lists of a thousand merged tools, against a bare server that sends the same bytes.

import { writeFile } from "node:fs/promises";
import type { Target } from "../load/job.ts";
import { list as listOf } from "../load/asks.ts";
import { Numbers } from "../load/numbers.ts";
import { messageTexts, resultOf } from "../load/question.ts";
import { Session } from "../load/session.ts";
import { type Row, rotated } from "../row.ts";
import { startProgram } from "../subjects/program.ts";
import { TWENTY_TOOLS, createTwentyServers } from "../subjects/twenty.ts";

export const list: Row = {
  name: "list",
  title: "tools/list, 20 servers x 50 tools",
  metrics: [
    { key: "perSecond", unit: "lists/s", decimals: 0 },
    { key: "p50Ms", unit: "p50 ms", decimals: 2 },
  ],
  against: "bare",
  async run(bench) {
    await using home = await createTwentyServers();
    await using toolcrib = await home.start();
    const file = home.crib.file("list.json");
    await writeFile(file, await listMessage(toolcrib.target));
    await using bare = await startProgram("bare", "bench/subjects/bare.ts", [file]);
    const { durationMs, warmupMs } = bench;
    for (let round = 0; round < bench.rounds; round++) {
      for (const concurrency of [1, 16]) {
        for (const { name, target } of rotated([bare, toolcrib], round)) {
          await bench.measure(`${concurrency} at once`, name, async () => {
            const asked = { ask: "list", tools: TWENTY_TOOLS } as const;
            const job = { kind: "ask", target, asked, concurrency, durationMs, warmupMs } as const;
            return (await bench.load.run(job)).values;
          });
        }
      }
    }
  },
};

/** The JSON-RPC message that answers tools/list, as it comes. */
async function listMessage(target: Target): Promise<string> {
  const session = await Session.open(target, new Numbers());
  const { reply, number } = await session.reply(listOf(TWENTY_TOOLS));
  listOf(TWENTY_TOOLS).judge(resultOf(reply, number), number);
  const [message = ""] = messageTexts(reply);
  await session.close();
  return message;
}

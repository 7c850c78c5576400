// One server never answers `initialize`: how long after the start of the appliance are the others listed and called.

import { until } from "../../e2e/wait.ts";
import type { Asked } from "../load/job.ts";
import type { Row } from "../row.ts";
import { ECHO_SERVER, Home, rawServer } from "../subjects/toolcrib.ts";

const ECHO_TOOLS = 2;
const CELLS: readonly [cell: string, asked: Asked][] = [
  ["the other is listed", { ask: "list", tools: ECHO_TOOLS }],
  ["the other is called", { ask: "echo", tool: "echo__echo", bytes: 100 }],
];

export const hang: Row = {
  name: "hang",
  title: "start with two servers, one of which never answers initialize",
  metrics: [{ key: "tookMs", unit: "ms since the start", decimals: 0 }],
  async run(bench) {
    await using home = await createHome();
    for (let round = 0; round < bench.rounds; round++) {
      for (const [cell, asked] of CELLS) {
        await bench.measure(cell, "toolcrib", async () => {
          await using toolcrib = await home.start();
          const { target, since } = toolcrib;
          return (await bench.load.run({ kind: "first", target, asked, since, deadlineMs: 50_000 })).values;
        });
      }
    }
  },
};

/** Adding the server that hangs would wait for its deadline, so the command is left alone once the server is known. */
async function createHome(): Promise<Home> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await Home.create({ echo: ECHO_SERVER }));
  const appliance = await home.crib.serve();
  const add = home.crib.start(["add", "--yes", "--name", "hanging", ...rawServer("hang-initialize")]);
  const isKnown = async (): Promise<boolean> => (await home.crib.ok("ls")).includes("hanging");
  await until("the server that hangs is known", isKnown, 30_000);
  await add.kill("SIGKILL");
  await appliance.stop();
  stack.move();
  return home;
}

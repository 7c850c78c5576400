// Stands for the appliance where a test kills it: starts the plan of a file and waits for ever. Its first line is the
// process ids of the launchers, outside and inside; what follows is the server's stdout.
// plan-spawner.ts FILE

import type { LaunchPlan } from "../../../src/cage/launch-plan.ts";
import { launch } from "../../../src/process/launch.ts";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("plan-spawner.ts FILE");
const plan: LaunchPlan = await Bun.file(file).json();
const { process: outer, started } = launch(plan, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
const { innerPid } = await started;
console.log(`${outer.pid} ${innerPid}`);
for await (const chunk of outer.stdout) await Bun.write(Bun.stdout, chunk);
await outer.exited;

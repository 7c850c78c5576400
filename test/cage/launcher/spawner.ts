// Stands for the appliance where a test kills it: starts FILE under the launcher and waits for ever.
// spawner.ts LAUNCHER MARK FILE [ARGUMENT…]

import { MARK } from "./family.ts";

const [launcher, mark, ...command] = process.argv.slice(2);
if (launcher === undefined || mark === undefined)
  throw new Error("spawner.ts LAUNCHER MARK FILE [ARGUMENT…]");
const child = Bun.spawn([launcher, String(process.pid), "--", ...command], {
  env: { PATH: "/usr/bin:/bin", [MARK]: mark },
  stdin: "pipe",
  stdout: "inherit",
  stderr: "inherit",
});
await child.exited;

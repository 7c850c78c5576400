// The load generator's process: one job at a time over IPC. Started by generator.ts.

import * as v from "valibot";
import { Job, type JobReply } from "./job.ts";
import { perform } from "./jobs.ts";
import { Numbers } from "./numbers.ts";

const numbers = new Numbers();

process.on("message", (message) => {
  perform(v.parse(Job, message), numbers).then(
    (result) => reply({ outcome: "done", result }),
    (error: unknown) =>
      reply({ outcome: "failed", reason: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));

function reply(message: JobReply): void {
  process.send?.(message);
}

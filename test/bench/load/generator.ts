// The handle on the load generator, which runs in a process of its own so that it shares no event loop with what it
// measures. One job at a time.

import { join } from "node:path";
import * as v from "valibot";
import { type Job, JobReply, type JobResult } from "./job.ts";

/** Above the longest job of any row. */
const JOB_DEADLINE_MS = 120_000;

export class LoadGenerator implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  #waiting: ((reply: JobReply) => void) | undefined;

  constructor() {
    this.#child = Bun.spawn([process.execPath, join(import.meta.dir, "worker.ts")], {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      ipc: (message) => this.#answered(v.parse(JobReply, message)),
      onExit: () => this.#answered({ outcome: "failed", reason: "the load generator ended" }),
    });
  }

  /** Throws where an answer was wrong or did not come. */
  async run(job: Job): Promise<JobResult> {
    const { promise, resolve } = Promise.withResolvers<JobReply>();
    this.#waiting = resolve;
    const tooLong = { outcome: "failed", reason: "not done within two minutes" } as const;
    const timer = setTimeout(() => this.#answered(tooLong), JOB_DEADLINE_MS);
    try {
      this.#child.send(job);
    } catch {
      this.#answered({ outcome: "failed", reason: "the load generator is gone" });
    }
    const reply = await promise;
    clearTimeout(timer);
    if (reply.outcome === "failed") throw new Error(reply.reason);
    return reply.result;
  }

  /** Ends it, and fails the job that runs. */
  stop(): void {
    this.#child.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#child.exited;
  }

  #answered(reply: JobReply): void {
    this.#waiting?.(reply);
    this.#waiting = undefined;
  }
}

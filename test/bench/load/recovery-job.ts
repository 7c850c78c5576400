// The job that kills a server under load and measures how long its sessions go without an answer.

import { askOf } from "./asks.ts";
import type { JobOf, JobResult } from "./job.ts";
import type { Numbers } from "./numbers.ts";
import { Session } from "./session.ts";

/** So many right answers to questions asked after the kill, with no failure between, end the job. */
const STEADY_ANSWERS = 200;
const PAUSE_AFTER_FAILURE_MS = 5;

export async function killAndGoOn(job: JobOf<"recovery">, numbers: Numbers): Promise<JobResult> {
  const sessions = await Session.openMany(job.concurrency, job.target, numbers);
  const killAt = performance.now() + job.warmupMs;
  const end = killAt + job.deadlineMs;
  let killed = false;
  let answers = 0;
  let failures = 0;
  let waiting = 0;
  let steady = 0;
  let answeredAt = Number.POSITIVE_INFINITY;

  const isSteady = (): boolean => steady >= STEADY_ANSWERS;
  const succeeded = (askedAfterKill: boolean): void => {
    answers++;
    if (!askedAfterKill) return;
    steady++;
    answeredAt = Math.min(answeredAt, performance.now());
  };
  const failed = (askedAt: number): void => {
    failures++;
    // A question that was asked before the first answer and fails later says nothing about that answer.
    if (askedAt < answeredAt) return;
    steady = 0;
    answeredAt = Number.POSITIVE_INFINITY;
  };
  const goOn = async (session: Session): Promise<void> => {
    const question = session.question(askOf(job.asked));
    for (let now = performance.now(); now < end && !isSteady(); now = performance.now()) {
      if (!killed && now >= killAt) {
        killed = true;
        process.kill(job.pid, "SIGKILL");
      }
      const askedAfterKill = killed;
      waiting++;
      const answered = await session.ask(question).then(
        () => true,
        () => false,
      );
      waiting--;
      if (answered) {
        succeeded(askedAfterKill);
        continue;
      }
      failed(now);
      // A refused call comes back at once: without a pause this would be a busy loop.
      await Bun.sleep(PAUSE_AFTER_FAILURE_MS);
      await session.reconnect();
    }
  };

  await Promise.race([Promise.all(sessions.map(goOn)), Bun.sleep(job.warmupMs + job.deadlineMs)]);
  const values = { recoveryMs: answeredAt - killAt, failures, unanswered: waiting };
  for (const session of sessions) session.abandon();
  if (isSteady()) return { answers, values };
  throw new Error(`no steady answers within ${job.deadlineMs} ms of the kill, ${failures} failures`);
}

// The jobs of the load generator. Called by worker.ts, in a process of its own.

import { askOf } from "./asks.ts";
import type { Job, JobOf, JobResult } from "./job.ts";
import { Latencies } from "./latencies.ts";
import type { Numbers } from "./numbers.ts";
import { killAndGoOn } from "./recovery-job.ts";
import { Session } from "./session.ts";

/** Between two attempts to be answered at all. */
const PAUSE_MS = 2;

/** Any answer that is not the right one makes it throw; only `recovery` and `first` expect failures. */
export function perform(job: Job, numbers: Numbers): Promise<JobResult> {
  switch (job.kind) {
    case "ask":
      return askAgainAndAgain(job, numbers);
    case "sessions":
      return openAndClose(job, numbers);
    case "first":
      return askUntilAnswered(job, numbers);
    case "recovery":
      return killAndGoOn(job, numbers);
  }
}

async function askAgainAndAgain(job: JobOf<"ask">, numbers: Numbers): Promise<JobResult> {
  const sessions = await Session.openMany(job.concurrency, job.target, numbers);
  const latencies = new Latencies();
  const measuredFrom = performance.now() + job.warmupMs;
  const end = measuredFrom + job.durationMs;
  const maxAnswers = job.maxAnswers ?? Number.POSITIVE_INFINITY;
  let answers = 0;
  const failure = new AbortController();
  const askUntilEnd = async (session: Session): Promise<void> => {
    const question = session.question(askOf(job.asked));
    for (let now = performance.now(); now < end && answers < maxAnswers && !failure.signal.aborted;) {
      const start = now;
      const tookMs = await session.ask(question);
      now = performance.now();
      answers++;
      if (start >= measuredFrom) latencies.add(tookMs, now);
    }
  };
  try {
    await Promise.all(sessions.map(askUntilEnd));
    await Promise.all(sessions.map((session) => session.close()));
  } finally {
    // After a failure, the other sessions must not go on into the next job.
    failure.abort();
    for (const session of sessions) session.abandon();
  }
  return { answers, values: latencies.values(measuredFrom) };
}

async function openAndClose(job: JobOf<"sessions">, numbers: Numbers): Promise<JobResult> {
  const latencies = new Latencies();
  const start = performance.now();
  const end = start + job.durationMs;
  let answers = 0;
  const failure = new AbortController();
  const openUntilEnd = async (): Promise<void> => {
    for (let now = start; now < end && !failure.signal.aborted;) {
      const opened = now;
      const session = await Session.open(job.target, numbers);
      await session.ask(session.question(askOf(job.asked))).catch((error: unknown) => {
        session.abandon();
        throw error;
      });
      await session.close();
      now = performance.now();
      answers++;
      latencies.add(now - opened, now);
    }
  };
  try {
    await Promise.all(Array.from({ length: job.concurrency }, openUntilEnd));
  } finally {
    failure.abort();
  }
  return { answers, values: latencies.values(start) };
}

async function askUntilAnswered(job: JobOf<"first">, numbers: Numbers): Promise<JobResult> {
  const end = job.since + job.deadlineMs;
  for (;;) {
    const tookMs = await answerOnce(job, numbers).catch((error: unknown) => {
      if (epochMs() > end) throw error;
    });
    if (tookMs !== undefined) return { answers: 1, values: { tookMs } };
    await Bun.sleep(PAUSE_MS);
  }
}

/** A session that asks once; milliseconds since `job.since` at the answer. */
async function answerOnce(job: JobOf<"first">, numbers: Numbers): Promise<number> {
  const session = await Session.open(job.target, numbers);
  try {
    await session.ask(session.question(askOf(job.asked)));
    const tookMs = epochMs() - job.since;
    await session.close();
    return tookMs;
  } finally {
    session.abandon();
  }
}

function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

// What the bench tells the load generator to do, and what it hears back. Crosses between two processes as JSON.

import * as v from "valibot";

const Target = v.strictObject({ url: v.string(), token: v.optional(v.string()) });

/** What is asked, by name: see asks.ts. */
const Asked = v.variant("ask", [
  v.strictObject({ ask: v.literal("echo"), tool: v.string(), bytes: v.number() }),
  v.strictObject({ ask: v.literal("blob"), tool: v.string(), bytes: v.number() }),
  v.strictObject({ ask: v.literal("list"), tools: v.number() }),
]);

export const Job = v.variant("kind", [
  /** `concurrency` sessions that each ask again and again: perSecond, p50Ms, p99Ms. */
  v.strictObject({
    kind: v.literal("ask"),
    target: Target,
    asked: Asked,
    concurrency: v.number(),
    warmupMs: v.number(),
    durationMs: v.number(),
    /** Ends earlier, after so many answers in all. */
    maxAnswers: v.optional(v.number()),
  }),
  /** Sessions that are opened, ask once and are closed: perSecond, p50Ms, p99Ms. */
  v.strictObject({
    kind: v.literal("sessions"),
    target: Target,
    asked: Asked,
    concurrency: v.number(),
    durationMs: v.number(),
  }),
  /** Tries until one session is open and one question is answered: tookMs since `since`. */
  v.strictObject({
    kind: v.literal("first"),
    target: Target,
    asked: Asked,
    /** Milliseconds since the epoch, with fractions. */
    since: v.number(),
    deadlineMs: v.number(),
  }),
  /** Kills `pid` under load and goes on: recoveryMs until the first answer to a question asked after the kill. */
  v.strictObject({
    kind: v.literal("recovery"),
    target: Target,
    asked: Asked,
    concurrency: v.number(),
    warmupMs: v.number(),
    pid: v.number(),
    deadlineMs: v.number(),
  }),
]);

export const JobResult = v.strictObject({
  /** Questions that were answered rightly, warm-up included. */
  answers: v.number(),
  values: v.record(v.string(), v.number()),
});

export const JobReply = v.variant("outcome", [
  v.strictObject({ outcome: v.literal("done"), result: JobResult }),
  v.strictObject({ outcome: v.literal("failed"), reason: v.string() }),
]);

export type Target = v.InferOutput<typeof Target>;
export type Asked = v.InferOutput<typeof Asked>;
export type Job = v.InferOutput<typeof Job>;
export type JobOf<K extends Job["kind"]> = Extract<Job, { kind: K }>;
export type JobResult = v.InferOutput<typeof JobResult>;
export type JobReply = v.InferOutput<typeof JobReply>;

// `npm run bench -- [--quick] [--rounds n] [--only row]… [--json]`: measures the compiled executable against an ideal
// relay and against the server itself, and prints tables and ratios, never a verdict. Exits 1 when an answer was
// wrong or missing.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LoadGenerator } from "./load/generator.ts";
import { type RowReport, reportOf, tableOf } from "./report.ts";
import type { Bench, Row, Sample } from "./row.ts";
import { cage } from "./rows/cage.ts";
import { calls } from "./rows/calls.ts";
import { ceiling } from "./rows/ceiling.ts";
import { hang } from "./rows/hang.ts";
import { list } from "./rows/list.ts";
import { recovery } from "./rows/recovery.ts";
import { requests } from "./rows/requests.ts";
import { sessions } from "./rows/sessions.ts";
import { start } from "./rows/start.ts";

const ROWS: readonly Row[] = [ceiling, calls, requests, list, start, sessions, recovery, hang, cage];
const ROOT = join(import.meta.dir, "../..");

process.exitCode = await main();

async function main(): Promise<number> {
  const { values: flags } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
    },
  });
  const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 3));
  const unknown = flags.only.filter((name) => ROWS.every((row) => row.name !== name));
  if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    console.error(
      `usage: bench [--quick] [--rounds 1…100] [--only ${ROWS.map(({ name }) => name).join("|")}]… [--json]`,
    );
    return 2;
  }
  if (!buildIfMissing()) return 1;
  const rows = ROWS.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
  const reports: RowReport[] = [];
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  for (const row of rows) {
    const report = await run(row, rounds, flags.quick, interrupt.signal);
    if (interrupt.signal.aborted) return 130;
    reports.push(report);
    if (!flags.json) console.log(tableOf(report, row.metrics));
  }
  if (flags.json) console.log(JSON.stringify({ host: host(), rounds, rows: reports }, undefined, 2));
  return reports.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

async function run(row: Row, rounds: number, quick: boolean, interrupt: AbortSignal): Promise<RowReport> {
  const samples: Sample[] = [];
  const failures: string[] = [];
  const failed = (where: string, error: unknown): void => {
    const sentence = error instanceof Error ? error.message : String(error);
    // The same failure in every round is one fact.
    if (!failures.includes(`${where}: ${sentence}`)) failures.push(`${where}: ${sentence}`);
  };
  // A load generator for each row: one that failed in the middle of a job must not answer the next row.
  await using load = new LoadGenerator();
  // Without it every measurement that is left fails at once, and the row still ends what it started.
  interrupt.addEventListener("abort", () => load.stop(), { once: true });
  const bench: Bench = {
    rounds,
    durationMs: quick ? 400 : 1500,
    warmupMs: quick ? 150 : 400,
    quick,
    load,
    async measure(cell, subject, measure) {
      try {
        samples.push({ cell, subject, figures: await measure() });
      } catch (error) {
        failed(`${cell}, ${subject}`, error);
      }
    },
  };
  process.stderr.write(`${row.name} …\n`);
  try {
    await row.run(bench);
  } catch (error) {
    failed("the row", error);
  }
  return reportOf(row, samples, failures);
}

function buildIfMissing(): boolean {
  if (process.env["TOOLCRIB_BINARY"] !== undefined || existsSync(join(ROOT, "dist/toolcrib"))) return true;
  const build = Bun.spawnSync(["npm", "run", "build"], { cwd: ROOT, stdout: 2, stderr: "inherit" });
  return build.success;
}

function host(): object {
  return {
    cpus: navigator.hardwareConcurrency,
    bun: Bun.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

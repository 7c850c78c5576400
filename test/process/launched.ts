// Real children behind the real launcher, each in a directory of the lab's own, and a look at what is left of them.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LaunchPlan, uncaged } from "../../src/cage/launch-plan.ts";
import { installLauncher } from "../../src/cage/launcher.ts";
import { Child, type ChildOptions } from "../../src/process/child.ts";
import { OutputRing } from "../../src/process/output-ring.ts";
import { until } from "../e2e/wait.ts";

const RAW_SERVERS = join(import.meta.dir, "../servers/raw.ts");

export interface Launched {
  readonly child: Child;
  readonly stderr: OutputRing;
  /** Lines of stdout so far, as text. */
  readonly lines: readonly string[];
  /** The first line with `part` in it, now or later. */
  line(part: string): Promise<string>;
}

export interface LaunchOptions {
  readonly maxLineBytes?: number;
  readonly maxQueuedBytes?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: ChildOptions["onLine"];
}

export interface ProcessLab {
  readonly directory: string;
  /** Without a cage. */
  plan(argv: readonly string[]): LaunchPlan;
  run(argv: readonly string[], options?: LaunchOptions): Launched;
  /** A shell line. */
  sh(script: string, options?: LaunchOptions): Launched;
  /** A behaviour of test/servers/raw.ts. */
  raw(behaviour: readonly string[], options?: LaunchOptions): Launched;
  /** Kills what still runs, and says which launchers were left when everything should have ended. */
  close(): Promise<void>;
}

export async function openProcessLab(): Promise<ProcessLab> {
  const directory = mkdtempSync(join(tmpdir(), "toolcrib-process-"));
  const launcher = await installLauncher(directory);
  const children: Child[] = [];

  const plan = (argv: readonly string[]): LaunchPlan =>
    uncaged({ argv, env: { PATH: "/usr/bin:/bin" }, cwd: directory, launcher });

  const run = (argv: readonly string[], options: LaunchOptions = {}): Launched => {
    const lines: string[] = [];
    const stderr = new OutputRing(65_536);
    const child = new Child({
      plan: { ...plan(argv), ...(options.env && { env: options.env }) },
      maxLineBytes: options.maxLineBytes ?? 1_048_576,
      maxQueuedBytes: options.maxQueuedBytes ?? 1_048_576,
      stderr,
      onLine: options.onLine ?? ((line) => void lines.push(Buffer.from(line).toString())),
    });
    children.push(child);
    const line = (part: string): Promise<string> =>
      until(`a line with ${part}`, () => lines.find((each) => each.includes(part)));
    return { child, stderr, lines, line };
  };

  return {
    directory,
    plan,
    run,
    sh: (script, options) => run(["/bin/sh", "-c", script], options),
    raw: (behaviour, options) => run([process.execPath, RAW_SERVERS, ...behaviour], options),
    async close() {
      await Promise.all(children.map((child) => child.kill("the test is over")));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** NB: a process that is dead and not buried counts as alive; the launcher buries its own. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

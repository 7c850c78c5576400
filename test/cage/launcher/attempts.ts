// Runs plans to their end, as root or as an ordinary user, and tells what came of each. As a program it does so for
// plans on its stdin: that is how a test of root's is somebody else for a while.

import { join } from "node:path";
import type { LaunchPlan } from "../../../src/cage/launch-plan.ts";
import { toAppError } from "../../../src/errors.ts";
import { closeAll } from "../../../src/process/descriptors.ts";
import { launch } from "../../../src/process/launch.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Why it was not started. */
  readonly refused?: string;
  readonly notes: readonly string[];
}

export interface User {
  readonly name: string;
  readonly uid: number;
}
const ROOT: User = { name: "root", uid: 0 };
const NOBODY: User = { name: "an ordinary user", uid: 65_534 };

/** As whom plans can be run here: root as both, anybody else as himself. */
export function users(): readonly User[] {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return [{ name: "an ordinary user", uid }];
  const { exitCode } = Bun.spawnSync([process.execPath, "--version"], { uid: NOBODY.uid, gid: NOBODY.uid });
  if (exitCode === 0) return [ROOT, NOBODY];
  console.log("only as root: Bun stands where an ordinary user cannot run it");
  return [ROOT];
}

/** What `launcher --facts` says to a user, by key: `ok`, `ok 7`, `EPERM`. */
export function factsFor({ uid }: User): Readonly<Record<string, string>> {
  const launcher = join(import.meta.dir, "../../../src/cage/launcher", `launcher-${process.arch}`);
  const asUser = process.getuid?.() === 0 ? { uid, gid: uid } : {};
  const { stdout } = Bun.spawnSync([launcher, "--facts"], { ...asUser, cwd: "/", env: {} });
  const lines = stdout.toString().trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.split(" ", 1)[0] ?? "", line.slice(line.indexOf(" ") + 1)]),
  );
}

/** 0 where there is none. */
export function landlockVersion(): number {
  const [, version = "0"] = /^ok (\d+)$/.exec(factsFor(users()[0] ?? ROOT)["landlock"] ?? "") ?? [];
  return Number(version);
}

/** Why nothing can be isolated here; undefined where it can. */
export function isolationObstacle(user: User): string | undefined {
  const facts = factsFor(user);
  const needed = [
    "mount-in-namespace",
    "proc-mount",
    "net-namespace",
    ...(user.uid === 0 ? [] : ["user-namespace"]),
  ];
  const missing = needed.find((key) => facts[key] !== "ok");
  return missing === undefined ? undefined : `${missing}: ${facts[missing]}`;
}

/** One after the other. `wrapper` is a command that runs the rest of its line. */
export async function attempt(
  { uid }: User,
  plans: readonly LaunchPlan[],
  wrapper: readonly string[] = [],
): Promise<readonly Outcome[]> {
  if (uid === process.getuid?.() && wrapper.length === 0) return await runAll(plans);
  const program = join(import.meta.dir, "attempts.ts");
  const runner = Bun.spawn([...wrapper, process.execPath, program], {
    uid,
    gid: uid,
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/nonexistent" },
    stdin: Buffer.from(JSON.stringify(plans)),
    stdout: "pipe",
    stderr: "inherit",
  });
  const outcomes: readonly Outcome[] = await runner.stdout.json();
  await runner.exited;
  return outcomes;
}

async function runAll(plans: readonly LaunchPlan[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const plan of plans) outcomes.push(await run(plan));
  return outcomes;
}

async function run(plan: LaunchPlan): Promise<Outcome> {
  const { process, started } = launch(plan, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const facts = started.then(
    ({ listeners, notes }) => {
      closeAll(listeners);
      return { notes };
    },
    (thrown: unknown) => ({ notes: [], refused: toAppError(thrown).message }),
  );
  const [code, out, err, told] = await Promise.all([
    process.exited,
    process.stdout.text(),
    process.stderr.text(),
    facts,
  ]);
  return { code, out, err, ...told };
}

/** NB: a filter of system calls does not survive JSON. */
if (import.meta.main) console.log(JSON.stringify(await runAll(await Bun.stdin.json())));

// Tries a cage for real, as whoever runs this: try-cage.ts DIRECTORY CAGE [JUDGED]. DIRECTORY is there, empty, and
// others may pass through it. CAGE is a level, or `proxied` for a confined one that has a proxy; JUDGED is the cage
// whose promises count, CAGE itself without it. Prints what was found as JSON. Run by the probe's test.

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { evidenceOf, ownNamespaces } from "../../../src/cage/evidence.ts";
import { identityFor, readIdentityHost } from "../../../src/cage/identity.ts";
import type { Identity, LaunchPlan } from "../../../src/cage/launch-plan.ts";
import { installLauncher } from "../../../src/cage/launcher.ts";
import { directoriesOf, launchPlan, type PlanOptions } from "../../../src/cage/plan.ts";
import { probeCage, type ProbeOutcome, probePlan } from "../../../src/cage/probe.ts";
import { attemptsFor, type ProbeTargets } from "../../../src/cage/probe-plan.ts";
import { installProbe } from "../../../src/cage/probe-program.ts";
import { judge, type ProbeRun } from "../../../src/cage/probe-verdict.ts";
import { cageReport } from "../../../src/cage/report.ts";
import type { CageLevel } from "../../../src/model/cage.ts";
import { launch } from "../../../src/process/launch.ts";
import { runPlan } from "../../../src/process/run-plan.ts";

const PROXY_PORT = 41_873;
const CAGES: Readonly<Record<string, Pick<PlanOptions, "level" | "egress">>> = {
  isolated: {
    level: "isolated",
    egress: { kind: "listeners", listeners: [{ protocol: "tcp", address: "0.0.0.0", port: 443 }] },
  },
  confined: { level: "confined", egress: { kind: "none" } },
  proxied: {
    level: "confined",
    egress: { kind: "proxy", port: PROXY_PORT, url: `http://127.0.0.1:${PROXY_PORT}` },
  },
  off: { level: "off", egress: { kind: "none" } },
};

const [, , home = "", asked = "", judged = asked] = process.argv;

/** What an appliance has on its disk, and a path to grant of each kind. */
function furnish(): Record<"work" | "in" | "out" | "package" | "data" | "run", string> {
  const data = join(home, "data");
  const places = {
    data,
    work: join(data, "work/self"),
    in: join(home, "in"),
    out: join(home, "out"),
    package: join(data, "vault/package"),
    run: join(home, "run"),
  };
  for (const directory of [...Object.values(places), join(data, "work/other")]) {
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  }
  // As a package is, and as somebody's directory that a server may write to as whoever it is.
  chmodSync(places.package, 0o755);
  chmodSync(places.out, 0o777);
  for (const directory of directoriesOf(places.work)) mkdirSync(directory, { recursive: true });
  for (const name of ["toolcrib.db", "canary"]) writeFileSync(join(data, name), "secret", { mode: 0o600 });
  writeFileSync(join(places.in, "note"), "hello", { mode: 0o644 });
  return places;
}

async function listening(where: string | { port: number; host: string }) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(where, resolve));
  return server;
}

async function run(plan: LaunchPlan): Promise<ProbeRun> {
  const { stdout, exitCode, refused } = await runPlan(plan, {
    deadlineMs: 30_000,
    maxOutputBytes: 1024 * 1024,
  });
  return { stdout, exitCode: exitCode ?? -1, ...(refused === undefined ? {} : { refused }) };
}

const places = furnish();
const socket = join(places.run, "admin.sock");
const [adminPort, adminSocket] = [await listening({ port: 0, host: "127.0.0.1" }), await listening(socket)];
const address = adminPort.address();

const targets: ProbeTargets = {
  database: join(places.data, "toolcrib.db"),
  canary: join(places.data, "canary"),
  otherServer: join(places.data, "work/other"),
  vault: join(places.data, "vault"),
  pid: process.pid,
  namespaces: ownNamespaces(),
  adminSocket: socket,
  adminPort: typeof address === "object" && address !== null ? address.port : 0,
  reads: [join(places.in, "note"), places.package],
  writes: [places.work, places.out],
};

const launcher = await installLauncher(join(places.data, "launcher"));
const program = await installProbe(join(home, "programs"));

function identity(level: CageLevel): Identity {
  if (level === "off") return { kind: "appliance" };
  const own = process.getuid?.() === 0 || level === "isolated";
  return own ? identityFor(places.work, readIdentityHost()) : { kind: "appliance" };
}

function planFor(name: string): LaunchPlan {
  const cage = CAGES[name];
  if (cage === undefined) throw new Error(`not a cage: ${name}`);
  return launchPlan({
    written: [],
    ...cage,
    command: { file: "/bin/cat", args: [], env: {} },
    env: { SECRET: "hunter2" },
    cwd: undefined,
    cage: { read: [places.in], write: [places.out] },
    workDirectory: places.work,
    launcher,
    host: {},
    identity: identity(cage.level),
    runtime: [places.package],
    trust: undefined,
    cgroups: [],
    rlimits: [{ resource: "core", value: 0 }],
    hostname: "self",
    can: { arch: process.arch === "arm64" ? "arm64" : "x64", mapOwners: true },
    terminal: false,
  });
}

/** A server that runs, as /proc shows it. */
async function evidence(plan: LaunchPlan) {
  const started = launch(plan, { stdin: "pipe", stdout: "ignore", stderr: "inherit" });
  try {
    const { innerPid = 0 } = await started.started;
    const hidden = [targets.database, targets.otherServer];
    return evidenceOf({ innerPid, plan: planFor(judged), hidden, now: Date.now });
  } finally {
    started.process.stdin.end();
    await started.process.exited;
  }
}

async function outcome(plan: LaunchPlan): Promise<ProbeOutcome> {
  if (asked === judged) return await probeCage({ plan, targets, program, run, now: Date.now });
  const attempts = attemptsFor(probePlan(planFor(judged), program, []), targets);
  const texts = attempts.map(({ text }) => text);
  return { at: Date.now(), ...judge(attempts, await run(probePlan(plan, program, texts))) };
}

const plan = planFor(asked);
const probed = await outcome(plan);
const live = await evidence(plan);
const report = cageReport({
  plan: planFor(judged),
  probed,
  evidence: live,
  limits: undefined,
  instead: {},
});
console.log(JSON.stringify({ probed, live, report }));
adminPort.close();
adminSocket.close();

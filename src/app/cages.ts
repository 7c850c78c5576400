// Makes the cages of an appliance: asks the kernel what it can, opens control groups, puts launcher and probe where
// they can run. app.ts calls it once, before any server starts.

import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SecureContext } from "node:tls";
import { BuildCage } from "../cage/build-cage.ts";
import { Cages } from "../cage/cages.ts";
import { type Cgroups, cgroupName, openCgroups } from "../cage/cgroups.ts";
import { clearLeftovers } from "../cage/clear-away.ts";
import { createPlaceholders } from "../cage/egress/broker-credential.ts";
import { hostCertificates, trustContext } from "../cage/egress/broker-trust.ts";
import { hostFacts, type HostFacts } from "../cage/host.ts";
import { readIdentityHost } from "../cage/identity.ts";
import { installLauncher } from "../cage/launcher.ts";
import { installProbe } from "../cage/probe-program.ts";
import { Probing } from "../cage/probing.ts";
import type { Brokering } from "../cage/cage-network.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Paths } from "../paths.ts";
import { runPlan } from "../process/run-plan.ts";
import type { Settings } from "../settings.ts";

/** It takes some milliseconds; a host on its knees gets more. */
const PROBE_LIMITS = { deadlineMs: 20_000, maxOutputBytes: 256 * 1024 };

export interface CagesRequest {
  readonly paths: Paths;
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly now: () => number;
  /** What is granted for writing to any server, at the moment. */
  readonly written: () => readonly string[];
  /** Of the agents' listener; asked when the first server starts. */
  readonly port: () => number;
}

export interface OpenCages {
  readonly cages: Cages;
  /** Whoever stops the appliance closes them, when no server is left. */
  readonly cgroups: Cgroups;
  /** Undefined where the host cannot isolate: installations have all rights of the appliance's user there. */
  readonly buildCage: BuildCage | undefined;
  readonly facts: HostFacts;
  readonly launcher: string;
}

/** @throws AppError `bad-configuration` where programs cannot be run from the data directory; `no-space` */
export async function openCages(request: CagesRequest): Promise<OpenCages> {
  const { paths, settings, env, log, now, port, written } = request;
  const [launcher, probe] = await Promise.all([
    installLauncher(paths.launcher),
    installProbe(paths.launcher),
  ]);
  const without = settings.cageWithout;
  const cgroups = await openCgroups({ name: cgroupName(paths.data), off: without.includes("cgroups") });
  const facts = await hostFacts({ launcher, limits: cgroups.means, without });
  log.info("cages", { ...facts.obstacles, isolated: facts.levels.isolated, confined: facts.levels.confined });
  clearLeftovers(paths.work).catch((thrown: unknown) =>
    log.warn("what sessions wrote was left behind", { directory: paths.work, reason: String(thrown) }),
  );
  const bait = layBait(paths);
  const probing = new Probing({
    program: probe,
    run: (plan) => runPlan(plan, PROBE_LIMITS),
    now,
    targetsFor: (grants) => ({
      database: paths.database,
      ...bait,
      vault: paths.vault,
      pid: process.pid,
      namespaces: ownNamespaces(),
      adminSocket: paths.socket,
      adminPort: port(),
      ...grants,
    }),
  });
  const cages = new Cages({
    obstacles: facts.obstacles,
    can: { arch: machine(), mapOwners: facts.mechanisms.idmap.has },
    identityHost: readIdentityHost(),
    cgroups,
    probing,
    brokering: createBrokering(),
    launcher,
    host: env,
    own: [paths.config, paths.data, paths.cache, paths.run],
    hidden: [paths.database, paths.vault, paths.work, paths.socket],
    written,
    log,
    now,
  });
  const buildCage = facts.levels.isolated
    ? new BuildCage({
        launcher,
        cgroups,
        arch: machine(),
        identityHost: readIdentityHost(),
        home: join(paths.work, ".build"),
        mapOwners: facts.mechanisms.idmap.has,
        log,
        now,
      })
    : undefined;
  return { cages, cgroups, buildCage, facts, launcher };
}

/** What the probe goes for, beside what is there anyway: a file and a directory that nobody else may see. */
function layBait(paths: Paths): { readonly canary: string; readonly otherServer: string } {
  const canary = join(paths.data, "canary");
  const otherServer = join(paths.work, ".other");
  writeFileSync(canary, "No server can read this.\n", { mode: 0o600 });
  mkdirSync(otherServer, { recursive: true, mode: 0o700 });
  return { canary, otherServer };
}

function ownNamespaces(): readonly string[] {
  return readdirSync("/proc/self/ns").map((name) => readlinkSync(join("/proc/self/ns", name)));
}

function machine(): "x64" | "arm64" {
  const { arch } = process;
  if (arch === "x64" || arch === "arm64") return arch;
  throw new AppError("bad-configuration", `Servers run on x64 and arm64; this is ${arch}.`);
}

/** NB: certificates cost 30 ms and a megabyte: only with the first server that has a secret to broker. */
function createBrokering(): Brokering {
  let certificates: readonly string[] | undefined;
  let trust: SecureContext | undefined;
  const all = (): readonly string[] => (certificates ??= hostCertificates());
  return {
    placeholderFor: createPlaceholders(crypto.getRandomValues(new Uint8Array(32))),
    certificates: all,
    trust: () => (trust ??= trustContext(all())),
  };
}

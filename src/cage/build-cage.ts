// The cage of one step of an installation: it reaches the registries that the step names, writes to its own
// directories, and sees nothing else of the appliance. Only where the host can isolate; elsewhere installations run as
// the appliance's user, and run no code of packages there either. Made by app.ts, asked for each step.

import { existsSync, mkdirSync } from "node:fs";
import type { Log } from "../log.ts";
import { parseHostRule } from "../model/host-rule.ts";
import type { Group } from "./cgroup.ts";
import type { Cgroups } from "./cgroups.ts";
import { Egress } from "./egress/egress.ts";
import { trustedFiles } from "./environment.ts";
import { identityFor, type IdentityHost } from "./identity.ts";
import type { Identity, LaunchPlan } from "./launch-plan.ts";
import type { PreparedStart } from "./prepared-start.ts";
import { seccompFilter } from "./seccomp.ts";
import type { Machine } from "./seccomp-numbers.ts";
import { viewMounts } from "./view.ts";

export interface BuildStep {
  /** An absolute path, then its arguments. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly writes: readonly string[];
  readonly reads?: readonly string[];
  /** `host:port` of the registries and proxies that it has reason to reach. */
  readonly reaches?: readonly string[];
}

export interface BuildCageOptions {
  readonly launcher: string;
  readonly cgroups: Cgroups;
  readonly arch: Machine;
  readonly identityHost: IdentityHost;
  /** Absolute; whom it belongs to, installations run as. Made when it is not there. */
  readonly home: string;
  /** Mounts can map owners: then what is written is the appliance's, though another user wrote it. */
  readonly mapOwners: boolean;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const LIMITS = { memoryBytes: 4 * 1024 ** 3, processes: 1024, cpus: 4 };
const PROXY_VARIABLES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

export class BuildCage {
  readonly #options: BuildCageOptions;
  #steps = 0;

  constructor(options: BuildCageOptions) {
    this.#options = options;
  }

  /** Whoever gets it calls `ended` in any case. @throws AppError for what cannot be prepared */
  prepare(step: BuildStep): PreparedStart {
    const { cgroups, log, now } = this.#options;
    const rules = (step.reaches ?? []).flatMap((text) => parseHostRule(text) ?? []);
    const egress = new Egress({
      server: "installation",
      rules,
      learn: false,
      proxies: proxiesIn(step.env),
      onRefused: (attempt) => log.warn("an installation asked for more than its registry", { ...attempt }),
      log,
      now,
    });
    const group = cgroups.create(`install-${++this.#steps}`, LIMITS);
    return {
      plan: this.#plan(step, egress, group),
      spawned: () => undefined,
      started({ listeners }) {
        egress
          .adopt(listeners)
          .catch((error: unknown) => log.error("egress failed", { reason: String(error) }));
      },
      ended() {
        const free = async (): Promise<void> => {
          await egress.close();
          await group.kill();
          await group.remove();
        };
        return { cause: undefined, freed: free() };
      },
    };
  }

  #plan(step: BuildStep, egress: Egress, group: Group): LaunchPlan {
    const { launcher, arch } = this.#options;
    const identity = this.#identity();
    const inside = identity.kind === "appliance" ? { uid: 0, gid: 0 } : identity;
    const [program = ""] = step.argv;
    return {
      launcher,
      level: "isolated",
      argv: step.argv,
      env: step.env,
      cwd: step.cwd,
      identity,
      mounts: viewMounts({
        hostname: "install",
        ...inside,
        workDirectory: step.cwd,
        runtime: [program, ...trustedFiles(step.env)].filter((path) => existsSync(path)),
        read: (step.reads ?? []).filter((path) => existsSync(path)),
        write: step.writes,
        written: [],
        mapOwners: identity.kind === "own-uid",
        files: {},
        nameserver: "127.0.0.1",
      }),
      paths: [],
      network: { kind: "own", listeners: egress.listeners() },
      seccomp: seccompFilter({ arch, inet: true, udp: true, unix: true, alone: true, namespaces: false }),
      rlimits: [{ resource: "core", value: 0 }],
      cgroups: group.procsFiles,
      hostname: "install",
      terminal: false,
    };
  }

  /** NB: root whose files cannot be shown as another's stays root, without any capability. */
  #identity(): Identity {
    const { home, identityHost, mapOwners } = this.#options;
    if (identityHost.uid === 0 && !mapOwners) return { kind: "appliance" };
    mkdirSync(home, { recursive: true, mode: 0o700 });
    return identityFor(home, identityHost);
  }
}

/** Of whom names are asked that are not its own. */
function proxiesIn(env: Readonly<Record<string, string>>): readonly string[] {
  return PROXY_VARIABLES.flatMap((name) => {
    const url = URL.parse(env[name] ?? "");
    if (url === null) return [];
    return [`${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`];
  });
}

// Which plans were tried already. A plan is tried before the first start with it and after each change; what differs
// from start to start without a meaning for the cage (arguments, variables, numbers of ports and groups) is no change.

import { AppError } from "../errors.ts";
import { wordsOf } from "./findings.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import { probeCage, type ProbeOptions, type ProbeOutcome } from "./probe.ts";
import type { ProbeTargets } from "./probe-plan.ts";

/** What a server has to be able to read and to write. */
export type Grants = Pick<ProbeTargets, "reads" | "writes">;

export interface ProbingOptions extends Pick<ProbeOptions, "program" | "run" | "now"> {
  readonly targetsFor: (grants: Grants) => ProbeTargets;
}

/** More plans than this are not at work on one host; the oldest is tried again. */
const MAX_KNOWN = 2_000;

export class Probing {
  readonly #options: ProbingOptions;
  readonly #known = new Map<string, Promise<ProbeOutcome>>();

  constructor(options: ProbingOptions) {
    this.#options = options;
  }

  /** @throws AppError `blocked` when the probe got through somewhere: such a plan is tried again at the next start. */
  async outcome(plan: LaunchPlan, grants: Grants): Promise<ProbeOutcome> {
    const key = identityOf(plan);
    const known = this.#known.get(key) ?? this.#try(plan, grants);
    this.#known.delete(key);
    this.#known.set(key, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    try {
      const outcome = await known;
      const broken = wordsOf(outcome.findings, "broken");
      if (broken.length === 0) return outcome;
      throw new AppError(
        "blocked",
        `Its cage does not hold on this host, so it was not started: ${broken.slice(0, 5).join(" ")}` +
          `${broken.length > 5 ? ` And ${broken.length - 5} more.` : ""} \`toolcrib doctor\` says what this host has.`,
      );
    } catch (thrown) {
      this.#known.delete(key);
      throw thrown;
    }
  }

  #try(plan: LaunchPlan, grants: Grants): Promise<ProbeOutcome> {
    const { program, run, now, targetsFor } = this.#options;
    return probeCage({ plan, targets: targetsFor(grants), program, run, now });
  }
}

function identityOf(plan: LaunchPlan): string {
  const { argv: _, env: __, cgroups, network, seccomp, ...rest } = plan;
  const decisive = {
    ...rest,
    grouped: cgroups.length,
    network: network.kind === "ports" ? network.ports.length > 0 : network,
    seccomp: seccomp === undefined ? "" : Bun.hash(seccomp).toString(16),
  };
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(decisive)).digest("hex");
}

// What one cage has of the network: nothing, listeners inside of it that the appliance serves, or a proxy; and the
// secrets that are brokered on the way out. Made by cages.ts for each start, closed when the process is gone.

import { existsSync, lstatSync } from "node:fs";
import type { SecureContext } from "node:tls";
import type { Log } from "../log.ts";
import type { Cage, CageLevel } from "../model/cage.ts";
import type { RefusedAttempt } from "../model/cage-report.ts";
import { parseHostRule } from "../model/host-rule.ts";
import type { RuleTraffic } from "./egress/decisions.ts";
import { type BrokerInterceptor, openBroker } from "./egress/broker.ts";
import type { PlaceholderFor } from "./egress/broker-credential.ts";
import { TRUST_FILES, trustBundle, trustEnvironment } from "./egress/broker-trust.ts";
import { Egress } from "./egress/egress.ts";
import type { Egress as EgressPlan, Trust } from "./plan.ts";

export interface NetworkOptions {
  readonly server: string;
  readonly level: CageLevel;
  readonly cage: Cage;
  readonly brokering: Brokering;
  readonly onRefused: (attempt: RefusedAttempt) => void;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What all cages share, made when the first of them has a secret to broker. */
export interface Brokering {
  readonly placeholderFor: PlaceholderFor;
  /** PEM. */
  readonly certificates: () => readonly string[];
  readonly trust: () => SecureContext;
}

export class CageNetwork {
  /** For the plan. */
  readonly egress: EgressPlan;
  readonly trust: Trust | undefined;
  readonly #options: NetworkOptions;
  readonly #egress: Egress | undefined;
  readonly #broker: BrokerInterceptor | undefined;

  private constructor(
    options: NetworkOptions,
    plan: EgressPlan,
    egress: Egress | undefined,
    broker: BrokerInterceptor | undefined,
  ) {
    this.egress = plan;
    this.#options = options;
    this.#egress = egress;
    this.#broker = broker;
    this.trust = broker === undefined ? undefined : trustOf(broker, options.brokering);
  }

  /** @throws AppError `bad-configuration` for what cannot be brokered, or too many ports */
  static async open(options: NetworkOptions): Promise<CageNetwork> {
    const { server, level, cage, brokering, onRefused, log, now } = options;
    if (level === "off") return new CageNetwork(options, { kind: "none" }, undefined, undefined);
    const brokers = cage.broker ?? {};
    // A brokered host is one that it may reach: there is nothing else that the secret could be for.
    const texts = [...new Set([...cage.network, ...Object.values(brokers).map(({ host }) => host)])];
    const rules = texts.flatMap((text) => parseHostRule(text) ?? []);
    const broker =
      Object.keys(brokers).length === 0
        ? undefined
        : await openBroker({
            server,
            brokers,
            placeholderFor: brokering.placeholderFor,
            trust: brokering.trust(),
            onTrouble: (host, sentence) => log.warn("broker failed", { server, host, reason: sentence }),
          });
    const learn = cage.learn === true;
    const egress = new Egress({
      server,
      rules,
      learn,
      ...(broker === undefined ? {} : { intercept: broker.intercept }),
      onRefused,
      log,
      now,
    });
    if (level === "isolated") {
      return new CageNetwork(options, { kind: "listeners", listeners: egress.listeners() }, egress, broker);
    }
    if (rules.length === 0 && !learn) return new CageNetwork(options, { kind: "none" }, egress, broker);
    const port = await egress.listenProxy();
    return new CageNetwork(options, { kind: "proxy", port, url: egress.proxyUrl() }, egress, broker);
  }

  /** Variables with placeholders where they name a brokered secret. */
  filledIn(env: Readonly<Record<string, string>>): Record<string, string> {
    const { server, cage, brokering, level } = this.#options;
    if (level === "off") return { ...env };
    const fill = (value: string): string =>
      value.replaceAll(/\$\{broker:([a-z0-9_-]+)\}/g, (all, name: string) =>
        Object.hasOwn(cage.broker ?? {}, name) ? brokering.placeholderFor(server, name) : all,
      );
    return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)]));
  }

  /** Serves the listeners that came out of the cage; it owns the descriptors from now on. */
  async adopt(descriptors: readonly number[]): Promise<void> {
    if (this.egress.kind === "listeners") await this.#egress?.adopt(descriptors);
  }

  refused(): readonly RefusedAttempt[] {
    return this.#egress?.refused() ?? [];
  }

  learned(): readonly string[] {
    return this.#egress?.learned() ?? [];
  }

  traffic(): readonly RuleTraffic[] {
    return this.#egress?.traffic() ?? [];
  }

  async close(): Promise<void> {
    this.#broker?.close();
    await this.#egress?.close();
  }
}

/** Named to programs that read a variable; those that look where the system has its own find that replaced. */
const OWN_BUNDLE = "/etc/toolcrib/certificates.crt";

function trustOf(broker: BrokerInterceptor, { certificates }: Brokering): Trust {
  const bundle = trustBundle(certificates(), broker.caCertificatePem());
  const replaced = TRUST_FILES.filter((path) => existsSync(path) && !lstatSync(path).isSymbolicLink());
  return {
    files: Object.fromEntries([OWN_BUNDLE, ...replaced].map((path) => [path, bundle])),
    env: trustEnvironment(OWN_BUNDLE),
  };
}

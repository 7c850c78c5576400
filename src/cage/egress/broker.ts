// Brokered secrets: a server has a placeholder, and requests that it sends through TLS to the one allowed host carry the
// real value in the one named header. This is where connections to such hosts end up: Egress hands them over. One for
// each start of a server that has any, made by app.ts' wiring through `openBroker`.
//
// The value is in this process alone. It goes out in requests, and is masked in what comes back: see broker-mask.ts.

import type { SecureContext } from "node:tls";
import { AppError } from "../../errors.ts";
import type { Broker } from "../../model/cage.ts";
import { parseHostRule } from "../../model/host-rule.ts";
import type { CertificateAuthority } from "./authority.ts";
import { BrokerConnection, type ConnectionLimits, type Route } from "./broker-connection.ts";
import type { Credential } from "./broker-credential.ts";
import { LEAST_VALUE_CHARACTERS } from "./broker-forms.ts";
import { patternsOf } from "./broker-mask.ts";
import { BrokerRefusal } from "./broker-refusal.ts";
import { FRAMING_HEADERS, refusalBytes } from "./broker-rewrite.ts";
import { ByteSocket } from "./broker-socket.ts";
import type { Intercept, InterceptedConnection } from "./interceptor.ts";

export interface BrokerLimits extends ConnectionLimits {
  /** Open at once. Beyond it, new ones are closed. */
  readonly connections: number;
}

export const BROKER_LIMITS: BrokerLimits = {
  connections: 256,
  headMs: 30_000,
  connectMs: 30_000,
  idleMs: 120_000,
  stallMs: 15 * 60_000,
};

export interface BrokerOptions {
  /** Of the server whose cage it is. */
  readonly server: string;
  /** `cage.broker` of its specification, with the values themselves. */
  readonly brokers: Readonly<Record<string, Broker>>;
  /** What the server was given in the place of a value; see `createPlaceholders`. */
  readonly placeholderFor: (server: string, name: string) => string;
  /** What the certificates of hosts are checked against; see `trustContext`. */
  readonly trust: SecureContext;
  /** What somebody has to mend, such as a certificate that nobody vouches for; at a bounded rate. Never holds a value. */
  readonly onTrouble?: (host: string, sentence: string) => void;
  readonly limits?: Partial<BrokerLimits>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Of one host, no more than one trouble in this time: a server can ask for it as often as it likes. */
const TROUBLE_EVERY_MS = 10_000;

/**
 * What Egress gets. `caCertificatePem()` has to be in the cage before the server starts: see `trustBundle`.
 * @throws AppError (bad-configuration) for a header or a value that cannot be brokered
 */
export async function openBroker(options: BrokerOptions): Promise<BrokerInterceptor> {
  const routes = routesOf(options);
  const hosts = [...new Set(routes.map(({ host }) => host))];
  const { CertificateAuthority } = await import("./authority.ts");
  return new BrokerInterceptor(routes, new CertificateAuthority(options.server, hosts, options.now), options);
}

export class BrokerInterceptor {
  /** By `host port`. */
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #authority: CertificateAuthority;
  readonly #options: BrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #connections = new Set<BrokerConnection>();
  /** By host: when its last trouble was told. */
  readonly #toldAt = new Map<string, number>();

  /** For `openBroker`. */
  constructor(routes: readonly Route[], authority: CertificateAuthority, options: BrokerOptions) {
    this.#routes = new Map(routes.map((route) => [keyOf(route.host, route.port), route]));
    this.#authority = authority;
    this.#options = options;
    this.#limits = { ...BROKER_LIMITS, ...options.limits };
  }

  /** The certificate that the cage, and only it, has to trust. */
  caCertificatePem(): string {
    return this.#authority.caCertificatePem();
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** For Egress: who answers connections to this host, where a secret is brokered to it. */
  readonly intercept: Intercept = (host, port) => {
    const route = this.#routes.get(keyOf(host, port));
    return route === undefined ? undefined : (connection) => this.#take(connection, route);
  };

  #take({ socket, first, protocol, dial, up, down }: InterceptedConnection, route: Route): void {
    if (this.#connections.size >= this.#limits.connections || socket.destroyed) {
      socket.destroy();
      return;
    }
    if (protocol !== "tls") {
      const client = new ByteSocket(socket);
      void client.write(refusalBytes(withoutTls(route.host))).then(() => client.end());
      return;
    }
    const connection = new BrokerConnection(socket, first, {
      route,
      context: this.#authority.leaf(route.host).context,
      trust: this.#options.trust,
      limits: this.#limits,
      dial,
      meter: { up, down },
      onTrouble: (sentence) => this.#tell(route.host, sentence),
    });
    this.#connections.add(connection);
    void connection.serve().then(() => this.#connections.delete(connection));
  }

  #tell(host: string, sentence: string): void {
    const { onTrouble, now = Date.now } = this.#options;
    const toldAt = this.#toldAt.get(host);
    if (onTrouble === undefined || (toldAt !== undefined && now() - toldAt < TROUBLE_EVERY_MS)) return;
    this.#toldAt.set(host, now());
    onTrouble(host, sentence);
  }

  /** Ends all connections at once. */
  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

/** By what a host is, not by how it was written: each host has one route, with all that is brokered to it. */
function routesOf({ server, brokers, placeholderFor }: BrokerOptions): readonly Route[] {
  const parsed = Object.entries(brokers).flatMap(([name, broker]) => {
    const rule = parseHostRule(broker.host);
    return rule === undefined ? [] : [{ rule, name, broker }];
  });
  return [...Map.groupBy(parsed, ({ rule }) => keyOf(rule.host, rule.port)).values()].flatMap((entries) => {
    const [first] = entries;
    if (first === undefined) return [];
    const credentials = entries.map(({ name, broker }) =>
      credentialOf(name, broker, placeholderFor(server, name)),
    );
    const patterns = patternsOf(credentials.map(({ value }) => value));
    return [{ host: first.rule.host, port: first.rule.port, credentials, patterns }];
  });
}

function credentialOf(name: string, { header, value }: Broker, placeholder: string): Credential {
  const key = header.toLowerCase();
  const own = value.trim();
  if (FRAMING_HEADERS.has(key)) {
    throw new AppError(
      "bad-configuration",
      `The secret ${name} cannot be brokered in the header ${key}, which says how a request is read: name another header.`,
    );
  }
  if (own.length < LEAST_VALUE_CHARACTERS) {
    throw new AppError(
      "bad-configuration",
      `The value of the brokered secret ${name} is shorter than ${LEAST_VALUE_CHARACTERS} characters, so that it could not be told from other text: use a longer one.`,
    );
  }
  return { header: key, placeholder, value: own };
}

function withoutTls(host: string): BrokerRefusal {
  return new BrokerRefusal(403, `A brokered secret goes to ${host}: ask it by https.`);
}

function keyOf(host: string, port: number): string {
  return `${host} ${port}`;
}

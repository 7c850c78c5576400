// The way out of one cage: names, connections and what became of them. One for each running process; the supervisor
// makes it, lets the launcher make its listeners inside of the cage, hands it their descriptors, and closes it when the
// process is gone.
//
// A connection arrives here whatever address it was meant for, because in a cage every address is local. The one that
// it was meant for says where to: a stand-in (fake-addresses.ts) for the name that was looked up, or an address.

import { lookup as lookupAddresses } from "node:dns/promises";
import type { Socket } from "node:net";
import type { Log } from "../../log.ts";
import type { RefusedAttempt } from "../../model/cage-report.ts";
import { type HostRule, hostRuleText } from "../../model/host-rule.ts";
import { ipAddress } from "../../model/ip-address.ts";
import { AppError } from "../../errors.ts";
import type { Listener } from "../launch-plan.ts";
import { ownAddresses } from "./addresses.ts";
import { answerConnected, readConnect, turnAway } from "./connect-proxy.ts";
import { Decisions, type RuleTraffic } from "./decisions.ts";
import { destinationText, type Refusal } from "./destination.ts";
import { type Dial, dialAddress, KEEP_ALIVE_MS } from "./dial.ts";
import { serveTcp, serveUdp } from "./dns-stub.ts";
import { FakeAddresses } from "./fake-addresses.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { hangUp } from "./hang-up.ts";
import type { Intercept } from "./interceptor.ts";
import {
  closeDescriptor,
  DNS_PORT,
  INNER_ADDRESS,
  listenersFor,
  PROXY_PORT,
  serveTcpDescriptor,
  serveTcpLoopback,
  serveUdpDescriptor,
  type Serving,
} from "./listening.ts";
import { pass, type PassageSurroundings } from "./passage.ts";
import type { Lookup } from "./resolve.ts";
import { ruleBook } from "./rules.ts";

export interface EgressOptions {
  /** Name of the server, for log lines and for the command that allows more. */
  readonly server: string;
  readonly rules: readonly HostRule[];
  /** Lets public hosts through that no rule names, and writes them down. */
  readonly learn: boolean;
  /** By default that of the host. */
  readonly lookup?: Lookup;
  /** Of the rules, as `host:port`: proxies, which are asked for names that are not their own. */
  readonly proxies?: readonly string[];
  readonly dial?: Dial;
  readonly intercept?: Intercept;
  /** At a bounded rate: see decisions.ts. */
  readonly onRefused: (attempt: RefusedAttempt) => void;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Addresses of this host. */
  readonly own?: () => ReadonlySet<string>;
  readonly fakes?: FakeAddresses;
}

/** Connections at one moment. */
const MAX_CONNECTIONS = 256;
/** Beside those: what is about to be turned away, and where others can connect, what did not show a token yet. */
const MAX_OTHERS = 64;

export class Egress {
  readonly #server: string;
  readonly #listeners: readonly Listener[];
  readonly #decisions: Decisions;
  readonly #gatekeeper: Gatekeeper;
  readonly #surroundings: PassageSurroundings;
  readonly #token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  readonly #serving: Serving[] = [];
  #closed = false;
  #proxyPort: number | undefined;
  /** All that were accepted and are open; those that count against the limit. */
  readonly #sockets = new Set<Socket>();
  readonly #admitted = new Set<Socket>();

  /** @throws AppError `bad-configuration` when the rules name too many ports */
  constructor(options: EgressOptions) {
    const { rules, learn, log, now, server, onRefused, lookup = hostLookup, dial = dialAddress } = options;
    this.#server = server;
    const decisions = new Decisions({
      rules: rules.map(hostRuleText),
      now,
      announce: (attempt) => {
        log.info("a cage refused a connection", { server, ...attempt });
        onRefused(attempt);
      },
    });
    const { fakes = new FakeAddresses(), own = ownAddresses, intercept = () => undefined } = options;
    const proxies = new Set(options.proxies);
    const book = ruleBook(rules);
    this.#listeners = listenersFor(book.ports, learn);
    this.#decisions = decisions;
    this.#gatekeeper = new Gatekeeper({ book, learn, decisions, fakes, own, now });
    this.#surroundings = {
      decisions,
      lookup,
      dial,
      own: () => this.#gatekeeper.own(),
      intercept,
      proxies,
      log,
    };
  }

  /** What the launcher has to make inside of the cage. */
  listeners(): readonly Listener[] {
    return this.#listeners;
  }

  /** Takes over the descriptors of the listeners, in their order; they are closed with it, also when this fails. */
  async adopt(fds: readonly number[]): Promise<void> {
    const listeners = this.#listeners;
    if (fds.length !== listeners.length) {
      for (const fd of fds) closeDescriptor(fd);
      throw new AppError(
        "internal",
        `A cage has ${listeners.length} listeners, and ${fds.length} came out of it.`,
      );
    }
    const results = await Promise.allSettled(
      listeners.map(async (listener, index) => this.#own(await this.#serve(listener, fds[index] ?? -1))),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return;
    await this.close();
    throw failed.reason;
  }

  /** For a cage without a network of its own: the proxy on loopback, for whoever has the token. Resolves to the port. */
  async listenProxy(): Promise<number> {
    const serving = await serveTcpLoopback((socket) => this.#stranger(socket));
    await this.#own(serving);
    this.#proxyPort = serving.port;
    return serving.port;
  }

  /** For HTTP_PROXY and HTTPS_PROXY. Holds the token where there is one. */
  proxyUrl(): string {
    if (this.#proxyPort === undefined) return `http://${INNER_ADDRESS}:${PROXY_PORT}`;
    return `http://cage:${this.#token}@${INNER_ADDRESS}:${this.#proxyPort}`;
  }

  /** At most 100, newest last. */
  refused(): readonly RefusedAttempt[] {
    return this.#decisions.refused();
  }

  /** Those that happened (again) at this moment or later: what a tool's error has to tell. */
  refusedSince(atMs: number): readonly RefusedAttempt[] {
    return this.refused().filter(({ at }) => at >= atMs);
  }

  traffic(): readonly RuleTraffic[] {
    return this.#decisions.traffic();
  }

  /** Grants as text, at most 256. Empty unless it learns. */
  learned(): readonly string[] {
    return this.#decisions.learned();
  }

  /** Ends every connection and frees every descriptor, also of what is only just being taken over. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = this.#serving.splice(0).map((serving) => serving.close());
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await Promise.all(closed);
  }

  async #own(serving: Serving): Promise<void> {
    if (this.#closed) return serving.close();
    this.#serving.push(serving);
  }

  #serve(listener: Listener, fd: number): Promise<Serving> {
    if (listener.protocol === "udp") {
      return serveUdpDescriptor(fd, (socket) => serveUdp(socket, (name) => this.#gatekeeper.addressOf(name)));
    }
    return serveTcpDescriptor(fd, (socket) => this.#arrive(socket, listener.port));
  }

  /** A connection inside of the cage. What is refused is gone before it counts. */
  #arrive(socket: Socket, port: number): void {
    this.#keep(socket);
    const address = socket.localAddress;
    if (address === undefined) return void socket.destroy();
    if (address === INNER_ADDRESS && (port === DNS_PORT || port === PROXY_PORT))
      return this.#ask(socket, port);
    const judged = this.#gatekeeper.judge({ host: address, kind: "address", port });
    if ("refusal" in judged) return this.#turnAway(socket);
    if (!this.#admit(socket)) return;
    const { permission } = judged;
    socket.once("close", this.#gatekeeper.hold(permission.destination.host));
    void pass(this.#surroundings, { agent: socket, early: Buffer.alloc(0), permission });
  }

  /** A connection to what this offers itself. */
  #ask(socket: Socket, port: typeof DNS_PORT | typeof PROXY_PORT): void {
    if (!this.#admit(socket)) return;
    if (port === DNS_PORT) return serveTcp(socket, (name) => this.#gatekeeper.addressOf(name));
    void this.#proxy(socket, undefined);
  }

  /** A connection on the host's loopback: anybody's. */
  #stranger(socket: Socket): void {
    this.#keep(socket);
    if (this.#isCrowded()) return void socket.resetAndDestroy();
    void this.#proxy(socket, `cage:${this.#token}`);
  }

  async #proxy(socket: Socket, credentials: string | undefined): Promise<void> {
    const request = await readConnect(socket, credentials);
    if (request === undefined || !this.#admit(socket)) return;
    const judged = this.#gatekeeper.judge(request.destination);
    const what = destinationText(request.destination);
    const refused = ({ reason, grant }: Refusal): void => {
      const hint = grant === undefined ? "" : ` \`toolcrib allow ${this.#server} ${grant}\` allows it.`;
      turnAway(socket, { status: 403, sentence: `${what}: ${reason}.${hint}` });
    };
    if ("refusal" in judged) return refused(judged.refusal);
    await pass(this.#surroundings, {
      agent: socket,
      early: request.early,
      permission: judged.permission,
      answers: {
        connected: () => answerConnected(socket),
        refused,
        failed: (failure) => turnAway(socket, { status: 502, sentence: `${failure}.` }),
      },
    });
  }

  #keep(socket: Socket): void {
    // Finds what was left half open by a program that is gone, and would count for ever.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // What happens to it is told by `close`.
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#admitted.delete(socket);
    });
    this.#sockets.add(socket);
    if (this.#closed) socket.resetAndDestroy();
  }

  #turnAway(socket: Socket): void {
    if (this.#isCrowded()) socket.resetAndDestroy();
    else hangUp(socket);
  }

  #isCrowded(): boolean {
    return this.#sockets.size - this.#admitted.size > MAX_OTHERS;
  }

  /** False when it is gone already, or has to go because there are too many. */
  #admit(socket: Socket): boolean {
    if (socket.destroyed) return false;
    if (this.#admitted.has(socket)) return true;
    if (this.#admitted.size >= MAX_CONNECTIONS) {
      const reason = `a cage has at most ${MAX_CONNECTIONS} connections at once`;
      this.#decisions.refuse({ what: "another connection", reason, grant: undefined });
      this.#turnAway(socket);
      return false;
    }
    this.#admitted.add(socket);
    return true;
  }
}

async function hostLookup(name: string): Promise<readonly string[]> {
  const found = await lookupAddresses(name, { all: true, verbatim: true });
  return found.map(({ address }) => ipAddress(address) ?? address);
}

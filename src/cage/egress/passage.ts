// One connection that may leave the cage, from the permission to its end: resolved, dialled, its first bytes checked,
// spliced or handed to the broker. Egress and the CONNECT proxy begin it; nothing of it outlives the agent's socket.
//
// When to dial: who speaks TLS on port 443 speaks first, so nothing is dialled there before the hello names the right
// host. On every other port the host may be the one that speaks first (SSH, SMTP, MySQL), so it is dialled and heard at
// once. What the agent sends first is held back and checked on all of them, whenever it comes: no time that passes, and
// no greeting, lets it by unread.

import { Socket } from "node:net";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { Decisions, Meter } from "./decisions.ts";
import { destinationText, type Permission, type Refusal } from "./destination.ts";
import { type Dial, dialFirst } from "./dial.ts";
import { type FirstBytes, judgeFirstBytes, TLS_PORT } from "./first-bytes.ts";
import { hangUp } from "./hang-up.ts";
import { type Held, holdBytes } from "./held-bytes.ts";
import type { Intercept, Interceptor } from "./interceptor.ts";
import { type Lookup, resolve } from "./resolve.ts";
import { pump, tie } from "./tunnel.ts";

/** What all connections of one cage share. */
export interface PassageSurroundings {
  readonly decisions: Decisions;
  readonly lookup: Lookup;
  readonly dial: Dial;
  /** Addresses of this host. */
  readonly own: () => ReadonlySet<string>;
  readonly intercept: Intercept;
  /** `host:port` of those whose first bytes name somebody else. */
  readonly proxies: ReadonlySet<string>;
  readonly log: Log;
}

export interface Passenger {
  /** Paused. */
  readonly agent: Socket;
  /** What was read of it already. */
  readonly early: Buffer;
  readonly permission: Permission;
  /** Of a CONNECT request: it is answered before the agent says more. */
  readonly answers?: {
    readonly connected: () => void;
    readonly refused: (refusal: Refusal) => void;
    readonly failed: (sentence: string) => void;
  };
}

/** From the first step to a connection. */
const CONNECT_MS = 10_000;
const FIRST_BYTES_MS = 10_000;
const NOTHING = Buffer.alloc(0);

/** The outcome of looking up and dialling. */
type Reached = Socket | { readonly refusal: Refusal } | { readonly failure: string };

/** Resolves when the connection is spliced or handed over, or will not be; never rejects. */
export async function pass(surroundings: PassageSurroundings, passenger: Passenger): Promise<void> {
  try {
    await begin(surroundings, passenger);
  } catch (error) {
    // A fault of ours ends the one connection that met it.
    surroundings.log.error("a connection out of a cage was ended by a fault", { error });
    passenger.agent.resetAndDestroy();
  }
}

function begin(surroundings: PassageSurroundings, passenger: Passenger): Promise<void> {
  const { destination } = passenger.permission;
  const interceptor = surroundings.intercept(destination.host, destination.port);
  if (interceptor !== undefined) return intercepted(surroundings, passenger, interceptor);
  const waits =
    passenger.answers === undefined && namesItsHost(surroundings, passenger) && destination.port === TLS_PORT;
  return waits ? checkedFirst(surroundings, passenger) : dialledFirst(surroundings, passenger);
}

/** An address has no name, and what is said to a proxy names another. */
function namesItsHost({ proxies }: PassageSurroundings, { permission }: Passenger): boolean {
  const { destination } = permission;
  return destination.kind === "name" && !proxies.has(destinationText(destination));
}

async function checkedFirst(surroundings: PassageSurroundings, passenger: Passenger): Promise<void> {
  const first = await firstBytes(surroundings, passenger, FIRST_BYTES_MS);
  if (first === undefined) return;
  const host = await reach(surroundings, passenger);
  if (!(host instanceof Socket)) return turnAway(surroundings, passenger, host);
  const meter = opened(surroundings, passenger, host);
  send(host, first.bytes, meter);
  both(passenger.agent, host, meter);
}

async function dialledFirst(surroundings: PassageSurroundings, passenger: Passenger): Promise<void> {
  const { agent, answers, early } = passenger;
  const host = await reach(surroundings, passenger);
  if (!(host instanceof Socket)) return turnAway(surroundings, passenger, host);
  answers?.connected();
  const meter = opened(surroundings, passenger, host);
  if (!namesItsHost(surroundings, passenger)) {
    send(host, early, meter);
    return both(agent, host, meter);
  }
  pump(host, agent, meter.down);
  const first = await firstBytes(surroundings, passenger);
  if (first === undefined) return;
  send(host, first.bytes, meter);
  if (first.ended) return void host.end();
  pump(agent, host, meter.up);
}

async function intercepted(
  surroundings: PassageSurroundings,
  passenger: Passenger,
  interceptor: Interceptor,
): Promise<void> {
  const { agent, permission } = passenger;
  const { host, port } = permission.destination;
  passenger.answers?.connected();
  const first = await firstBytes(surroundings, passenger, FIRST_BYTES_MS);
  if (first === undefined) return;
  if (first.protocol === "other" || first.ended) {
    const reason = "a brokered secret goes there, so it has to be asked by TLS or HTTP";
    refuse(surroundings, permission, { reason, grant: undefined });
    return void agent.resetAndDestroy();
  }
  const meter = surroundings.decisions.open(permission.rule);
  agent.once("close", meter.close);
  const dial = async (): Promise<Socket> => {
    const reached = await reach(surroundings, passenger);
    if (reached instanceof Socket) {
      agent.once("close", () => reached.destroy());
      return reached;
    }
    if ("failure" in reached) throw new AppError("unreachable", `${reached.failure}.`);
    refuse(surroundings, permission, reached.refusal);
    throw new AppError("denied", `${destinationText(permission.destination)}: ${reached.refusal.reason}.`);
  };
  const { up, down } = meter;
  interceptor({ socket: agent, first: first.bytes, protocol: first.protocol, host, port, dial, up, down });
}

/**
 * The first bytes, which name the right host; nothing of an address is looked at. `ended`: there is nothing more to
 * come, or ever was. Undefined when the connection is over: it ended, or was refused.
 */
async function firstBytes(
  surroundings: PassageSurroundings,
  { agent, early, permission }: Passenger,
  timeoutMs?: number,
): Promise<{ bytes: Buffer; ended: boolean; protocol: "tls" | "http" | "other" } | undefined> {
  const { destination } = permission;
  const held: Held<Exclude<FirstBytes, { state: "more" }>> = await holdBytes(
    agent,
    early,
    (bytes) => {
      const judged = judgeFirstBytes(bytes, destination);
      return judged.state === "more" ? undefined : judged;
    },
    timeoutMs,
  );
  if (held.state === "closed") return undefined;
  if (held.state === "judged" && held.judged.state === "passes") {
    const { protocol, encryptedHello } = held.judged;
    surroundings.log.debug("a connection names its host", { ...destination, protocol, encryptedHello });
    return { bytes: held.bytes, ended: false, protocol };
  }
  if (held.state === "judged" && held.judged.state === "refused") {
    const { asked, reason } = held.judged;
    const wanted =
      asked === undefined ? destination : { host: asked, port: destination.port, kind: "name" as const };
    const grant = asked === undefined ? undefined : destinationText(wanted);
    surroundings.decisions.refuse({ what: destinationText(wanted), reason, grant });
  } else if (held.state === "ended" && held.bytes.length === 0 && timeoutMs === undefined) {
    return { bytes: NOTHING, ended: true, protocol: "other" };
  } else if (held.state === "timeout") {
    const reason = `nothing that names the host was said within ${FIRST_BYTES_MS / 1000} seconds`;
    surroundings.decisions.refuse({ what: destinationText(destination), reason, grant: undefined });
  }
  agent.resetAndDestroy();
  return undefined;
}

/** The agent is still there when it resolves to a connection. */
async function reach(
  { lookup, own, dial, decisions }: PassageSurroundings,
  passenger: Passenger,
): Promise<Reached> {
  const { agent, permission } = passenger;
  const { destination, learned, rule } = permission;
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new Error(`no answer within ${CONNECT_MS / 1000} seconds`)),
    CONNECT_MS,
  );
  const leave = (): void => limit.abort(new Error("the server hung up"));
  agent.once("close", leave);
  if (agent.destroyed) leave();
  try {
    const resolved = await resolve(permission, lookup, own(), limit.signal);
    if (!("addresses" in resolved)) return resolved;
    if (learned && !decisions.learn(rule)) {
      return { refusal: { reason: "one host more than learning writes down", grant: rule } };
    }
    const host = await dialFirst(resolved.addresses, destination.port, dial, limit.signal);
    if (!(host instanceof Socket)) {
      return { failure: `${destinationText(destination)} could not be reached (${host})` };
    }
    if (!agent.destroyed) return host;
    host.destroy();
    return { failure: "the server hung up" };
  } finally {
    clearTimeout(timer);
    agent.off("close", leave);
  }
}

/** From here on, what happens to one of both happens to the other. */
function opened(
  { decisions, log }: PassageSurroundings,
  { agent, permission }: Passenger,
  host: Socket,
): Meter {
  const meter = decisions.open(permission.rule);
  host.once("close", meter.close);
  tie(agent, host);
  log.debug("a connection left the cage", {
    to: destinationText(permission.destination),
    rule: permission.rule,
  });
  return meter;
}

function send(host: Socket, bytes: Buffer, meter: Meter): void {
  if (bytes.length === 0) return;
  meter.up(bytes.length);
  host.write(bytes);
}

function both(agent: Socket, host: Socket, meter: Meter): void {
  pump(agent, host, meter.up);
  pump(host, agent, meter.down);
}

function turnAway(
  surroundings: PassageSurroundings,
  { agent, answers, permission }: Passenger,
  why: Exclude<Reached, Socket>,
): void {
  if ("refusal" in why) {
    refuse(surroundings, permission, why.refusal);
    if (answers !== undefined) return answers.refused(why.refusal);
  } else {
    surroundings.log.debug("a connection out of the cage failed", { why: why.failure });
    if (answers !== undefined) return answers.failed(why.failure);
  }
  hangUp(agent);
}

function refuse({ decisions }: PassageSurroundings, { destination }: Permission, refusal: Refusal): void {
  decisions.refuse({ what: destinationText(destination), ...refusal });
}

// A pool whose every connection the test makes: what it asked for, and what it said, in order. On a clock of its own.

import { createBus } from "../../src/events.ts";
import { nullLog } from "../../src/log.ts";
import type { RefusedAttempt } from "../../src/model/cage-report.ts";
import type { ConfiguredServer, HttpSpec, StdioSpec } from "../../src/model/server-spec.ts";
import type { Usage } from "../../src/model/server-state.ts";
import type { Asker } from "../../src/upstream/asker.ts";
import { NO_LEASES, type Leases } from "../../src/upstream/idleness.ts";
import type { ConnectorRequest } from "../../src/upstream/instance.ts";
import { Pool, type PoolLimits } from "../../src/upstream/pool.ts";
import {
  type ScriptedConnector,
  scriptedConnector,
  type ScriptedUpstream,
  turns,
} from "./scripted-connector.ts";

export const MIB = 1024 ** 2;

/** A connector that the pool asked for. */
export type Made = ScriptedConnector & ConnectorRequest;

export interface PoolLab {
  readonly pool: Pool;
  /** In the order in which the pool asked for them. */
  readonly made: readonly Made[];
  /** `name state` of each event. */
  readonly events: string[];
  readonly ready: string[];
  readonly changed: string[];
  /** `server instance` of each that is over for good. */
  readonly gone: string[];
  /** By process id. */
  readonly usages: Map<number, Usage>;
  readonly refused: Map<string, readonly RefusedAttempt[]>;
  leases: Leases;
  clock: number;
  /** The newest connector of this server, or of this instance of it. */
  connector(server: string, instance?: string): Made;
  /** Acquires, connects, and answers with what was acquired. */
  start(server: string, asker?: Asker): Promise<ScriptedUpstream>;
  /** So much later, as the pool sees it, with a look at every second. */
  pass(ms: number): Promise<void>;
}

export interface PoolLabOptions {
  readonly limits?: Partial<PoolLimits>;
  readonly idleStopMs?: number;
}

export function openPool({ limits = {}, idleStopMs = 0 }: PoolLabOptions = {}): PoolLab {
  const made: Made[] = [];
  const bus = createBus();
  const [events, ready, changed, gone]: [string[], string[], string[], string[]] = [[], [], [], []];
  bus.on("server.state", ({ server, state }) => events.push(`${server} ${state}`));
  const connector = (server: string, instance?: string): Made => {
    const found = made.findLast(
      (each) => each.server.name === server && (instance === undefined || each.instance.id === instance),
    );
    if (found === undefined) throw new Error(`nothing was made for ${server} ${instance ?? ""}`);
    return found;
  };
  const lab: PoolLab = {
    pool: new Pool({
      connectorFor(request) {
        const scripted = Object.assign(scriptedConnector(), request);
        made.push(scripted);
        return scripted;
      },
      limits: {
        parallelStarts: 100,
        memoryBytes: 1024 ** 4,
        processes: 100_000,
        instances: 1_000,
        instancesPerServer: 100,
        ...limits,
      },
      defaultCallTimeoutMs: 600_000,
      defaultStartTimeoutMs: 60_000,
      defaultIdleStopMs: idleStopMs,
      bus,
      log: nullLog,
      now: () => lab.clock,
      random: () => 0.5,
      usageOf: (pid) => lab.usages.get(pid),
      leases: () => lab.leases,
      refusals: (server, { id }) => lab.refused.get(`${server} ${id}`) ?? [],
      onReady: (server) => ready.push(server.name),
      onListChanged: (server) => changed.push(server.name),
      onGone: (server, { id }) => gone.push(`${server.name} ${id}`),
    }),
    made,
    events,
    ready,
    changed,
    gone,
    usages: new Map(),
    refused: new Map(),
    leases: NO_LEASES,
    clock: 1_000,
    connector,
    async start(server, asker) {
      const acquired = asker === undefined ? lab.pool.acquire(server) : lab.pool.acquire(server, asker);
      await turns();
      const waiting = made.filter((each) => each.server.name === server && each.isOpen);
      const [only, ...more] = waiting;
      if (only === undefined || more.length > 0)
        throw new Error(`${waiting.length} starts of ${server} wait`);
      const upstream = only.last.connect();
      const got = await acquired;
      if (got !== upstream) throw new Error("somebody else's connection");
      return upstream;
    },
    async pass(ms) {
      const end = lab.clock + ms;
      while (lab.clock < end) {
        lab.clock = Math.min(end, lab.clock + 1_000);
        lab.pool.sweep();
        await turns();
      }
    },
  };
  return lab;
}

type Configured = Partial<ConfiguredServer> & { readonly with?: Partial<StdioSpec> };

export function configured(name: string, { with: more, ...rest }: Configured = {}): ConfiguredServer {
  const spec: StdioSpec = {
    kind: "stdio",
    command: name,
    args: [],
    env: {},
    cage: { read: [], write: [], network: [] },
    extra: {},
    ...more,
  };
  return {
    name,
    spec,
    package: undefined,
    enabled: true,
    specHash: `hash of ${name}`,
    createdAt: 0,
    ...rest,
  };
}

export function remote(name: string, more: Partial<HttpSpec> = {}): ConfiguredServer {
  const spec: HttpSpec = { kind: "http", url: "https://mcp.example.com/", headers: {}, extra: {}, ...more };
  return { name, spec, package: undefined, enabled: true, specHash: `hash of ${name}`, createdAt: 0 };
}

// What an administrator sees and changes of cages: what is enforced, what was refused, and one more grant. Made by
// app.ts, called by the API. A grant is a change of the specification like any other.

import { existsSync } from "node:fs";
import { AppError } from "../errors.ts";
import { type Cage, CAGE_LIMITS } from "../model/cage.ts";
import type { CageReport, RefusedAttempt } from "../model/cage-report.ts";
import type { CageView, GrantRequest, TrafficView } from "../model/cage-view.ts";
import { parseHostRule } from "../model/host-rule.ts";
import { quoted } from "../model/printable.ts";
import type { ConfiguredServer, StdioSpec } from "../model/server-spec.ts";
import { specHash } from "../model/spec-hash.ts";

/** What is known of the cages that run or ran; the cage room keeps it. */
export interface CageFacts {
  report(server: string): CageReport | undefined;
  refused(server: string): readonly RefusedAttempt[];
  learned(server: string): readonly string[];
  traffic(server: string): readonly TrafficView[];
}

export interface CageAdmin {
  /** @throws AppError `not-found`; `usage` for a server that is reached by its URL */
  view(name: string): CageView;
  /** @throws AppError `not-found`, `usage` for what is no grant or none that can be given; then nothing is changed */
  allow(name: string, request: GrantRequest): CageView;
}

export interface CagingOptions {
  /** @throws AppError `not-found` */
  readonly find: (name: string) => ConfiguredServer;
  readonly save: (server: ConfiguredServer) => void;
  readonly facts: CageFacts;
  /** What is wrong with granted paths, as a sentence. */
  readonly refusedPaths: (cage: Pick<Cage, "read" | "write">) => string | undefined;
}

export class Caging implements CageAdmin {
  readonly #options: CagingOptions;

  constructor(options: CagingOptions) {
    this.#options = options;
  }

  view(name: string): CageView {
    const { facts } = this.#options;
    const { cage } = this.#find(name).spec;
    const report = facts.report(name);
    return {
      server: name,
      mode: cage.mode ?? "on",
      minimum: cage.mode === "off" ? "off" : (cage.minimum ?? "isolated"),
      ...(report === undefined ? {} : { report }),
      read: cage.read,
      write: cage.write,
      network: cage.network,
      learn: cage.learn === true,
      learned: facts.learned(name).filter((grant) => !cage.network.includes(grant)),
      broker: Object.entries(cage.broker ?? {}).map(([broker, { host, header }]) => ({
        name: broker,
        host,
        header,
      })),
      limits: {
        memoryBytes: cage.memoryBytes ?? CAGE_LIMITS.memoryBytes,
        processes: cage.processes ?? CAGE_LIMITS.processes,
        cpus: cage.cpus ?? CAGE_LIMITS.cpus,
      },
      refused: facts.refused(name),
      traffic: facts.traffic(name),
    };
  }

  allow(name: string, request: GrantRequest): CageView {
    const server = this.#find(name);
    const { spec } = server;
    const learned = request.learned ? this.#options.facts.learned(name) : [];
    if (request.grants.length === 0 && !request.learned) {
      throw new AppError("usage", "Say what to allow: a host:port, or an absolute path.");
    }
    const cage = [...request.grants, ...learned].reduce(
      (wider, grant) => widened(wider, grant, request.write),
      request.learned ? { ...spec.cage, learn: false } : spec.cage,
    );
    const wrong = this.#options.refusedPaths(cage);
    if (wrong !== undefined) throw new AppError("usage", wrong);
    const next = { ...spec, cage };
    const hash = specHash(next, server.package);
    if (hash !== server.specHash) this.#options.save({ ...server, spec: next, specHash: hash });
    return this.view(name);
  }

  #find(name: string): ConfiguredServer & { readonly spec: StdioSpec } {
    const server = this.#options.find(name);
    const { spec } = server;
    if (spec.kind === "stdio") return { ...server, spec };
    throw new AppError("usage", `Server ${name} is reached by its URL: it has no cage on this host.`);
  }
}

function widened(cage: Cage, grant: string, write: boolean): Cage {
  if (grant.startsWith("/")) {
    if (!existsSync(grant)) throw new AppError("usage", `There is no ${quoted(grant)} on this host.`);
    return write
      ? { ...cage, write: union(cage.write, grant), read: cage.read.filter((path) => path !== grant) }
      : { ...cage, read: union(cage.read, grant) };
  }
  if (parseHostRule(grant) !== undefined) return { ...cage, network: union(cage.network, grant) };
  throw new AppError(
    "usage",
    `${quoted(grant)} is no grant: write host:port, as in api.example.com:443, or an absolute path.`,
  );
}

function union(list: readonly string[], entry: string): string[] {
  return [...new Set([...list, entry])];
}

// Updates of packages: what is newer, a newer version beside the one in use, what it would change for agents, the
// switch to it and the way back. app.ts makes the one object; the API calls it.

import { AppError, toAppError } from "../errors.ts";
import type { Problem, ServerView } from "../model/api.ts";
import type { PreparedView, SwitchView, UpdateEvent, UpdateView, VaultView } from "../model/package-view.ts";
import type { ServerOffer } from "../model/server-offer.ts";
import type { ConfiguredServer, PinnedPackage, ServerSpec, StdioSpec } from "../model/server-spec.ts";
import { specHash } from "../model/spec-hash.ts";
import type { InstallProgress } from "../package/launch-command.ts";
import type { Newest } from "../package/newest.ts";
import type { VaultUsage } from "../package/usage.ts";
import type { PreviousPackage, PreviousPackageTable } from "../store/previous-packages.ts";
import { compareOffers } from "./offer-diff.ts";

export interface PackageAdmin {
  /** Of these servers, or of all that run a package. Registries are asked. @throws AppError `not-found` */
  check(names: readonly string[], signal: AbortSignal): Promise<readonly UpdateView[]>;
  /** Reports what happens; the last event is `current`, `prepared` or `failed`. Changes nothing. Never throws. */
  prepare(name: string, report: (event: UpdateEvent) => void, signal: AbortSignal): Promise<void>;
  /** @throws AppError `not-found`; `conflict` when it is not what was prepared last */
  switch(name: string, candidate: string): Promise<SwitchView>;
  /** @throws AppError `not-found`, `conflict` when there is nothing to go back to, `blocked` */
  rollback(name: string): Promise<SwitchView>;
  vault(): Promise<VaultView>;
}

export interface PackagesOptions {
  readonly servers: () => readonly ConfiguredServer[];
  /** @throws AppError `not-found` */
  readonly find: (name: string) => ConfiguredServer;
  readonly view: (name: string) => ServerView;
  /** @throws AppError when the registry cannot be asked */
  readonly newest: (spec: StdioSpec, signal: AbortSignal) => Promise<Newest>;
  /** As for `add`: what the command line asks for now. */
  readonly install: (
    spec: StdioSpec,
    progress: InstallProgress,
    signal: AbortSignal,
  ) => Promise<PinnedPackage | undefined>;
  /**
   * Starts a server that is not configured, in a working directory of its own, reads its lists and ends it.
   * @throws AppError `start-failed`
   */
  readonly tryServer: (server: ConfiguredServer, signal: AbortSignal) => Promise<ServerOffer>;
  /** What the version in use offers; undefined where nobody knows. */
  readonly offerOf: (server: string) => ServerOffer | undefined;
  /** Resolves when the package may be started. @throws AppError `blocked` */
  readonly ensure: (pinned: PinnedPackage) => Promise<void>;
  /** One change: the server, and what `alongside` writes in the same transaction. */
  readonly save: (
    server: ConfiguredServer,
    action: "server.update" | "server.rollback",
    alongside: () => void,
  ) => void;
  readonly previous: PreviousPackageTable;
  /** @param users names of servers by the directory of a package */
  readonly usage: (users: ReadonlyMap<string, readonly string[]>) => Promise<VaultUsage>;
  readonly vaultMaxBytes: number;
  readonly problemOf: (error: AppError) => Problem;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Prepared {
  readonly candidate: PinnedPackage;
  /** The server as it was: a candidate is for no other. */
  readonly specHash: string;
}

/** A server that runs a package of the vault. */
type PackagedServer = ConfiguredServer & { readonly spec: StdioSpec; readonly package: PinnedPackage };

/** Registries asked at one moment. */
const CONCURRENT_CHECKS = 4;

export class Packages implements PackageAdmin {
  readonly #options: PackagesOptions;
  /** By server, one each: what was shown to somebody and waits for a word. */
  readonly #prepared = new Map<string, Prepared>();
  readonly #underWay = new Set<string>();

  constructor(options: PackagesOptions) {
    this.#options = options;
  }

  /** Packages that have to stay in the vault: in use, to go back to, and prepared. */
  keep(): readonly PinnedPackage[] {
    const { servers, previous } = this.#options;
    const back = previous.listPreviousPackages();
    return servers().flatMap((server) => {
      const before = back.find((each) => each.server === server.name && isFor(server.spec, each));
      const prepared = this.#prepared.get(server.name);
      const candidate = prepared?.specHash === server.specHash ? prepared.candidate : undefined;
      return [server.package, before?.package, candidate].filter((each) => each !== undefined);
    });
  }

  async check(names: readonly string[], signal: AbortSignal): Promise<readonly UpdateView[]> {
    const { servers } = this.#options;
    const wanted = names.length > 0 ? names.map((name) => this.#find(name)) : servers().filter(isPackaged);
    const views: UpdateView[] = [];
    const queue = wanted.entries();
    const work = async (): Promise<void> => {
      for (const [at, server] of queue) views[at] = await this.#check(server, signal);
    };
    await Promise.all(Array.from({ length: CONCURRENT_CHECKS }, work));
    return views;
  }

  async prepare(name: string, report: (event: UpdateEvent) => void, signal: AbortSignal): Promise<void> {
    try {
      const server = this.#find(name);
      if (this.#underWay.has(name))
        throw new AppError("conflict", `Server ${name} is being updated already.`);
      this.#underWay.add(name);
      try {
        report(await this.#prepare(server, report, signal));
      } finally {
        this.#underWay.delete(name);
      }
    } catch (thrown) {
      report({ event: "failed", error: this.#options.problemOf(toAppError(thrown)) });
    }
  }

  async switch(name: string, candidate: string): Promise<SwitchView> {
    const server = this.#find(name);
    const prepared = this.#prepared.get(name);
    if (prepared?.candidate.directory !== candidate || prepared.specHash !== server.specHash) {
      throw new AppError(
        "conflict",
        `Server ${name} has no such version prepared any more: run \`toolcrib update ${name}\` again.`,
      );
    }
    await this.#options.ensure(prepared.candidate);
    this.#prepared.delete(name);
    return this.#put(server, prepared.candidate, "server.update");
  }

  async rollback(name: string): Promise<SwitchView> {
    const server = this.#find(name);
    const previous = this.#previousOf(name);
    if (previous === undefined) {
      throw new AppError("conflict", `Server ${name} was never updated: there is nothing to go back to.`);
    }
    if (!isFor(server.spec, previous)) {
      throw new AppError(
        "conflict",
        `Server ${name} has another command line since its update: version ${previous.package.version} was not ` +
          "installed for it.",
      );
    }
    await this.#options.ensure(previous.package);
    return this.#put(server, previous.package, "server.rollback");
  }

  async vault(): Promise<VaultView> {
    const users = new Map<string, string[]>();
    const add = (pinned: PinnedPackage, user: string): void => {
      const known = users.get(pinned.directory);
      if (known === undefined) users.set(pinned.directory, [user]);
      else if (!known.includes(user)) known.push(user);
    };
    for (const server of this.#options.servers())
      if (server.package !== undefined) add(server.package, server.name);
    for (const previous of this.#options.previous.listPreviousPackages())
      add(previous.package, previous.server);
    const { packages, ...usage } = await this.#options.usage(users);
    return {
      ...usage,
      maxBytes: this.#options.vaultMaxBytes,
      packages: packages.map((entry) => ({ ...entry, neededAt: new Date(entry.neededAt).toISOString() })),
    };
  }

  async #check(server: PackagedServer, signal: AbortSignal): Promise<UpdateView> {
    const { name, spec, package: pinned } = server;
    const previous = this.#previousOf(name)?.package.version;
    const view = {
      server: name,
      package: pinned.name,
      version: pinned.version,
      ...(previous === undefined ? {} : { previous }),
    };
    try {
      const { wanted, version, directory, isExact } = await this.#options.newest(spec, signal);
      if (isExact && version !== pinned.version)
        return { ...view, wanted, newest: version, state: "pinned", note: PINNED };
      if (isExact || directory === pinned.directory)
        return { ...view, wanted, newest: version, state: "current" };
      const note = version === pinned.version ? { note: "packages that it needs are newer" } : {};
      return { ...view, wanted, newest: version, state: "newer", ...note };
    } catch (thrown) {
      return { ...view, wanted: "?", state: "unknown", note: toAppError(thrown).message };
    }
  }

  async #prepare(
    server: PackagedServer,
    report: (event: UpdateEvent) => void,
    signal: AbortSignal,
  ): Promise<UpdateEvent> {
    const { install, tryServer, offerOf } = this.#options;
    const { name, spec, package: pinned } = server;
    this.#prepared.delete(name);
    const candidate = await install(
      spec,
      (stage, detail) => report({ event: "progress", stage, detail }),
      signal,
    );
    if (candidate === undefined || candidate.directory === pinned.directory) {
      return { event: "current", update: await this.#check(server, signal) };
    }
    report({ event: "progress", stage: "starting", detail: titleOf(candidate) });
    const offer = await tryServer(withPackage(server, candidate), signal);
    this.#prepared.set(name, { candidate, specHash: server.specHash });
    const prepared: PreparedView = {
      server: name,
      package: candidate.name,
      from: pinned.version,
      to: candidate.version,
      candidate: candidate.directory,
      diff: compareOffers(offerOf(name), offer),
    };
    return { event: "prepared", prepared };
  }

  #put(server: PackagedServer, next: PinnedPackage, action: "server.update" | "server.rollback"): SwitchView {
    const { save, previous, now, view } = this.#options;
    const { command, args } = server.spec;
    save(withPackage(server, next), action, () =>
      previous.savePreviousPackage({
        server: server.name,
        package: server.package,
        spec: { command, args },
        replacedAt: now(),
      }),
    );
    return { server: view(server.name), from: server.package.version, to: next.version };
  }

  #previousOf(name: string): PreviousPackage | undefined {
    return this.#options.previous.listPreviousPackages().find(({ server }) => server === name);
  }

  /** @throws AppError `not-found`, `usage` */
  #find(name: string): PackagedServer {
    const server = this.#options.find(name);
    if (isPackaged(server)) return server;
    throw new AppError("usage", `Server ${name} runs no package of the vault: there is nothing to update.`);
  }
}

const PINNED = "its command line names this version: `toolcrib add --replace` with another one changes it";

/** A package was installed for its command line, and fits no other. */
function isFor(spec: ServerSpec, { spec: { command, args } }: PreviousPackage): boolean {
  return spec.kind === "stdio" && spec.command === command && Bun.deepEquals(spec.args, args);
}

function isPackaged(server: ConfiguredServer): server is PackagedServer {
  return server.spec.kind === "stdio" && server.package !== undefined;
}

function withPackage(server: PackagedServer, next: PinnedPackage): ConfiguredServer {
  return { ...server, package: next, specHash: specHash(server.spec, next) };
}

function titleOf({ name, version }: PinnedPackage): string {
  return `${name}@${version}`;
}

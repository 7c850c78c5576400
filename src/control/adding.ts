// Adding a server: install → save → start, in this order, so that what is saved can be started and what was started
// was saved. What fails before "save" leaves nothing; what fails after it leaves a server that says why it is down.

import { AppError, toAppError } from "../errors.ts";
import type { AddEvent, AddRequest, Problem } from "../model/api.ts";
import type { ConfiguredServer, PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import { specHash } from "../model/spec-hash.ts";
import type { InstallProgress } from "../package/launch-command.ts";
import type { Pool } from "../upstream/pool.ts";
import type { Changes } from "./changes.ts";
import type { Offers } from "./offers.ts";
import { showSpec } from "./import/summary.ts";
import { countOf } from "./server-view.ts";

export interface AddingOptions {
  readonly changes: Changes;
  readonly pool: Pool;
  readonly offers: Offers;
  /** Undefined where there is nothing to install. @throws AppError `install-failed`, `no-space`, `interrupted` */
  readonly install: (
    spec: StdioSpec,
    progress: InstallProgress,
    signal: AbortSignal,
  ) => Promise<PinnedPackage | undefined>;
  /** A package that is in the vault already, looked at. @throws AppError `usage`, `blocked` */
  readonly adopt?: (spec: StdioSpec, pinned: PinnedPackage) => Promise<PinnedPackage>;
  readonly problemOf: (error: AppError) => Problem;
  readonly now: () => number;
}

export class Adding {
  readonly #options: AddingOptions;
  /** Names that are being added at this moment: two at once would install twice and one would lose. */
  readonly #underWay = new Set<string>();

  constructor(options: AddingOptions) {
    this.#options = options;
  }

  /** Reports `progress` and, when it failed, `failed`. Resolves with the name when the server is ready. */
  async add(
    request: AddRequest,
    report: (event: AddEvent) => void,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { name } = request;
    let saved = false;
    const fail = (thrown: unknown): undefined => {
      report({ event: "failed", saved, error: this.#options.problemOf(toAppError(thrown)) });
      return undefined;
    };
    if (this.#underWay.has(name))
      return fail(new AppError("conflict", `Server ${name} is being added already.`));
    this.#underWay.add(name);
    try {
      this.#refuseTaken(request);
      const server = await this.#install(request, report, signal);
      if (signal.aborted)
        throw new AppError("interrupted", `Adding ${name} was called off; nothing of it is left.`);
      this.#options.changes.putServer(server, request.replace);
      saved = true;
      report({ event: "progress", stage: "saved", detail: name });
      await this.#start(server, report, signal);
      return name;
    } catch (thrown) {
      return fail(thrown);
    } finally {
      this.#underWay.delete(name);
    }
  }

  #refuseTaken({ name, replace }: AddRequest): void {
    if (replace || !this.#options.changes.servers.some((server) => server.name === name)) return;
    throw new AppError(
      "conflict",
      `There is a server ${name} already: choose another --name, or take its place with --replace.`,
    );
  }

  async #install(
    { name, spec, package: given }: AddRequest,
    report: (event: AddEvent) => void,
    signal: AbortSignal,
  ): Promise<ConfiguredServer> {
    const progress: InstallProgress = (stage, detail) => report({ event: "progress", stage, detail });
    const { install, adopt } = this.#options;
    const bring = (of: StdioSpec): Promise<PinnedPackage | undefined> =>
      given === undefined || adopt === undefined ? install(of, progress, signal) : adopt(of, given);
    const pinned = spec.kind === "stdio" ? await bring(spec) : undefined;
    return {
      name,
      spec,
      package: pinned,
      enabled: true,
      specHash: specHash(spec, pinned),
      createdAt: this.#options.now(),
    };
  }

  async #start(
    server: ConfiguredServer,
    report: (event: AddEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { pool, offers } = this.#options;
    report({ event: "progress", stage: "starting", detail: showSpec(server.spec) });
    // The start goes on when the administrator stops waiting: the server is configured by now.
    const calledOff = aborted(signal);
    const upstream = await Promise.race([pool.acquire(server.name), calledOff]);
    await Promise.race([offers.refresh(server, upstream), calledOff]);
    const tools = countOf(offers.of(server.name)?.tools);
    report({ event: "progress", stage: "ready", detail: `${tools} ${tools === 1 ? "tool" : "tools"}` });
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = (): void =>
      reject(new AppError("interrupted", "Nobody waits for the start any more; it goes on."));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
}

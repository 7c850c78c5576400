// How each server is connected to: by its URL, or as a process in a cage. Made once; called by the pool for each
// process that a server may have.

import { join } from "node:path";
import type { Cages, StartRequest } from "../cage/cages.ts";
import { clearAway } from "../cage/clear-away.ts";
import type { PreparedStart } from "../cage/prepared-start.ts";
import type { Log } from "../log.ts";
import type { ConfiguredServer, PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import { resolveLaunch } from "../package/resolve.ts";
import type { Paths } from "../paths.ts";
import type { Settings } from "../settings.ts";
import type { InstanceRef } from "../upstream/asker.ts";
import type { ClientInfo } from "../upstream/handshake.ts";
import { secretsOfEnvironment } from "../upstream/hidden-values.ts";
import type { ConnectorRequest } from "../upstream/instance.ts";
import { remoteConnector } from "../upstream/remote.ts";
import { stdioConnector } from "../upstream/stdio.ts";
import type { Connector } from "../upstream/upstream.ts";

export interface ConnectorsOptions {
  readonly cages: Cages;
  /** Resolves when the package may be run. @throws AppError `blocked` for one that is damaged beyond repair */
  readonly ensurePackage: (pinned: PinnedPackage) => Promise<void>;
  readonly paths: Paths;
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clientInfo: ClientInfo;
  readonly log: Log;
}

export class Connectors {
  readonly #options: ConnectorsOptions;

  constructor(options: ConnectorsOptions) {
    this.#options = options;
  }

  connectorFor({ server, instance, output, onSpawn }: ConnectorRequest): Connector {
    const { settings, clientInfo, log } = this.#options;
    const { spec } = server;
    const startTimeoutMs = spec.startTimeoutMs ?? settings.startTimeoutMs;
    if (spec.kind === "http") {
      return remoteConnector({
        spec,
        clientInfo,
        startTimeoutMs,
        maxMessageBytes: settings.maxLineBytes,
        log,
      });
    }
    return stdioConnector({
      prepare: () => this.prepare({ ...server, spec }, instance),
      clientInfo,
      startTimeoutMs,
      maxLineBytes: settings.maxLineBytes,
      maxQueuedBytes: settings.maxQueuedBytes,
      stderr: output,
      secrets: secretsOf(spec),
      log,
      onSpawn,
    });
  }

  /** One start of a server, or of a shell in its place. @throws AppError `blocked`, `start-failed` */
  async prepare(
    { name, spec, package: pinned }: ConfiguredServer & { readonly spec: StdioSpec },
    instance: InstanceRef,
    shell?: StartRequest["shell"],
  ): Promise<PreparedStart> {
    const { cages, paths, env, ensurePackage } = this.#options;
    if (pinned !== undefined) await ensurePackage(pinned);
    const workDirectory = this.#workDirectory(name, instance);
    const command = resolveLaunch(spec, pinned, {
      vaultDirectory: paths.vault,
      self: process.execPath,
      path: env["PATH"] ?? "",
      workDirectory,
    });
    return cages.prepare({
      server: name,
      instance: instanceName(name, instance),
      spec,
      command,
      packageDirectory: pinned === undefined ? undefined : join(paths.vault, pinned.directory),
      workDirectory,
      shell,
    });
  }

  /** Takes away what a process wrote whose session never comes back. */
  gone({ name }: ConfiguredServer, instance: InstanceRef): void {
    if (!instance.ephemeral) return;
    const directory = this.#workDirectory(name, instance);
    clearAway(directory).catch((thrown: unknown) =>
      this.#options.log.warn("what a session wrote was left behind", { directory, reason: String(thrown) }),
    );
  }

  /** NB: a dot is in no server's name: no two servers share one. */
  #workDirectory(name: string, { id }: InstanceRef): string {
    return join(this.#options.paths.work, id === "main" ? name : `${name}.${id}`);
  }
}

/** Of a process among those of the host. NB: a dot is in no server's name. */
export function instanceName(server: string, { id }: InstanceRef): string {
  return `${server}.${id}`;
}

/** What is taken out of all that the server says. */
export function secretsOf(spec: StdioSpec): readonly string[] {
  const brokered = Object.values(spec.cage.broker ?? {}).map(({ value }) => value);
  return [...secretsOfEnvironment(spec.env), ...brokered];
}

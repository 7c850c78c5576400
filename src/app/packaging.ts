// Puts together what an administrator can do with packages: updates, bundles, MCP bundles, and a vault within its
// bounds. Made once by app.ts.

import { join } from "node:path";
import { BUILD } from "../build-info.ts";
import { type BundleAdmin, createBundles } from "../control/bundles.ts";
import type { PlanContext } from "../control/import/draft.ts";
import { createMcpb, type McpbAdmin } from "../control/mcpb.ts";
import { Packages, type PackagesOptions } from "../control/packages.ts";
import { toAppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ServerOffer } from "../model/server-offer.ts";
import type { ConfiguredServer, PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import { adoptPackage } from "../package/adopt.ts";
import { loadBundle } from "../package/bundle-load.ts";
import { writeBundle } from "../package/bundle-write.ts";
import { collectVault } from "../package/collect.ts";
import { keepManifest } from "../package/manifest-file.ts";
import { installMcpb, readBundledManifest } from "../package/mcpb.ts";
import { findInterpreters } from "../package/python-interpreters.ts";
import { managedFolders } from "../package/python-managed.ts";
import { download, withSpooled } from "../package/spool.ts";
import { vaultUsage } from "../package/usage.ts";
import type { Vault } from "../package/vault.ts";
import type { Paths } from "../paths.ts";
import { OutputRing } from "../process/output-ring.ts";
import { readOffer } from "../upstream/offer.ts";
import type { Connectors } from "./connectors.ts";
import type { Installers } from "./installers.ts";

/** Unused versions stay for as long while there is room. */
const UNUSED_MS = 7 * 24 * 3_600_000;
const MAX_CACHE_BYTES = 2 * 1024 ** 3;
/** For each page of a candidate's lists. */
const LIST_TIMEOUT_MS = 60_000;
/** Of a candidate's stderr. */
const OUTPUT_BYTES = 64 * 1024;

/** A candidate's own process and directory: its data is not the server's. */
const CANDIDATE = { id: "update", ephemeral: true } as const;

type FromApp = Pick<
  PackagesOptions,
  "servers" | "find" | "view" | "offerOf" | "save" | "previous" | "problemOf" | "now"
>;

export interface PackagingOptions extends FromApp {
  readonly paths: Paths;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly vault: Vault;
  readonly vaultMaxBytes: number;
  readonly installers: Installers;
  readonly connectors: Connectors;
  readonly context: PlanContext;
  readonly log: Log;
}

export interface Packaging {
  readonly packages: Packages;
  readonly bundles: BundleAdmin;
  readonly mcpb: McpbAdmin;
  adopt(spec: StdioSpec, pinned: PinnedPackage): Promise<PinnedPackage>;
  /** Brings vault and cache within their bounds. Never rejects. */
  collect(): Promise<void>;
}

export function createPackaging(options: PackagingOptions): Packaging {
  const { paths, env, vault, vaultMaxBytes, installers, connectors, context, log, now } = options;
  const ensure = (pinned: PinnedPackage): Promise<void> => vault.ensure(pinned, installers.reinstall);
  const platform = { os: process.platform, arch: process.arch };

  const packages = new Packages({
    ...options,
    newest: installers.newest,
    install: installers.install,
    tryServer: (server, signal) => tryServer(connectors, server, signal),
    ensure,
    usage: (users) => vaultUsage(paths.vault, paths.cache, users),
  });

  return {
    packages,
    adopt: (spec, pinned) => adoptPackage(vault, spec, pinned),
    bundles: createBundles({
      find: options.find,
      ensure,
      treeOf: ({ directory }) => keepManifest(join(paths.vault, directory)),
      write: (head) => writeBundle(paths.vault, head),
      load: (archive, signal) =>
        loadBundle({
          vaultDirectory: paths.vault,
          archive,
          maxBytes: vaultMaxBytes,
          platform,
          hasPython: (path, version) => hasPython(env, paths.vault, path, version),
          signal,
        }),
      platform,
      version: BUILD.version,
      now,
    }),
    mcpb: createMcpb({
      install: (archive, sha256, signal) =>
        withSpooled(paths.vault, archive, signal, (bundle) =>
          installMcpb({ vaultDirectory: paths.vault, bundle, sha256, signal }),
        ),
      download,
      async manifestOf(pinned) {
        await vault.ensure(pinned, undefined);
        return readBundledManifest(paths.vault, pinned);
      },
      context,
    }),
    async collect() {
      try {
        const collected = await collectVault({
          vaultDirectory: paths.vault,
          cacheDirectory: paths.cache,
          keep: packages.keep(),
          maxBytes: vaultMaxBytes,
          minAgeMs: UNUSED_MS,
          maxCacheBytes: MAX_CACHE_BYTES,
          now: now(),
        });
        if (collected.removed.length > 0) log.info("unused packages removed", { ...collected });
        if (collected.bytes > vaultMaxBytes) {
          log.warn("the vault is larger than it may be, and all of it is used", { bytes: collected.bytes });
        }
      } catch (thrown) {
        log.warn("vault not collected", { reason: toAppError(thrown).message });
      }
    },
  };
}

/** @throws AppError `start-failed`, `blocked` */
async function tryServer(
  connectors: Connectors,
  server: ConfiguredServer,
  signal: AbortSignal,
): Promise<ServerOffer> {
  const connector = connectors.connectorFor({
    server,
    instance: CANDIDATE,
    output: new OutputRing(OUTPUT_BYTES),
    onSpawn: () => undefined,
  });
  try {
    const upstream = await connector.connect({ notification: () => undefined }, signal);
    try {
      return await readOffer(upstream, LIST_TIMEOUT_MS);
    } finally {
      await upstream.close();
    }
  } finally {
    connectors.gone(server, CANDIDATE);
  }
}

/** The same interpreter, of the same minor version: compiled packages run in no other. */
async function hasPython(
  env: Readonly<Record<string, string | undefined>>,
  vaultDirectory: string,
  path: string,
  version: string,
): Promise<boolean> {
  const minor = version.split(".").slice(0, 2).join(".");
  const found = await findInterpreters(env, minor, await managedFolders(vaultDirectory));
  return found.some((each) => each.path === path);
}

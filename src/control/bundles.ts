// Bundles: chosen servers with their packages in one archive, and what comes of one on another host. Values that may
// be secrets stay behind. Made by app.ts, called by the API.

import { AppError } from "../errors.ts";
import type { LoadedServer, LoadedView } from "../model/package-view.ts";
import type { ConfiguredServer, PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import type { BundledServer, BundleHead } from "../package/bundle-format.ts";
import type { LoadedBundle } from "../package/bundle-load.ts";
import { summarize } from "./import/summary.ts";

export interface BundleAdmin {
  /**
   * The archive, as a stream that can only be read once.
   * @throws AppError `not-found`, `usage` for a server without a package, `blocked` for one whose package is damaged
   */
  write(names: readonly string[]): Promise<ReadableStream<Uint8Array>>;
  /** @throws AppError as loadBundle: then nothing is in the vault. No server is added. */
  load(archive: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<LoadedView>;
}

export interface BundlesOptions {
  /** @throws AppError `not-found` */
  readonly find: (name: string) => ConfiguredServer;
  /** Resolves when the package is what was installed. @throws AppError `blocked` */
  readonly ensure: (pinned: PinnedPackage) => Promise<void>;
  /** SHA-256 of the tree of a package that was pinned without it. */
  readonly treeOf: (pinned: PinnedPackage) => Promise<string>;
  readonly write: (head: BundleHead) => ReadableStream<Uint8Array>;
  readonly load: (archive: ReadableStream<Uint8Array>, signal: AbortSignal) => Promise<LoadedBundle>;
  readonly platform: BundleHead["platform"];
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export function createBundles(options: BundlesOptions): BundleAdmin {
  return {
    async write(names) {
      const packages = new Map<string, PinnedPackage>();
      const servers: BundledServer[] = [];
      for (const name of new Set(names)) {
        const { spec, package: pinned } = options.find(name);
        if (spec.kind !== "stdio" || pinned === undefined) {
          throw new AppError(
            "usage",
            `Server ${name} runs no package of the vault: there is nothing of it that could be carried.`,
          );
        }
        await options.ensure(pinned);
        packages.set(pinned.directory, { ...pinned, tree: pinned.tree ?? (await options.treeOf(pinned)) });
        const place = [...packages.keys()].indexOf(pinned.directory);
        servers.push({ name, ...withoutSecrets(spec, pinned), package: place });
      }
      const { platform, version, now } = options;
      return options.write({
        format: "toolcrib bundle 1",
        madeAt: new Date(now()).toISOString(),
        madeBy: version,
        platform,
        servers,
        packages: [...packages.values()],
      });
    },

    async load(archive, signal) {
      const { head, placed } = await options.load(archive, signal);
      const servers = head.servers.flatMap((server): LoadedServer[] => {
        const pinned = head.packages[server.package];
        if (pinned === undefined) return [];
        const { name, spec, missing } = server;
        const from = `from: ${pinned.name}@${pinned.version} of the bundle; no registry is asked`;
        const summary = summarize(spec).map((line) => (line.startsWith("from: ") ? from : line));
        return [{ name, spec, summary, unknownKeys: [], package: pinned, missing }];
      });
      return { servers, notes: servers.flatMap(notesOf), packages: placed };
    },
  };
}

/**
 * Places inside of an MCP bundle are of its author, and no secrets. NB: keys of other programs (`extra`) may hold
 * anything, so nothing of them is carried.
 */
function withoutSecrets(spec: StdioSpec, pinned: PinnedPackage): Pick<BundledServer, "spec" | "missing"> {
  const { broker, ...cage } = spec.cage;
  const isPlace = (value: string): boolean =>
    pinned.ecosystem === "mcpb" && /^\$\{__dirname\}(?:\/[\w./-]*)?$/.test(value);
  const env = Object.entries(spec.env);
  return {
    spec: { ...spec, env: Object.fromEntries(env.filter(([, value]) => isPlace(value))), cage, extra: {} },
    missing: {
      env: env.filter(([, value]) => !isPlace(value)).map(([name]) => name),
      broker: Object.keys(broker ?? {}),
    },
  };
}

function notesOf({ name, missing }: LoadedServer): readonly string[] {
  return [
    ...missing.env.map(
      (variable) => `${name}: had the variable ${variable}, whose value was not carried: give it with --env`,
    ),
    ...missing.broker.map((secret) => `${name}: had the brokered secret ${secret}, which was not carried`),
  ];
}

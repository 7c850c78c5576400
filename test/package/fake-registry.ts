// An npm registry on a loopback port with the packages a test gives it. Called by the tests of the package room, so
// that they need no network; it can also answer with an error, hold an answer back, or lie about a hash.

import { createHash } from "node:crypto";

export interface FakePackage {
  readonly name: string;
  readonly version: string;
  /** More fields of package.json: bin, dependencies, … */
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly files?: Readonly<Record<string, string>>;
  /** The integrity that the registry claims instead of the true one. */
  readonly claims?: string;
}

export interface FakeRegistry {
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** Answers every request with this status from now on; undefined answers properly. */
  failWith: number | undefined;
  /** Values of Authorization headers that came, in order. */
  readonly authorized: string[];
  /** From now on requests whose path ends with this get no answer; resolves when the first of them is here. */
  hold(ending: string): Promise<void>;
  /** From now on it has this version as well, as its latest. */
  publish(made: FakePackage): Promise<void>;
  /** From now on the archive of this package is not the one that its hash is of. */
  swap(name: string, version: string): void;
  /** Holds nothing back any more. */
  release(): void;
  stop(): Promise<void>;
}

export async function startFakeRegistry(first: readonly FakePackage[]): Promise<FakeRegistry> {
  const packages: FakePackage[] = [];
  let held: { readonly ending: string; readonly came: () => void } | undefined;
  const archives = new Map<string, Uint8Array<ArrayBuffer>>();
  const integrities = new Map<string, string>();
  const publish = async (made: FakePackage): Promise<void> => {
    const archive = await pack(made);
    archives.set(archivePath(made), archive);
    integrities.set(archivePath(made), integrityOf(archive));
    packages.push(made);
  };
  for (const made of first) await publish(made);

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch(request) {
      const path = decodeURIComponent(new URL(request.url).pathname);
      registry.asked.push(path);
      registry.authorized.push(request.headers.get("authorization") ?? "");
      if (registry.failWith !== undefined) return new Response("no", { status: registry.failWith });
      if (held !== undefined && path.endsWith(held.ending)) {
        held.came();
        return new Promise<Response>(() => {});
      }
      const archive = archives.get(path);
      if (archive !== undefined) return new Response(archive);
      const versions = packages.filter((made) => `/${made.name}` === path);
      if (versions.length === 0) return new Response("{}", { status: 404 });
      return Response.json(document(registry.url, versions, integrities));
    },
  });
  const registry: FakeRegistry = {
    url: `http://127.0.0.1:${server.port}`,
    asked: [],
    failWith: undefined,
    authorized: [],
    hold(ending) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = { ending, came: resolve };
      return promise;
    },
    publish,
    swap(name, version) {
      archives.set(archivePath({ name, version }), new TextEncoder().encode("swapped"));
    },
    release() {
      held = undefined;
    },
    stop: () => server.stop(true),
  };
  return registry;
}

function archivePath(made: Pick<FakePackage, "name" | "version">): string {
  return `/${made.name}/-/${made.version}.tgz`;
}

async function pack(made: FakePackage): Promise<Uint8Array<ArrayBuffer>> {
  const manifest = JSON.stringify({ name: made.name, version: made.version, ...made.manifest });
  const files = Object.entries({ "package.json": manifest, ...made.files });
  const entries = Object.fromEntries(files.map(([path, text]) => [`package/${path}`, text]));
  return new Uint8Array(await new Bun.Archive(entries, { compress: "gzip" }).bytes());
}

function integrityOf(archive: Uint8Array): string {
  return `sha512-${createHash("sha512").update(archive).digest("base64")}`;
}

function document(
  url: string,
  versions: readonly FakePackage[],
  integrities: ReadonlyMap<string, string>,
): unknown {
  const entries = versions.map((made) => {
    const integrity = made.claims ?? integrities.get(archivePath(made));
    const dist = { tarball: `${url}${archivePath(made)}`, integrity };
    return [made.version, { name: made.name, version: made.version, ...made.manifest, dist }] as const;
  });
  const latest = versions.at(-1);
  return {
    name: latest?.name,
    "dist-tags": { latest: latest?.version },
    versions: Object.fromEntries(entries),
  };
}

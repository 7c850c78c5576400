// The real npm registry as it was some time ago, on a loopback port: newer versions of one package are hidden until a
// test lets time go on. Everything else passes through.

import * as v from "valibot";

export interface RegistryMirror {
  readonly url: string;
  /** From now on nothing is hidden any more. */
  catchUp(): void;
  stop(): Promise<void>;
}

const Versions = v.looseObject({ dist: v.looseObject({ tarball: v.string() }) });
const Packument = v.looseObject({
  "dist-tags": v.record(v.string(), v.string()),
  versions: v.record(v.string(), Versions),
});

/** `newest` is the latest version of `name` that anybody sees. */
export function startMirror(name: string, newest: string): RegistryMirror {
  const real = (process.env["npm_config_registry"] ?? "https://registry.npmjs.org").replace(/\/$/, "");
  let isPast = true;

  /** Archives come through here, too: whoever installs may reach no other host. */
  const mirrored = (packument: v.InferOutput<typeof Packument>, own: string, isHidden: boolean): unknown => {
    const versions = Object.entries(packument.versions)
      .filter(([version]) => !isHidden || Bun.semver.order(version, newest) <= 0)
      .map(([version, { dist, ...rest }]) => {
        const { pathname } = new URL(dist.tarball);
        return [version, { ...rest, dist: { ...dist, tarball: own + pathname } }] as const;
      });
    const tags = isHidden ? { latest: newest } : packument["dist-tags"];
    return { ...packument, "dist-tags": tags, versions: Object.fromEntries(versions) };
  };

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const { pathname, origin } = new URL(request.url);
      const response = await fetch(real + pathname, {
        headers: { accept: request.headers.get("accept") ?? "*/*" },
      });
      if (!response.ok || pathname.includes("/-/"))
        return new Response(response.body, { status: response.status });
      const packument = v.parse(Packument, await response.json());
      const isHidden = isPast && decodeURIComponent(pathname) === `/${name}`;
      return Response.json(mirrored(packument, origin, isHidden));
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/`,
    catchUp() {
      isPast = false;
    },
    stop: () => server.stop(true),
  };
}

// Packages for a registry on loopback: what `add` installs where a test needs a package that is small, slow to come,
// or wrong.

import { join } from "node:path";
import { type FakePackage, type FakeRegistry, startFakeRegistry } from "../package/fake-registry.ts";

export type { FakeRegistry } from "../package/fake-registry.ts";

/** A package whose program is an MCP server with one tool, `greet`; `manifest` may say otherwise. */
export async function serverPackage(
  name: string,
  manifest: Readonly<Record<string, unknown>> = {},
): Promise<FakePackage> {
  const program = name.split("/").at(-1) ?? name;
  return {
    name,
    version: "1.0.0",
    manifest: { type: "module", bin: { [program]: "server.js" }, ...manifest },
    files: { "server.js": await Bun.file(join(import.meta.dir, "servers/packaged.js")).text() },
  };
}

export async function registryOf(...packages: readonly FakePackage[]): Promise<FakeRegistry> {
  return startFakeRegistry(packages);
}

/** Environment of an appliance that shall use this registry. */
export function registryEnv(registry: FakeRegistry): Record<string, string> {
  return { NPM_CONFIG_REGISTRY: `${registry.url}/` };
}

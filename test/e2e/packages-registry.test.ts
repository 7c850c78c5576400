// The official registry's server.json, given to `add`: exact versions of a package, with what its author asks.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Appliance, Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { serverNamesOf, serverOf } from "./views.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let appliance: Appliance;
let registry: FakeRegistry;

beforeAll(async () => {
  crib = await Crib.create();
  registry = await registryOf(await serverPackage("tiny-mcp"), {
    ...(await serverPackage("tiny-mcp")),
    version: "1.1.0",
  });
  appliance = await crib.serve({ env: registryEnv(registry) });
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

async function put(...packages: readonly object[]): Promise<void> {
  const document = {
    $schema: "https://static.modelcontextprotocol.io/schemas/2025-09-29/server.schema.json",
    name: "io.github.acme/mcp-weather",
    description: "Weather",
    version: "1.0.0",
    packages,
  };
  await Bun.write(crib.file("server.json"), JSON.stringify(document));
}

const PACKAGE = {
  registryType: "npm",
  identifier: "tiny-mcp",
  version: "1.0.0",
  transport: { type: "stdio" },
  packageArguments: [{ type: "named", name: "--level", default: "low", choices: ["low", "high"] }],
  environmentVariables: [{ name: "API_KEY", description: "Yours", isRequired: true, isSecret: true }],
};

test("what is open is said, and nothing is added without a word", async () => {
  await put({ ...PACKAGE, registryType: "oci", identifier: "docker.io/acme/weather:1" }, PACKAGE);
  const asked = await crib.run(["add", "server.json"]);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain("runs: npx -y tiny-mcp@1.0.0 --level=low");
  expect(asked.stderr).toContain("note: mcp-weather: needs API_KEY (Yours)");
  expect(asked.stderr).toContain("not usable here: the oci package docker.io/acme/weather:1");
  expect(await serverNamesOf(crib)).toEqual([]);
});

test("with answers it runs in exactly this version", async () => {
  await put(PACKAGE);
  await crib.ok("add", "--yes", "--answer", "API_KEY=hunter2", "--answer", "--level=high", "server.json");
  expect(await crib.ok("call", "mcp-weather__greet")).toBe("hello from the package\n");
  const server = await serverOf(crib, "mcp-weather");
  expect(server).toMatchObject({
    runs: "npx -y tiny-mcp@1.0.0 --level=high",
    env: ["API_KEY"],
    package: { version: "1.0.0" },
  });
  expect(JSON.stringify(server)).not.toContain("hunter2");
});

test.each([
  [[{ ...PACKAGE, version: "^1.0.0" }], "names no exact version"],
  [[{ ...PACKAGE, registryType: "nuget" }], "nuget package tiny-mcp is of a kind"],
  [
    [
      {
        registryType: "mcpb",
        identifier: "https://x.example/y.mcpb",
        fileSha256: "a".repeat(64),
        transport: { type: "stdio" },
      },
    ],
    `toolcrib add --name mcp-weather --sha256 ${"a".repeat(64)} https://x.example/y.mcpb`,
  ],
])("%j is refused", async (packages, expected) => {
  await put(...packages);
  const added = await crib.run(["add", "--yes", "--name", "other", "server.json"]);
  expect(added.code).toBe(2);
  expect(added.stderr).toContain(expected);
});

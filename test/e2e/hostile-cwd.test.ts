// A working directory that somebody else filled: what Bun would obey there, the executable does not, neither as the
// appliance, nor as the command line, nor when it acts as the package runner.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type Appliance, Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { everything } from "./servers.ts";
import { settingsOf, textOf } from "./views.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let registry: FakeRegistry;
let appliance: Appliance;
let marker: string;

beforeAll(async () => {
  crib = await Crib.create();
  marker = join(crib.directory, "obeyed");
  const files = {
    "bunfig.toml": `preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n[install]\nregistry = "http://127.0.0.1:9/"\n`,
    "evil.ts": `require("node:fs").appendFileSync(${JSON.stringify(marker)}, process.argv.join(" ") + "\\n");`,
    ".env": [
      `TOOLCRIB_HOME=${join(crib.directory, "elsewhere")}`,
      "TOOLCRIB_MAX_SESSIONS=7",
      "TOOLCRIB_LOG_LEVEL=debug",
      `BUN_OPTIONS=--preload=${crib.file("evil.ts")}`,
      "NPM_CONFIG_REGISTRY=http://127.0.0.1:9/",
    ].join("\n"),
    ".env.local": "TOOLCRIB_MAX_SESSIONS=8\n",
    ".env.production": "TOOLCRIB_MAX_SESSIONS=9\n",
    ".npmrc": "registry=http://127.0.0.1:9/\n",
    "package.json": "{ this is not JSON",
    "tsconfig.json": "{ neither is this",
    "toolcrib.toml": 'listen = "127.0.0.1:9"\nmax_sessions = 10\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(crib.file(name), text);
  registry = await registryOf(await serverPackage("tiny-mcp"));
  appliance = await crib.serve({ env: registryEnv(registry) });
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

test("version says what was built, and how", async () => {
  const Version = v.looseObject({
    version: v.pipe(v.string(), v.regex(/^\d+\.\d+\.\d+/)),
    commit: v.pipe(v.string(), v.nonEmpty()),
  });
  const printed = await crib.ok("version", "--json");
  v.assert(Version, JSON.parse(printed));
  for (const flag of ["--no-compile-autoload-bunfig", "--no-compile-autoload-dotenv"])
    expect(printed).toContain(flag);
  expect(await crib.ok("version")).toContain(v.parse(Version, JSON.parse(printed)).version);
});

test("no file of the working directory changes a setting", async () => {
  const settings = new Map((await settingsOf(crib)).map(({ key, source }) => [key, source]));
  expect(settings.get("max_sessions")).toBe("default");
  expect(settings.get("log_level")).toBe("default");
  expect(existsSync(join(crib.directory, "elsewhere"))).toBe(false);
});

test("an installation and its server run without them too", async () => {
  await crib.ok("add", "--yes", "npx", "tiny-mcp");
  expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
  expect(registry.asked).toContain("/tiny-mcp");
});

test("a server's environment has nothing of these files", async () => {
  await crib.ok("add", "--yes", "--name", "everything", ...everything());
  const text = textOf(await crib.json("call", "everything__get-env"));
  expect(text).not.toContain("TOOLCRIB_");
  expect(text).not.toContain("BUN_OPTIONS");
});

// Last on purpose: it judges all that ran above.
test("no code of the working directory ran", async () => {
  expect(existsSync(marker)).toBe(false);
});

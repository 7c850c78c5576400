// Updates of packages: what a newer version would change is shown before anything is switched, the old one stays for
// the way back, and nothing of it is in the way of a server at work.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { FakePackage } from "../package/fake-registry.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { startMirror } from "./registry-mirror.ts";
import { serverOf } from "./views.ts";

setDefaultTimeout(120_000);

/** The server of the loopback registry, with another description and one tool more, or one that does not start. */
async function version(number: string, edit: (program: string) => string): Promise<FakePackage> {
  const made = await serverPackage("tiny-mcp");
  return { ...made, version: number, files: { "server.js": edit(made.files?.["server.js"] ?? "") } };
}

const newer = (program: string): string =>
  program
    .replace('{ name: "greet", inputSchema', '{ name: "greet", description: "Now with words.", inputSchema')
    .replace(
      '{ type: "object" } }]',
      '{ type: "object" } }, { name: "wave", inputSchema: { type: "object" } }]',
    )
    .replace("hello from the package", "hello from the newer package");

let crib: Crib;
let appliance: Appliance;
let registry: FakeRegistry;

beforeAll(async () => {
  crib = await Crib.create();
  registry = await registryOf(await version("1.0.0", (program) => program));
  appliance = await crib.serve({ env: registryEnv(registry) });
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

const Updates = v.object({
  updates: v.array(v.looseObject({ server: v.string(), state: v.optional(v.string()) })),
});

async function updates(...args: readonly string[]): Promise<v.InferOutput<typeof Updates>["updates"]> {
  return v.parse(Updates, await crib.json("update", ...args)).updates;
}

describe("in this order", () => {
  test("nothing is newer", async () => {
    await crib.ok("add", "--yes", "tiny-mcp");
    await crib.ok("add", "--yes", "--name", "fixed", "npx", "tiny-mcp@1.0.0");
    expect(await updates("--check")).toMatchObject([
      { server: "fixed", state: "current" },
      { server: "tiny", state: "current", version: "1.0.0" },
    ]);
    expect(await crib.ok("update", "tiny", "--yes")).toBe("tiny: 1.0.0 is the newest\n");
  });

  test("a newer one is seen, shown, and not switched to without a word", async () => {
    await registry.publish(await version("1.1.0", newer));
    expect(await updates("--check")).toMatchObject([
      { server: "fixed", state: "pinned", newest: "1.1.0" },
      { server: "tiny", state: "newer", newest: "1.1.0" },
    ]);
    const shown = await crib.run(["update", "tiny"]);
    expect(shown.code).toBe(1);
    expect(shown.stderr).toContain("tiny: tiny-mcp 1.0.0 → 1.1.0\n");
    expect(shown.stderr).toContain("  tools: 1 added, 1 changed, 0 as before\n    + wave\n    ~ greet\n");
    expect(shown.stderr).toContain("      description\n        + Now with words.\n");
    expect(shown.stderr).toContain("pass --yes to switch");
    expect((await serverOf(crib, "tiny")).package?.version).toBe("1.0.0");
    expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
  });

  test("the candidate had a directory of its own, which is gone", async () => {
    const work = await readdir(join(crib.home, "data", "work"));
    expect(work.filter((name) => name.includes("update"))).toEqual([]);
  });

  test("it is switched to, beside a server that names its version and stays", async () => {
    expect(await crib.ok("update", "--yes")).toBe("tiny: 1.1.0 instead of 1.0.0\n");
    expect(await crib.ok("call", "tiny__greet")).toBe("hello from the newer package\n");
    expect(await crib.ok("call", "fixed__greet")).toBe("hello from the package\n");
    expect((await serverOf(crib, "tiny")).toolNames).toEqual(["greet", "wave"]);
    const spec = (await serverOf(crib, "tiny")).runs;
    expect(spec).toBe("npx -y tiny-mcp");
  });

  test("the way back asks nobody, and leads forth again; both outlive a restart", async () => {
    const asked = registry.asked.length;
    expect(await crib.ok("rollback", "tiny")).toBe("tiny: back to 1.0.0 from 1.1.0\n");
    expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
    await appliance.stop();
    appliance = await crib.serve({ env: registryEnv(registry) });
    expect(await crib.ok("rollback", "tiny")).toBe("tiny: back to 1.1.0 from 1.0.0\n");
    expect(await crib.ok("call", "tiny__greet")).toBe("hello from the newer package\n");
    expect(registry.asked.slice(asked)).toEqual([]);
  });

  test("one that does not start is not switched to", async () => {
    await registry.publish(
      await version("1.2.0", () => "console.error('broken by its author'); process.exit(3);\n"),
    );
    const failed = await crib.run(["update", "tiny", "--yes"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("broken by its author");
    expect((await serverOf(crib, "tiny")).package?.version).toBe("1.1.0");
    expect(await crib.ok("call", "tiny__greet")).toBe("hello from the newer package\n");
  });

  test("a registry that is down is said, and changes nothing", async () => {
    registry.failWith = 500;
    expect(await updates("--check")).toMatchObject([
      { server: "fixed", state: "unknown" },
      { server: "tiny", state: "unknown", note: expect.stringContaining("500") },
    ]);
    expect((await crib.run(["update", "tiny", "--yes"])).code).toBe(1);
    registry.failWith = undefined;
    expect(await crib.ok("call", "tiny__greet")).toBe("hello from the newer package\n");
  });

  test("there is no way back for what was never updated", async () => {
    const refused = await crib.run(["rollback", "fixed"]);
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain("never updated");
    expect((await crib.run(["rollback", "absent"])).code).toBe(1);
  });

  test("a call that is under way is answered, whatever is prepared", async () => {
    const [call, prepared] = await Promise.all([
      crib.ok("call", "tiny__greet"),
      crib.run(["update", "tiny"]),
    ]);
    expect(call).toBe("hello from the newer package\n");
    expect(prepared.code).toBe(1);
  });
});

test("a real server: an older version of it, the newest, and back", async () => {
  const name = "@modelcontextprotocol/server-everything";
  const mirror = startMirror(name, "2026.1.26");
  const own = await Crib.create();
  const host = await own.serve({ env: { NPM_CONFIG_REGISTRY: mirror.url } });
  try {
    await own.ok("add", "--yes", "npx", "-y", name);
    expect((await serverOf(own, "everything")).package?.version).toBe("2026.1.26");
    const echo = (): Promise<string> => own.ok("call", "everything__echo", '{"message":"hi"}');
    expect(await echo()).toBe("Echo: hi\n");

    mirror.catchUp();
    const updated = await own.run(["update", "everything", "--yes"]);
    expect(updated.stdout).toMatch(/^everything: 2026\.\d+\.\d+ instead of 2026\.1\.26\n$/);
    expect(updated.stderr).toMatch(/^ {2}tools: /m);
    expect(await echo()).toBe("Echo: hi\n");

    await own.ok("rollback", "everything");
    expect((await serverOf(own, "everything")).package?.version).toBe("2026.1.26");
    expect(await echo()).toBe("Echo: hi\n");
  } finally {
    await host.stop();
    await own.nothingRuns();
    await mirror.stop();
    await own.remove();
  }
});

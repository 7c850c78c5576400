// Installations that are interrupted, by a signal, a deadline or a death: nothing of them is left, no process and no
// directory, and they can be made again.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installLauncher } from "../../src/cage/launcher.ts";
import { installNpm } from "../../src/package/npm.ts";
import { sweepStaging } from "../../src/package/staging.ts";
import type { FakePackage } from "./fake-registry.ts";
import { failure, openScene, type Scene } from "./npm-scene.ts";

setDefaultTimeout(30_000);

const FILES = { "cli.js": "#!/usr/bin/env node\n" };
const PACKAGES: readonly FakePackage[] = [
  { name: "tool", version: "1.0.0", manifest: { bin: "cli.js" }, files: FILES },
  { name: "many", version: "1.0.0", manifest: { bin: "cli.js" }, files: FILES },
];

let scene: Scene;

beforeAll(async () => {
  scene = await openScene(PACKAGES);
});
afterEach(() => scene.clear());
afterAll(() => scene.close());

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("the condition did not come true");
    await Bun.sleep(10);
  }
}

describe("interrupted, with nothing left", () => {
  test.each([
    ["while it resolves", "/tool"],
    ["while it downloads", "/tool/-/1.0.0.tgz"],
  ])("by its signal, %s", async (_, hold) => {
    const held = scene.registry.hold(hold);
    const controller = new AbortController();
    const installing = failure(installNpm(scene.request("tool", "1.0.0", { signal: controller.signal })));
    await held;
    expect(await scene.installers()).toHaveLength(1);
    controller.abort();
    expect((await installing).code).toBe("interrupted");
    expect(await scene.installers()).toEqual([]);
    expect(await scene.inVault()).toEqual([]);

    scene.registry.release();
    expect(await installNpm(scene.request("tool", "1.0.0"))).toMatchObject({ version: "1.0.0" });
  });

  test("by a signal that was aborted before", async () => {
    const error = await failure(installNpm(scene.request("tool", "1.0.0", { signal: AbortSignal.abort() })));
    expect(error.code).toBe("interrupted");
    expect(await scene.inVault()).toEqual([]);
  });

  test("by the deadline", async () => {
    void scene.registry.hold("/tool");
    const error = await failure(installNpm(scene.request("tool", "1.0.0", { deadlineMs: 500 })));
    expect(error.code).toBe("install-failed");
    expect(error.message).toContain("took too long");
    expect(await scene.installers()).toEqual([]);
    expect(await scene.inVault()).toEqual([]);
  });

  test("by the death of the installer", async () => {
    const held = scene.registry.hold("/tool/-/1.0.0.tgz");
    const installing = failure(installNpm(scene.request("tool", "1.0.0")));
    await held;
    const [pid] = await scene.installers();
    if (pid === undefined) throw new Error("no installer runs");
    process.kill(pid, "SIGKILL");
    expect((await installing).code).toBe("install-failed");
    expect(await scene.inVault()).toEqual([]);

    scene.registry.release();
    expect(await installNpm(scene.request("tool", "1.0.0"))).toMatchObject({ version: "1.0.0" });
  });

  test("by the death of the appliance: no process stays, and the next start sweeps", async () => {
    const held = scene.registry.hold("/tool/-/1.0.0.tgz");
    const { progress: _, signal: __, ...data } = scene.request("tool", "1.0.0");
    const program = `
      const { installNpm } = await import(${JSON.stringify(join(import.meta.dir, "../../src/package/npm.ts"))});
      const signal = new AbortController().signal;
      await installNpm({ ...${JSON.stringify(data)}, bin: undefined, launcher: undefined, progress() {}, signal });`;
    const script = join(scene.home, "appliance.ts");
    await writeFile(script, program);
    const appliance = Bun.spawn([process.execPath, script], { stdio: ["ignore", "ignore", "ignore"] });
    await held;
    expect(await scene.installers()).toHaveLength(1);
    appliance.kill("SIGKILL");
    await appliance.exited;
    await until(async () => (await scene.installers()).length === 0);

    expect(await scene.inVault()).toEqual([expect.stringMatching(/^\.staging-/)]);
    expect(await sweepStaging(scene.vault)).toBe(1);
    expect(await scene.inVault()).toEqual([]);
    scene.registry.release();
    expect(await installNpm(scene.request("tool", "1.0.0"))).toMatchObject({ version: "1.0.0" });
  });
});

test("works under the launcher, and ends with it", async () => {
  const launcher = await installLauncher(join(scene.home, "run"));
  expect(await installNpm(scene.request("tool", "1.0.0", { launcher }))).toMatchObject({ version: "1.0.0" });

  const held = scene.registry.hold("/many/-/1.0.0.tgz");
  const controller = new AbortController();
  const { signal } = controller;
  const installing = failure(installNpm(scene.request("many", "1.0.0", { launcher, signal })));
  await held;
  controller.abort();
  expect((await installing).code).toBe("interrupted");
  expect(await scene.installers()).toEqual([]);
  expect(await scene.inVault()).toHaveLength(1);
});

test("sweeping takes only what is unfinished, and minds no missing vault", async () => {
  expect(await sweepStaging(scene.vault)).toBe(0);
  const pinned = await installNpm(scene.request("tool", "1.0.0"));
  expect(await sweepStaging(scene.vault)).toBe(0);
  expect(await stat(join(scene.vault, pinned.directory, pinned.entry))).toBeTruthy();
});

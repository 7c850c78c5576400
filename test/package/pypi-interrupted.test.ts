// Python installations that are interrupted, by a signal, a deadline or a death: nothing of them is left, no process
// and no directory, and they can be made again.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installLauncher } from "../../src/cage/launcher.ts";
import { sweepStaging } from "../../src/package/staging.ts";
import { failure } from "./npm-scene.ts";
import { hostPython, NO_PYTHON, openPypiScene, type PypiScene } from "./pypi-scene.ts";

setDefaultTimeout(30_000);

const python = await hostPython();
const WHEEL = "/tool-1.0.0-py3-none-any.whl";

let scene: PypiScene;

beforeAll(async () => {
  const files = { "tool_main.py": "def main():\n    pass\n" };
  scene = await openPypiScene([
    { name: "tool", version: "1.0.0", scripts: { tool: "tool_main:main" }, files },
  ]);
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

describe.skipIf(python === undefined)(`interrupted, with nothing left (${NO_PYTHON})`, () => {
  test.each([
    ["while it resolves", "/simple/tool/"],
    ["while it downloads", WHEEL],
  ])("by its signal, %s", async (_, hold) => {
    const held = scene.index.hold(hold);
    const controller = new AbortController();
    const installing = failure(scene.install("tool", { signal: controller.signal }));
    await held;
    expect(await scene.installers()).toHaveLength(1);
    controller.abort();
    expect((await installing).code).toBe("interrupted");
    expect(await scene.installers()).toEqual([]);
    expect(await scene.inVault()).toEqual([]);

    scene.index.release();
    expect(await scene.install("tool")).toMatchObject({ version: "1.0.0" });
  });

  test("by a signal that was aborted before", async () => {
    const error = await failure(scene.install("tool", { signal: AbortSignal.abort() }));
    expect(error.code).toBe("interrupted");
    expect(scene.index.asked).toEqual([]);
    expect(await scene.inVault()).toEqual([]);
  });

  test("by the deadline", async () => {
    void scene.index.hold("/simple/tool/");
    const error = await failure(scene.install("tool", { deadlineMs: 500 }));
    expect(error.code).toBe("install-failed");
    expect(error.message).toContain("took too long");
    expect(await scene.installers()).toEqual([]);
    expect(await scene.inVault()).toEqual([]);
  });

  test("by the death of uv", async () => {
    const held = scene.index.hold(WHEEL);
    const installing = failure(scene.install("tool"));
    await held;
    const [pid] = await scene.installers();
    if (pid === undefined) throw new Error("no installer runs");
    process.kill(pid, "SIGKILL");
    expect((await installing).code).toBe("install-failed");
    expect(await scene.inVault()).toEqual([]);

    scene.index.release();
    expect(await scene.install("tool")).toMatchObject({ version: "1.0.0" });
  });

  test("by the death of the appliance, under the launcher: no process stays, and the next start sweeps", async () => {
    const launcher = await installLauncher(join(scene.home, "run"));
    const held = scene.index.hold(WHEEL);
    const { progress: _, signal: __, ...data } = scene.request("tool", { launcher });
    const program = `
      const { installPypi } = await import(${JSON.stringify(join(import.meta.dir, "../../src/package/pypi.ts"))});
      const signal = new AbortController().signal;
      await installPypi({ ...${JSON.stringify(data)}, progress() {}, signal });`;
    const script = join(scene.home, "appliance.ts");
    await writeFile(script, program);
    const appliance = Bun.spawn([process.execPath, script], { stdio: ["ignore", "ignore", "ignore"] });
    await held;
    expect((await scene.installers()).length).toBeGreaterThan(0);
    appliance.kill("SIGKILL");
    await appliance.exited;
    await until(async () => (await scene.installers()).length === 0);

    expect(await scene.inVault()).toEqual([expect.stringMatching(/^\.staging-/)]);
    expect(await sweepStaging(scene.vault)).toBe(1);
    expect(await scene.inVault()).toEqual([]);
    scene.index.release();
    expect(await scene.install("tool")).toMatchObject({ version: "1.0.0" });
  });
});

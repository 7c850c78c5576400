// The probe is put where a cage can show it. How that is done is tested with the launcher, which is put there alike.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { installProbe } from "../../src/cage/probe-program.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "install-probe-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("one file that everybody may run and nobody writes to, in a directory that everybody may pass through", async () => {
  const home = join(directory, "programs");
  const path = await installProbe(home);
  const hash = new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
  expect(path).toBe(join(home, `probe-${hash.slice(0, 16)}`));
  expect(await installProbe(home)).toBe(path);
  expect(readdirSync(home)).toEqual([basename(path)]);
  expect(lstatSync(path).mode & 0o7777).toBe(0o555);
  expect(lstatSync(home).mode & 0o7777).toBe(0o711);
  expect(Bun.spawnSync([path, "list /nowhere"]).stdout.toString()).toBe("list /nowhere\tENOENT\t\n");
});

// Directories as hostile servers leave them: gone at once from their place, and soon altogether.

import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearAway, clearLeftovers } from "../../src/cage/clear-away.ts";

let root: string;
let work: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tc-clear-"));
  work = join(root, "server.session-1");
  mkdirSync(work);
});
afterEach(() => rmSync(root, { recursive: true }));

test("links are not followed, and what they lead to stays", async () => {
  mkdirSync(join(root, "other"));
  writeFileSync(join(root, "other/file"), "kept");
  symlinkSync("../other", join(work, "directory"));
  symlinkSync("../other/file", join(work, "file"));
  await clearAway(work);
  expect(readdirSync(root)).toEqual(["other"]);
  expect(readFileSync(join(root, "other/file"), "utf8")).toBe("kept");
});

test("directories that are closed, and names that are no text", async () => {
  mkdirSync(join(work, "closed/inner"), { recursive: true });
  writeFileSync(join(work, "closed/inner/file"), "");
  chmodSync(join(work, "closed/inner"), 0);
  chmodSync(join(work, "closed"), 0);
  const odd = Buffer.concat([Buffer.from(`${work}/`), Buffer.from([0xff, 0xfe])]);
  mkdirSync(odd);
  writeFileSync(Buffer.concat([odd, Buffer.from([0x2f, 0x80])]), "");
  await clearAway(work);
  expect(readdirSync(root)).toEqual([]);
});

test("a tree deeper than any path is long", async () => {
  // From the bottom: 12 times 500 directories, each time around those before.
  for (let times = 0; times < 12; times++) {
    const around = join(root, "around");
    const bottom = join(around, "d/".repeat(499));
    mkdirSync(bottom, { recursive: true });
    renameSync(work, join(bottom, "inner"));
    renameSync(around, work);
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const cleared = clearAway(work);
  expect(existsSync(work)).toBe(false);
  mkdirSync(work);
  await cleared;
  clearInterval(timer);
  expect(readdirSync(root)).toEqual(["server.session-1"]);
  // Others had their turn meanwhile.
  expect(turns).toBeGreaterThan(1);
});

test("what is not there is no error", async () => {
  await clearAway(join(root, "nothing"));
  expect(readdirSync(root)).toEqual(["server.session-1"]);
});

test("what was interrupted is ended later", async () => {
  mkdirSync(join(root, ".cleared-abc/0/deep"), { recursive: true });
  writeFileSync(join(root, ".cleared-abc/0/deep/file"), "");
  await clearLeftovers(root);
  expect(readdirSync(root)).toEqual(["server.session-1"]);
});

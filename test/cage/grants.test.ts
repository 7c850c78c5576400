// Grants that would undo a cage, in every spelling, and those that are fine.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { refusedGrant } from "../../src/cage/grants.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "tc-grants-")));
const data = join(root, "data");
for (const name of ["data/work", "beside", "database"]) mkdirSync(join(root, name), { recursive: true });
symlinkSync(data, join(root, "link"));
symlinkSync("/", join(root, "all"));
afterAll(() => rmSync(root, { recursive: true }));

const refused = (path: string) => refusedGrant({ read: [], write: [path] }, [data]);

describe("refused", () => {
  test.each([
    ["the whole system", "/", "A grant of / would leave nothing of the cage"],
    ["the whole system, by a link", join(root, "all"), "A grant of / would leave nothing of the cage"],
    ["the whole system, by detours", "/usr/../", "A grant of / would leave nothing of the cage"],
    ["processes", "/proc", "is the kernel's: a cage has a /proc of its own"],
    ["something of a process", "/proc/1/root", "is the kernel's"],
    ["devices", "/dev/sda", "is the kernel's: a cage has a /dev of its own"],
    ["the appliance's data", data, "would show the appliance's own data"],
    ["what is in it", join(data, "work"), "would show the appliance's own data"],
    ["what it is in", root, "would show the appliance's own data"],
    ["a link to it", join(root, "link"), "would show the appliance's own data"],
  ])("%s", (_what, path, words) => {
    expect(refused(path)).toContain(words);
    expect(refusedGrant({ read: [path], write: [] }, [data])).toContain(words);
  });
});

test.each([join(root, "beside"), join(root, "database"), "/srv", "/nowhere/yet", "/devices", "/procedures"])(
  "%s can be granted",
  (path) => {
    expect(refused(path)).toBeUndefined();
  },
);

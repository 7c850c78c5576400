import { describe, expect, test } from "bun:test";
import { whereShown } from "../../src/cage/mount-table.ts";

/** `device root point` a line, as the rest of a line of mountinfo does not matter. */
function table(...lines: readonly string[]): string {
  return lines.map((line, index) => `${index + 1} 0 ${line} rw,nosuid shared:1 - ext4 /dev/x rw\n`).join("");
}

const HOST = table("8:1 / /", "0:22 / /proc", "8:2 / /var", "0:30 / /tmp");
const DATABASE = "/var/lib/toolcrib/toolcrib.db";

describe("a file of the host is shown", () => {
  test.each<[string, readonly string[], string | undefined]>([
    ["nowhere, on an empty root", ["0:90 / /", "8:1 /usr /usr", "0:22 / /proc"], undefined],
    [
      "nowhere, beside what is bound",
      ["0:90 / /", "8:2 /lib/toolcrib/work/a /var/lib/toolcrib/work/a"],
      undefined,
    ],
    ["nowhere, where another file system has the same paths", ["8:1 / /", "8:3 / /var"], undefined],
    ["nowhere, under a mount that lies over it", ["0:90 / /", "8:2 / /var", "0:91 / /var/lib"], undefined],
    ["nowhere, in an empty table", [], undefined],
    ["at its place", ["0:90 / /", "8:2 / /var"], DATABASE],
    ["at its place, as the file alone", ["0:90 / /", `8:2 /lib/toolcrib/toolcrib.db ${DATABASE}`], DATABASE],
    ["under another name", ["0:90 / /", "8:2 /lib/toolcrib /srv/data"], "/srv/data/toolcrib.db"],
    ["with the whole file system somewhere", ["0:90 / /", "8:2 / /mnt"], "/mnt/lib/toolcrib/toolcrib.db"],
    ["as the root itself", ["8:2 / /"], "/lib/toolcrib/toolcrib.db"],
    [
      "by the second of two",
      ["0:90 / /", "8:2 / /a", "0:91 / /a/lib", "8:2 / /b"],
      "/b/lib/toolcrib/toolcrib.db",
    ],
    ["by the later of two at one place", ["0:90 / /", "0:91 / /var", "8:2 / /var"], DATABASE],
  ])("%s", (_name, lines, where) => {
    expect(whereShown(DATABASE, HOST, table(...lines))).toBe(where);
  });
});

test("the same table shows everything where it is", () => {
  for (const path of [DATABASE, "/", "/var", "/tmp/x", "/usr/bin/env"]) {
    expect(whereShown(path, HOST, HOST)).toBe(path);
  }
});

test("names with blanks", () => {
  const ours = table("8:1 / /", String.raw`8:2 / /srv/my\040data`);
  expect(whereShown("/srv/my data/db", ours, table("0:90 / /", "8:2 / /x"))).toBe("/x/db");
  expect(whereShown("/srv/my data/db", ours, table("0:90 / /", String.raw`8:2 / /a\134b`))).toBe("/a\\b/db");
});

test("what is no table shows nothing", () => {
  expect(whereShown("/x", "", HOST)).toBeUndefined();
  expect(whereShown("/x", HOST, "what\nis this\n")).toBeUndefined();
});

// The committed probes are what their source makes, where the compilers are present; build.sh tells of those
// that are not.

import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";

const SOURCE = join(import.meta.dir, "../../../src/cage/probe");

test("the committed probes are those that the source makes", async () => {
  const check = Bun.spawn(["sh", join(SOURCE, "build.sh"), "--check"], { stdout: "pipe", stderr: "pipe" });
  const [code, out, err] = await Promise.all([check.exited, check.stdout.text(), check.stderr.text()]);
  console.log(out.trim());
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const lines = out.trim().split("\n");
  for (const machine of ["x64", "arm64"]) {
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^probe-${machine}: (rebuilt|skipped)`)));
  }
}, 60_000);

test.each(["probe-x64", "probe-arm64"])("%s is small and can be run", (name) => {
  const { size, mode } = statSync(join(SOURCE, name));
  expect(size).toBeLessThan(64 * 1024);
  expect(mode & 0o111).toBe(0o111);
});

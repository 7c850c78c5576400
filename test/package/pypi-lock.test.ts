// What is kept of a resolution, and that nothing else gets through.

import { describe, expect, test } from "bun:test";
import { integrityOf, pypiPath, readLock, requirementsText } from "../../src/package/pypi-lock.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);

function pylock(packages: string): string {
  return `lock-version = "1.0"\ncreated-by = "uv"\n${packages}`;
}

const TWO = pylock(`
[[packages]]
name = "Zeta_Tool"
version = "1.0"
marker = "sys_platform != 'emscripten'"
wheels = [
  { url = "https://files.example.com/z/zeta_tool-1.0-cp312-abi3-manylinux_2_17_x86_64.whl", upload-time = 2026-07-23T20:16:12Z, size = 1, hashes = { sha256 = "${B}" } },
  { url = "https://files.example.com/z/zeta_tool-1.0-py3-none-any.whl", hashes = { sha256 = "${A}" } },
]
sdist = { url = "https://files.example.com/z/zeta_tool-1.0.tar.gz", hashes = { sha256 = "${"c".repeat(64)}" } }

[[packages]]
name = "alpha"
version = "2.0+local"
sdist = { url = "http://127.0.0.1:1/alpha-2.0.tar.gz", hashes = { sha256 = "${B}" } }
`);

test("names, versions and hashes, in one order", () => {
  const lock = readLock(TWO);
  expect(requirementsText(lock)).toBe(
    `alpha==2.0+local --hash=sha256:${B}\nzeta-tool==1.0 --hash=sha256:${A} --hash=sha256:${B}\n`,
  );
  expect(lock.addresses).toEqual(["https://files.example.com", "http://127.0.0.1:1"]);
});

describe("refused", () => {
  const line = (fields: string): string => pylock(`[[packages]]\n${fields}\n`);
  const wheels = `wheels = [{ url = "https://x/a.whl", hashes = { sha256 = "${A}" } }]`;
  test.each([
    ["a name with a line break", line(`name = "a\\n--index-url=http://x"\nversion = "1"\n${wheels}`)],
    ["a name that is an option", line(`name = "--index-url"\nversion = "1"\n${wheels}`)],
    ["a version with a space", line(`name = "a"\nversion = "1 --hash=sha256:0"\n${wheels}`)],
    ["no version", line(`name = "a"\n${wheels}`)],
    ["no archive", line('name = "a"\nversion = "1"\nwheels = []')],
    ["no hash", line('name = "a"\nversion = "1"\nwheels = [{ url = "https://x/a.whl", hashes = {} }]')],
    ["a hash that is none", line(`name = "a"\nversion = "1"\nwheels = [{ hashes = { sha256 = "${A} x" } }]`)],
    ["no list", 'lock-version = "1.0"\n'],
    ["no TOML", "<html>"],
  ])("%s", (_, text) => {
    expect(() => readLock(text)).toThrow();
  });
});

test.each([
  ["the archive whose tags were installed", ["cp312-abi3-manylinux_2_17_x86_64"], [B]],
  ["another", ["py3-none-any"], [A]],
  ["all that fit, where the tags tell nothing", [], [A, B]],
])("integrity of %s", (_, tags, expected) => {
  const files = readLock(TWO).packages[1]?.files ?? [];
  const shown = integrityOf(files, tags).split(" ");
  expect(shown.map((each) => Buffer.from(each.replace("sha256-", ""), "base64").toString("hex"))).toEqual(
    expected,
  );
});

test("integrity of what was built is that of its source", () => {
  const files = readLock(TWO).packages[0]?.files ?? [];
  expect(integrityOf(files, ["cp312-cp312-linux_x86_64"])).toBe(
    `sha256-${Buffer.from(B, "hex").toString("base64")}`,
  );
});

test("a place in the vault is of one list and one interpreter", () => {
  const place = pypiPath("tool", "1.0", "tool==1.0\n", "/usr/bin/python3.12");
  expect(place).toMatch(/^pypi\/tool@1\.0-[0-9a-f]{12}$/);
  expect(pypiPath("tool", "1.0", "tool==1.0\n", "/usr/bin/python3.12")).toBe(place);
  expect(pypiPath("tool", "1.0", "tool==1.0\n", "/usr/bin/python3.13")).not.toBe(place);
  expect(pypiPath("tool", "1.0", "tool==1.0\nx==1\n", "/usr/bin/python3.12")).not.toBe(place);
});

// What uv says when it fails, as sentences: the words of the version that is known, and of older ones.

import { describe, expect, test } from "bun:test";
import { isAboutPython, neededPython, pypiError, title } from "../../src/package/pypi-error.ts";

const TOOL = { name: "my-tool", wanted: "==1.2" };

const CASES: readonly (readonly [string, string, RegExp])[] = [
  [
    "older uv, no such package",
    "  × No solution found when resolving dependencies:\n  ╰─▶ Because my-tool was not found in the package registry and you require\n      my-tool==1.2, we can conclude that your requirements are unsatisfiable.",
    /^There is no package my-tool in the Python index: check the spelling\.$/,
  ],
  [
    "a dependency is missing",
    "error: No solution found\n  cause: Because absent was not found in the package registry and all versions of my-tool depend on absent",
    /^my-tool==1\.2 needs the package absent, which is not in the Python index/,
  ],
  [
    "a name in another spelling",
    "Because My_Tool was not found in the package registry",
    /^There is no package my-tool in the Python index/,
  ],
  [
    "no such version",
    "cause: Because there is no version of my-tool==1.2 and you require my-tool==1.2, we can conclude",
    /^The package my-tool has no version 1\.2: look at its versions/,
  ],
  [
    "only other versions",
    "cause: Because only my-tool<=1.1 is available and you require my-tool>=1.2, we can conclude",
    /^The package my-tool has only versions <=1\.1/,
  ],
  [
    "needs a build",
    "hint: Wheels are required for `dep` because building from source is disabled for all packages (i.e., with `--no-build`)",
    /^The package dep, which comes with my-tool==1\.2, has no ready-made archive \(wheel\).*would run its code/,
  ],
  [
    "a Python that is too old",
    "cause: Because the current Python version (3.9.2) does not satisfy Python>=3.10,<4 and my-tool==1.2 depends on Python>=3.10,<4, we",
    /^The package my-tool needs Python >=3\.10,<4, which this host does not have/,
  ],
  [
    "wheels for another system",
    "cause: Because my-tool==1.2 has no wheels with a matching platform tag (e.g., `manylinux_2_36_x86_64`) and you require",
    /^The package my-tool has no ready-made archive \(wheel\) for the platform of this host/,
  ],
  [
    "a wrong hash",
    "error: Failed to download `dep==1.0`\n  cause: Hash mismatch for `dep==1.0`\n\n Expected:\n sha256:0",
    /^The archive of the package dep, which comes with my-tool==1\.2, is not the one that its index promised/,
  ],
  [
    "a damaged archive",
    "error: Failed to download `my-tool==1.2`\n  cause: Failed to extract archive: my_tool-1.2-py3-none-any.whl\n  cause: Invalid zip file structure",
    /^The archive of the package my-tool is damaged: nothing was installed/,
  ],
  [
    "credentials are wanted",
    "hint: An index URL (https://joe:sekret@pypi.example.com/simple/) could not be queried due to a lack of valid authentication credentials (401 Unauthorized)",
    /^The Python index pypi\.example\.com refuses my-tool==1\.2/,
  ],
  [
    "a failing index",
    "error: Failed to fetch: http://127.0.0.1:1/simple/x/\n  cause: HTTP status server error (500 Internal Server Error) for url (http://joe:sekret@127.0.0.1:1/simple/x/?token=sekret)",
    /^The Python index 127\.0\.0\.1:1 answered HTTP 500 for my-tool==1\.2: try again later/,
  ],
  [
    "no network",
    "error: Failed to fetch: https://pypi.org/simple/x/\n  cause: error sending request for url (https://pypi.org/simple/x/)\n  cause: dns error",
    /^The Python index pypi\.org cannot be reached for my-tool==1\.2/,
  ],
  [
    "an address in its dependencies",
    "cause: Package `x` was included as a URL dependency. URL dependencies must be expressed as direct requirements",
    /^my-tool==1\.2 needs x from an address/,
  ],
  [
    "a failing build",
    "error: Failed to download and build `dep==1.0`\n  cause: exit 1",
    /^The build of the package dep, which/,
  ],
  [
    "something new",
    "error: The stars are wrong.\n  cause: Mars",
    /^my-tool==1\.2 could not be installed: Mars\.$/,
  ],
  [
    "something new and short",
    "error: The stars are wrong.",
    /could not be installed: The stars are wrong\.$/,
  ],
  ["nothing", "", /could not be installed: uv ended without a word\.$/],
  [
    "a secret in words that are not known",
    "error: cannot use https://joe:sekret@x/?key=sekret and Bearer sekret",
    /could not be installed: cannot use https:\/\/x\//,
  ],
  ["what acts on a terminal", "error: \x1b[31mred\u202e", /could not be installed: \\e\[31mred\\u\{202e\}/],
];

test.each(CASES)("%s", (_, output, expected) => {
  const error = pypiError(TOOL, output);
  expect(error.code).toBe("install-failed");
  expect(error.message).toMatch(expected);
  expect(error.message).not.toContain("sekret");
  expect(error.message.length).toBeLessThan(500);
});

test("a full disk", () => {
  expect(pypiError(TOOL, "cause: No space left on device (os error 28)").code).toBe("no-space");
});

describe("another Python may do", () => {
  test.each([
    ["does not satisfy Python>=3.12 and x==1 depends on Python>=3.12,", true, ">=3.12"],
    ["does not satisfy Python>=3.10,<3.13 and", true, ">=3.10,<3.13"],
    ["x==1 has no wheels with a matching Python ABI tag (e.g., `cp311`)", true, undefined],
    ["x==1 has no wheels with a matching Python version tag (e.g., `cp311`)", true, undefined],
    ["x==1 has no wheels with a matching platform tag (e.g., `linux`)", false, undefined],
    ["Because x was not found in the package registry", false, undefined],
  ])("%s", (output, expected, needed) => {
    expect(isAboutPython(output)).toBe(expected);
    expect(neededPython(output)).toBe(needed);
  });
});

test("a title", () => {
  expect(title({ name: "x", wanted: "latest" })).toBe("x");
  expect(title({ name: "x", wanted: ">=1" })).toBe("x>=1");
});

// The packages of the index that tests of installations use: proper ones, and one for each thing that can be wrong.
// Called by pypi.test.ts and pypi-refused.test.ts.

import type { FakeProject } from "./fake-pypi.ts";

const MAIN = { "tool_main.py": "import sys\ndef main():\n    print('hello', *sys.argv[1:])\n" };
const SCRIPT = { tool: "tool_main:main" };

export const PROJECTS: readonly FakeProject[] = [
  { name: "Tool", version: "1.0.0", scripts: SCRIPT, files: MAIN },
  {
    name: "tool",
    version: "1.1.0",
    scripts: SCRIPT,
    files: MAIN,
    requires: ["leaf>=1", 'extra-leaf; extra == "more"'],
    extras: ["more"],
  },
  { name: "tool", version: "2.0rc1", scripts: SCRIPT, files: MAIN },
  { name: "leaf", version: "1.2", files: { "leaf.py": "" } },
  { name: "leaf", version: "1.4", files: { "leaf.py": "" } },
  {
    name: "extra-leaf",
    version: "1.0",
    files: { "extra_leaf.py": "" },
    scripts: { leafy: "extra_leaf:main" },
  },
  { name: "library", version: "1.0", files: { "library.py": "" } },
  { name: "many", version: "1.0", scripts: { one: "tool_main:main", two: "tool_main:main" }, files: MAIN },
  { name: "other-name", version: "1.0", scripts: { serve: "tool_main:main" }, files: MAIN },
  {
    name: "broken-code",
    version: "1.0",
    scripts: SCRIPT,
    files: { ...MAIN, "template.py": "def {{name}}(:\n" },
  },
  {
    name: "hooked",
    version: "1.0",
    scripts: SCRIPT,
    files: {
      ...MAIN,
      "hook.pth": "import os; os.environ['MARK'] and open(os.environ['MARK'], 'w').close()\n",
    },
  },
  { name: "greedy", version: "1.0", files: { "greedy-1.0.data/scripts/python": "#!/bin/sh\necho taken\n" } },
  { name: "source-only", version: "1.0", kind: "source" },
  { name: "needs-source", version: "1.0", requires: ["source-only"], scripts: SCRIPT, files: MAIN },
  { name: "stale", version: "1.0", scripts: SCRIPT, files: MAIN },
  { name: "stale", version: "2.0", scripts: SCRIPT, files: MAIN, requires: ["source-only"] },
  { name: "picky", version: "1.0", scripts: SCRIPT, files: MAIN },
  { name: "picky", version: "2.0", scripts: SCRIPT, files: MAIN, requires: ["leaf>=1.4"] },
  { name: "needy", version: "1.0", requires: ["absent"] },
  { name: "future", version: "1.0", requiresPython: ">=3.99" },
  { name: "grown", version: "1.0", scripts: SCRIPT, files: MAIN },
  { name: "grown", version: "2.0", scripts: SCRIPT, files: MAIN, requiresPython: ">=3.13" },
  { name: "elsewhere", version: "1.0", tag: "py3-none-win_amd64" },
  { name: "unheard-of", version: "1.0", tag: "cp399-cp399-manylinux_2_17_x86_64" },
  { name: "tampered", version: "1.0", scripts: SCRIPT, files: MAIN, claims: "0".repeat(64) },
  { name: "hashless", version: "1.0", scripts: SCRIPT, files: MAIN, claims: "none" },
  { name: "corrupt", version: "1.0", body: new Uint8Array(Buffer.from("no archive at all")) },
  { name: "addressed", version: "1.0", requires: ["x @ git+https://127.0.0.1:1/x.git"] },
];

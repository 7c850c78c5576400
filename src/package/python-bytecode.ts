// The bytecode of what is installed, made once, so that a start compiles nothing. Called by pypi-steps.ts and
// python-managed.ts.

import type { InstallStep } from "./installer-child.ts";
import type { Interpreter } from "./python-interpreters.ts";

/**
 * Compiles all below `directory`, relative to `staging`. Files that do not compile (templates, code for other versions)
 * make it end with an error that says nothing.
 *
 * NB: by the interpreter itself and without `site`, not by uv's `--compile-bytecode`: that starts the Python of the
 * environment, and a `.pth` file in there runs code. Hashes instead of times tell what belongs together, and nobody
 * checks them at a start: a file of the vault does not change. One process and one seed make the same bytes each time.
 */
export function bytecodeStep(staging: string, { path, home }: Interpreter, directory: string): InstallStep {
  const options = ["-qq", "-j", "1", "--invalidation-mode", "unchecked-hash"];
  return {
    argv: [path, "-S", "-s", "-m", "compileall", ...options, directory],
    env: { PYTHONHASHSEED: "0", LANG: "C.UTF-8" },
    cwd: staging,
    writes: [staging],
    reads: home === undefined ? [] : [home],
    reaches: [],
  };
}
